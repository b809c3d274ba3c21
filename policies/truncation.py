"""Silent truncation: did a backend read the whole prompt, by the prompt tokens that it reports?

Our own estimate is rough, so it proves nothing alone. What does: no tokenizer in use makes fewer tokens than there are
words between white space, and a server that cuts reports the same count for prompts of different sizes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from adapters import ir
from policies.prompt import texts

FLAG = "truncated_prompt"
"""The row's flag in the ledger."""

SHORTFALL = 0.9
"""A prompt that is reported with less than this share of its tokens was not read whole."""
SMALLEST = 1_024
"""Tokens; no server cuts at less, and a smaller report is one that leaves out what was cached."""
_HABIT = 8
"""Prompts after which the backend's own ratio of reported to estimated tokens is known."""
_FIT = 64
"""Estimated tokens from which that ratio says something."""
_TIGHT = 8
"""Tokens by which a report may be below the limit at which it was cut."""
_ALIKE, _UNLIKE = 0.03, 0.1
"""Two reports are the same, two prompts are not: by share."""
_NEAR = 0.8
"""Share of the largest report so far that a cut prompt's has at the least: whole turns are dropped."""
_WORD = 16
"""Characters by which a text is looked through for one word."""


class Seen(Struct, frozen=True):
    """What the reports of one backend have shown so far."""

    whole: int = 0
    """Prompts that were read whole, as far as anyone can tell."""
    least: float = 1.0
    """The smallest ratio of reported to estimated tokens among them."""
    largest: int = 0
    """Tokens of the largest report."""
    suspect: tuple[int, int] | None = None
    """(reported, estimated) tokens of a prompt that was cut by its words, with nothing yet beside it."""
    limit: int | None = None
    """Tokens at which two different prompts were cut."""


class Cut(Struct, frozen=True):
    """A prompt that was not read whole: ``reported`` of at least ``sent`` tokens."""

    reported: int
    sent: int


def judge(
    seen: Seen, estimate: int, reported: int, *, words: Callable[[int], int], context: int | None
) -> tuple[Seen, Cut | None]:
    """What is known after one more answer, and whether its prompt was cut.

    ``estimate``: our count of the prompt, in tokens. ``words(enough)`` counts its words, up to ``enough`` and a few.
    ``context``: what the backend is said to take, in tokens.
    """
    known = msgspec.structs.replace(seen, largest=max(seen.largest, reported), limit=_stands(seen, reported))
    enough = int(reported / SHORTFALL) + 1
    if reported < SMALLEST or reported >= SHORTFALL * estimate or reported < _NEAR * seen.largest:
        return _habit(known, estimate, reported), None
    if (counted := words(enough)) >= enough:
        return _proven(known, estimate, reported, counted, context)
    expected = int(estimate * seen.least)
    if seen.whole >= _HABIT and reported < SHORTFALL * expected:
        return known, Cut(reported, expected) if _at_limit(reported, context, seen.limit) else None
    return _habit(known, estimate, reported), None


def count_words(request: ir.Request, enough: int) -> int:
    """Words between white space in all that the model reads; the rest is not looked at once there are ``enough``."""
    found = 0
    for text in texts(request):
        found += len(text[: _WORD * enough].split())
        if found >= enough:
            break
    return found


def _stands(seen: Seen, reported: int) -> int | None:
    """A report a little past the limit shows where it really is; one that is far past it, that there is none."""
    if seen.limit is None or reported <= seen.limit:
        return seen.limit
    return reported if reported <= (1 + _UNLIKE) * seen.limit else None


def _habit(seen: Seen, estimate: int, reported: int) -> Seen:
    if estimate < _FIT:
        return seen
    return msgspec.structs.replace(seen, whole=seen.whole + 1, least=min(seen.least, reported / estimate))


def _proven(seen: Seen, estimate: int, reported: int, counted: int, context: int | None) -> tuple[Seen, Cut | None]:
    """Cut, by its words. It counts once it is at a limit; a limit is new only by a second, different prompt."""
    cut = Cut(reported, counted)
    if seen.suspect is not None and _again(seen.suspect, reported, estimate):
        return msgspec.structs.replace(seen, limit=max(reported, seen.suspect[0], seen.limit or 0)), cut
    known = seen if seen.limit is not None else msgspec.structs.replace(seen, suspect=(reported, estimate))
    return known, cut if _at_limit(reported, context, seen.limit) else None


def _again(suspect: tuple[int, int], reported: int, estimate: int) -> bool:
    """The same count for a prompt of another size: the server has stopped counting there."""
    before, size = suspect
    return abs(reported - before) <= _ALIKE * before and abs(estimate - size) >= _UNLIKE * size


def _at_limit(reported: int, context: int | None, limit: int | None) -> bool:
    """At a number at which servers cut: the context that we know, a power of two, or where others were cut."""
    if limit is not None and reported >= _NEAR * limit:
        return True
    power = 1 << (reported + _TIGHT).bit_length() - 1
    return any(0 <= mark - reported <= _TIGHT for mark in (context or 0, power))
