"""``condense``: a rule's wish that old turns are shortened before a dear model reads them (the moderate tier)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from policies.durations import seconds
from policies.rules.conditions import nearest
from policies.rules.grammar import Path, Problem
from policies.rules.names import Names
from policies.verdict import Target

KEEP, MIN_TOKENS, TO, TIMEOUT = 4, 2_000, 0.2, 30.0
_WORDS = ("by", "keep", "min_tokens", "to", "timeout")


class Condensing(Struct, frozen=True, kw_only=True):
    """``condense: local`` or ``condense: {by: local, keep: 4, min_tokens: 2000, to: 0.2, timeout: 30s}``."""

    by: tuple[Target, ...]
    """Who shortens: the first of them that may and can."""
    keep: int = KEEP
    """Turns at the end that stay as they are."""
    min_tokens: int = MIN_TOKENS
    """With less text to shorten nothing is done."""
    to: float = TO
    """The share of it that is to be left."""
    timeout: float = TIMEOUT
    """Seconds; then the request goes on as it is."""


def read_condense(value: Any, path: Path, names: Names) -> tuple[Condensing | None, list[Problem]]:
    """The rule's words, or what is wrong with them. Without anybody in a role that nothing is bound to, nothing is
    shortened: the library's policies serve those, too, who have no model of their own."""
    told: dict[Any, Any] = value if isinstance(value, dict) else {"by": value}
    problems = list(_problems(told, path, names, named=isinstance(value, dict)))
    if problems:
        return None, problems
    by = tuple(names.targets[name] for name in names.backends([told["by"]]))
    if not by:
        return None, []
    return Condensing(
        by=by,
        keep=told.get("keep", KEEP),
        min_tokens=told.get("min_tokens", MIN_TOKENS),
        to=float(told.get("to", TO)),
        timeout=seconds(told.get("timeout", TIMEOUT)),
    ), []


def _problems(told: Mapping[Any, Any], path: Path, names: Names, *, named: bool) -> Iterator[Problem]:
    for key in told:
        if key not in _WORDS:
            yield (*path, key), f"unknown word {key!r}: {nearest(str(key), _WORDS)}"
    word, place = told.get("by"), (*path, "by") if named else path
    if not isinstance(word, str):
        yield place, f"takes a backend, pool or role such as `local`, not {word!r}"
    elif names.expand(word) is None:
        yield place, f"there is no backend, pool or role {word!r}: {nearest(word, names.known)}"
    for key in ("keep", "min_tokens"):
        number = told.get(key, 1)
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            yield (*path, key), f"must be a whole number of at least 1, not {number!r}"
    to = told.get("to", TO)
    if not isinstance(to, int | float) or isinstance(to, bool) or not 0.02 <= to <= 0.8:
        yield (*path, "to"), f"must be a number from 0.02 to 0.8, the share that is to be left, not {to!r}"
    try:
        seconds(told.get("timeout", TIMEOUT))
    except ValueError as mistake:
        yield (*path, "timeout"), str(mistake)
