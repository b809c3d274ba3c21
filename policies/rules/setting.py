"""What ``set`` does to a request: a value for the client's, or bounds that the client's value is kept in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from adapters import ir
from policies.data_classes.data_class import LABEL, label_problems
from policies.rules.grammar import Path, Problem
from policies.rules.vocabulary import nearest, spelled

TREATED = frozenset({"cache", "data_class"})
"""Words of ``set`` that change how the request is treated, not the request."""


class _Word(Struct, frozen=True):
    """A word of ``set``: is this a value of it, and how a wrong one is told."""

    takes: Callable[[Any], bool]
    told: str
    bounds: bool = False
    """May also be ``{min: …, max: …}``."""


def _number(low: float, high: float | None = None, *, whole: bool = False) -> Callable[[Any], bool]:
    kind = int if whole else int | float

    def takes(value: Any) -> bool:
        right = isinstance(value, kind) and not isinstance(value, bool)
        return right and value >= low and (high is None or value <= high)

    return takes


_TIERS = ("auto", "default", "flex", "priority", "scale", "fast", "ultrafast", "standard_only")
"""Of OpenAI and of Anthropic; whoever has no such choice is not told."""

_WORDS = {
    "effort": _Word(lambda value: value in ir.EFFORTS, f"must be one of {', '.join(ir.EFFORTS)}", bounds=True),
    "max_output_tokens": _Word(_number(1, whole=True), "must be a whole number of at least 1", bounds=True),
    "temperature": _Word(_number(0, 2), "must be a number from 0 to 2", bounds=True),
    "top_p": _Word(_number(0, 1), "must be a number from 0 to 1", bounds=True),
    "service_tier": _Word(lambda value: value in _TIERS, f"must be one of {', '.join(_TIERS)}"),
    "cache": _Word(lambda value: isinstance(value, Mapping), "must be a mapping such as {ttl: 1h}"),
    "data_class": _Word(
        lambda value: isinstance(value, str) and LABEL.fullmatch(value) is not None,
        "must be a word of small letters, digits, '-' and '_'",
    ),
}


def problems(wanted: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """What is wrong with a rule's ``set``."""
    for key, value in wanted.items():
        word = _WORDS.get(key)
        if word is None:
            yield (*path, key), f"cannot be set {key!r}: {nearest(key, _WORDS)}"
        elif key == "data_class":
            yield from label_problems(value, (*path, key))
        elif word.bounds and isinstance(value, Mapping):
            yield from _bounds_problems(key, value, word, (*path, key))
        elif not word.takes(value):
            yield (*path, key), f"{word.told}, not {value!r}"


def _bounds_problems(key: str, bounds: Mapping[str, Any], word: _Word, path: Path) -> Iterator[Problem]:
    wrong = [side for side in bounds if side not in {"min", "max"}]
    if wrong or not bounds:
        yield path, f"takes a value, or bounds such as {{max: …}} with `min`, `max` or both, not {bounds!r}"
        return
    bad = [side for side, value in bounds.items() if not word.takes(value)]
    for side in bad:
        yield (*path, side), f"{word.told}, not {bounds[side]!r}"
    if not bad and len(bounds) == 2 and _rank(key, bounds["min"]) > _rank(key, bounds["max"]):
        yield path, f"has a `min` of {bounds['min']!r} over its `max` of {bounds['max']!r}: change one"


def changes(wanted: Mapping[str, Any], request: ir.Request, effort: str | None) -> dict[str, Any]:
    """What is to change in ``request``: field -> new value; only what is not so already.

    ``effort``: what it asks for as a word, in whichever way it says so. Bounds fill in nothing that the client left
    out, but a ``max`` of ``max_output_tokens``: without one, an answer may be of any length.
    """
    changed: dict[str, Any] = {}
    for key, value in wanted.items():
        now = effort if key == "effort" else getattr(request, key)
        new = _bounded(key, now, value) if isinstance(value, Mapping) else value
        if new != now:
            changed[key] = new
    if "effort" in changed and request.thinking_budget is not None:
        changed["thinking_budget"] = None
    return changed


def _bounded(key: str, now: Any, bounds: Mapping[str, Any]) -> Any:
    if now is None:
        return bounds.get("max") if key == "max_output_tokens" else None
    at = _rank(key, now)
    if "max" in bounds and at > _rank(key, bounds["max"]):
        return bounds["max"]
    return bounds["min"] if "min" in bounds and at < _rank(key, bounds["min"]) else now


def _rank(key: str, value: Any) -> float:
    """A number by which values compare; an effort that we do not know is above all others."""
    if key != "effort":
        return float(value)
    return ir.EFFORTS.index(value) if value in ir.EFFORTS else len(ir.EFFORTS)


def told(wanted: Mapping[str, Any]) -> str:
    """For the trace: ``effort=low, max_output_tokens=1..4096``."""
    return ", ".join(f"{key}={_told(value)}" for key, value in wanted.items())


def _told(value: Any) -> str:
    if isinstance(value, Mapping) and not value.keys() - {"min", "max"}:
        return f"{value.get('min', '')}..{value.get('max', '')}"
    return spelled(value)
