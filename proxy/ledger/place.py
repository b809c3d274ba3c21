"""Where a row lies in its SQLite file: by its call's own id, so that rows lie in the order of time and need no index.

A place is 42 bits of the call's milliseconds and 12 of the fraction below them, 4 random bits of its id and 5 of the
attempt. A row has no place of its own (it is *odd*) when its call's id is none of ours, or when its attempt began long
after the call: odd rows lie at negative places, under indexes that are small because such rows are few.
"""

from __future__ import annotations

SLACK = 1000
"""Milliseconds by which a row in its place may have started before or after its call."""
LAST = (1 << 63) - 1
_ATTEMPTS = 32
_BITS = 21
_END = 1 << 42
"""Milliseconds since 1970: in 2109."""
MOMENT = f"(id >> {_BITS})"
"""In SQL, the milliseconds that a place is made of."""


def place(request_id: str, attempt: int, started_at: int) -> int | None:
    """The place of a row, above 0; None: it is odd. Two rows may, very rarely, have one place."""
    start = _of_call(request_id)
    if start is None or not 0 <= attempt < _ATTEMPTS or not -SLACK <= started_at - (start >> _BITS) <= SLACK:
        return None
    return start | attempt


def of_call(request_id: str) -> tuple[int, int] | None:
    """The places of a call's attempts, the end excluded; None: all of them are odd."""
    start = _of_call(request_id)
    return None if start is None else (start, start + _ATTEMPTS)


def first(since: int) -> int:
    """The first place at which a row may lie that started at ``since`` (milliseconds) or later."""
    return _bounded(since - SLACK)


def end(until: int) -> int:
    """The place from which on no row started before ``until``."""
    return _bounded(until + SLACK)


def _of_call(request_id: str) -> int | None:
    if len(request_id) != 36 or request_id[14] != "7":
        return None
    try:
        number = int(request_id.replace("-", ""), 16)
    except ValueError:
        return None
    millis = number >> 80
    return millis << _BITS | (number >> 64 & 0xFFF) << 9 | (number & 0xF) << 5 if 0 < millis < _END else None


def _bounded(millis: int) -> int:
    return min(max(millis << _BITS, 1), LAST)
