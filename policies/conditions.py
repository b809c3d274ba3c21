"""What may stand under ``when``: each word with the values it takes, compiled into a pure test of one fact."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from msgspec import Struct

from adapters import ir
from policies.grammar import Path, Problem
from policies.schedule import days, hours

Test: TypeAlias = Callable[[Any], bool]
"""Is this value of the fact one that the rule asks for? An unknown value (None) never reaches a test."""

Expand: TypeAlias = Callable[[str], tuple[str, ...] | None]
"""A role, pool or backend -> its backends; None when there is no such name."""

CONTENT = frozenset(
    {
        "tools", "needs", "modality", "input_tokens", "max_output", "structured_output", "effort", "class", "score",
        "language", "depth",
    }
)  # fmt: skip
"""Facts that can only be known once the body has been read."""

_NUMBER = r"(\d+(?:\.\d+)?)\s*([kKM%]?)"
_COMPARE = re.compile(rf"(>=|<=|>|<|=)?\s*{_NUMBER}")
_RANGE = re.compile(rf"{_NUMBER}\s*-\s*{_NUMBER}")
_UNIT = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "%": 0.01}
_COMPARISONS: dict[str, Callable[[float], Test]] = {
    ">": lambda bound: lambda value: value > bound,
    ">=": lambda bound: lambda value: value >= bound,
    "<": lambda bound: lambda value: value < bound,
    "<=": lambda bound: lambda value: value <= bound,
    "=": lambda bound: lambda value: value == bound,
}


class Mistake(Exception):  # noqa: N818 - the operator's, told with its mend
    """A value that a word does not take; ``path`` leads on from the word."""

    def __init__(self, text: str, path: Path = ()) -> None:
        super().__init__(text)
        self.path = path


class Condition(Struct, frozen=True):
    """One word of a ``when``: the fact it reads, its test, and how the trace tells it."""

    fact: str
    test: Test
    text: str


def nearest(word: str, known: Collection[str]) -> str:
    """What to say after "unknown …": the nearest right word, else all of them."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(sorted(known)) or 'none is defined'}"


def compile_when(when: Mapping[str, Any], path: Path, expand: Expand) -> tuple[list[Condition], list[Problem]]:
    """The conditions of one ``when`` (all must hold), and what is wrong with them."""
    conditions: list[Condition] = []
    problems: list[Problem] = []
    for word, wanted in when.items():
        kind = _WORDS.get(word)
        if kind is None:
            problems.append(((*path, word), f"unknown condition {word!r}: {nearest(word, _WORDS)}"))
            continue
        try:
            conditions.append(Condition(word, kind(wanted, expand), f"{word} {_spell(wanted)}"))
        except Mistake as mistake:
            problems.append(((*path, word, *mistake.path), str(mistake)))
    conditions.sort(key=lambda condition: _cost(condition.fact))
    return conditions, problems


def _cost(fact: str) -> int:
    """Cheap facts are asked first, so that a prompt is classified only when nothing else decides."""
    return (2 if fact in {"class", "score"} else 1) if fact in CONTENT else 0


def _spell(wanted: object) -> str:
    if isinstance(wanted, bool):
        return str(wanted).lower()
    if isinstance(wanted, list):
        return "|".join(map(_spell, wanted))
    if isinstance(wanted, Mapping):
        return ", ".join(f"{key} {_spell(value)}" for key, value in wanted.items())
    return str(wanted)


def _texts(wanted: object) -> list[str]:
    """A text or a list of texts, as a list."""
    texts: list[Any] = wanted if isinstance(wanted, list) else [wanted]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise Mistake(f"takes a text or a list of texts, not {wanted!r}")
    return texts


def _globs(wanted: object, _: Expand) -> Test:
    """Names with ``*``, ``?`` and ``[…]``; the fact is a text or a tuple of texts, one of which must match."""
    wanted_texts = _texts(wanted)
    if not any(sign in text for text in wanted_texts for sign in "*?["):
        return _meets(frozenset(wanted_texts))
    pattern = re.compile("|".join(fnmatch.translate(text) for text in wanted_texts))

    def test(value: str | tuple[str, ...]) -> bool:
        texts = (value,) if isinstance(value, str) else value
        return any(pattern.match(text) for text in texts)

    return test


def _one_of(*known: str) -> Callable[[object, Expand], Test]:
    """Words of a closed list; the fact is a word or a set of words."""

    def compile_words(wanted: object, _: Expand) -> Test:
        return _meets(frozenset(_known(text, known) for text in _texts(wanted)))

    return compile_words


def _known(word: str, known: Collection[str]) -> str:
    if word not in known:
        raise Mistake(f"unknown value {word!r}: {nearest(word, known)}")
    return word


def _meets(wanted: frozenset[str]) -> Test:
    def test(value: str | Collection[str]) -> bool:
        return value in wanted if isinstance(value, str) else not wanted.isdisjoint(value)

    return test


def _words(wanted: object, _: Expand) -> Test:
    """Words of an open list: data classes and languages."""
    return _meets(frozenset(_texts(wanted)))


def _tools(wanted: object, _: Expand) -> Test:
    """``any``, ``none``, ``history`` (a tool was called before), or names of tools on offer."""
    return _meets(frozenset(text if text in {"any", "none", "history"} else f"name:{text}" for text in _texts(wanted)))


def _structured(wanted: object, expand: Expand) -> Test:
    if isinstance(wanted, bool):
        return lambda value: (value != "text") is wanted
    return _one_of("text", "json_object", "json_schema")(wanted, expand)


def _flag(wanted: object, _: Expand) -> Test:
    if not isinstance(wanted, bool):
        raise Mistake(f"takes true or false, not {wanted!r}")
    return lambda value: value is wanted


def _number(wanted: object, _: Expand) -> Test:
    """``>32000``, ``<=8k``, ``1k-8k`` (both ends included), ``80%``, or a bare number for equality."""
    text = str(wanted).strip()
    if span := _RANGE.fullmatch(text):
        low, high = _scaled(span[1], span[2]), _scaled(span[3], span[4])
        if low > high:
            raise Mistake(f"the range {text!r} is empty: write the smaller number first")
        return lambda value: low <= value <= high
    found = None if isinstance(wanted, bool) else _COMPARE.fullmatch(text)
    if found is None:
        raise Mistake(f"takes a comparison such as '>32000', '<=8k' or '1k-8k', not {wanted!r}")
    return _COMPARISONS[found[1] or "="](_scaled(found[2], found[3]))


def _scaled(number: str, unit: str) -> float:
    """``k`` is 1,000; per cent are shares of one."""
    return round(float(number) * _UNIT[unit], 9)


def _share(wanted: object, expand: Expand) -> Test:
    """A share of one, so ``80`` alone is surely a slip for ``80%``."""
    if any(float(n) > 10 and unit != "%" for n, unit in re.findall(_NUMBER, str(wanted))):
        raise Mistake(f"is a share: write per cent, such as '>80%', not {wanted!r}")
    return _number(wanted, expand)


def _effort(wanted: object, expand: Expand) -> Test:
    """An effort, a list of them, or a comparison such as ``>=high``."""
    if isinstance(wanted, str) and (found := re.fullmatch(r"(>=|<=|>|<)\s*(\w+)", wanted)):
        bound = ir.EFFORTS.index(_known(found[2], ir.EFFORTS))
        compare = _COMPARISONS[found[1]](bound)
        return lambda value: value in ir.EFFORTS and compare(ir.EFFORTS.index(value))
    return _one_of(*ir.EFFORTS)(wanted, expand)


def _headers(wanted: object, expand: Expand) -> Test:
    """Header name -> a pattern, several, or true (present) and false (absent)."""
    tests: list[tuple[str, Test | bool]] = []
    for name, value in _mapping(wanted, "headers, such as {x-team: blue}").items():
        test = value if isinstance(value, bool) else _at(name, _globs, value, expand)
        tests.append((name.lower(), test))

    def test_all(headers: Mapping[str, str]) -> bool:
        return all(
            (name in headers) is test if isinstance(test, bool) else (name in headers and test(headers[name]))
            for name, test in tests
        )

    return test_all


def _per_backend(kind: Callable[[object, Expand], Test], pick: Callable[[list[Any]], Any]) -> Callable[..., Test]:
    """Role, pool or backend -> a value; ``pick`` says which backend speaks for a pool."""

    def compile_mapping(wanted: object, expand: Expand) -> Test:
        tests: list[tuple[tuple[str, ...], Test]] = []
        for name, value in _mapping(wanted, "backends, such as {oss: …}").items():
            backends = expand(name)
            if backends is None:
                raise Mistake(f"there is no backend, pool or role {name!r}", (name,))
            tests.append((backends, _at(name, kind, value, expand)))

        def test_all(known: Mapping[str, Any]) -> bool:
            for backends, test in tests:
                values = [known[backend] for backend in backends if known.get(backend) is not None]
                if not values or not test(pick(values)):
                    return False
            return True

        return test_all

    return compile_mapping


def _at(name: str, kind: Callable[[object, Expand], Test], value: object, expand: Expand) -> Test:
    try:
        return kind(value, expand)
    except Mistake as mistake:
        raise Mistake(str(mistake), (name, *mistake.path)) from mistake


def _mapping(wanted: object, example: str) -> dict[str, Any]:
    if not isinstance(wanted, Mapping) or not wanted:
        raise Mistake(f"takes a mapping of {example}, not {wanted!r}")
    return {str(name): value for name, value in wanted.items()}


def _hours(wanted: object, _: Expand) -> Test:
    try:
        return hours(str(wanted))
    except ValueError as mistake:
        raise Mistake(str(mistake)) from mistake


def _days(wanted: object, _: Expand) -> Test:
    try:
        return days(_texts(wanted))
    except ValueError as mistake:
        raise Mistake(str(mistake)) from mistake


def _best_health(values: list[str]) -> str:
    """A pool is up as long as one of its backends is."""
    return "up" if "up" in values else "down"


_WORDS: dict[str, Callable[[Any, Expand], Test]] = {
    "alias": _globs,
    "model": _globs,
    "api": _one_of("chat", "responses", "messages", "embeddings", "completions"),
    "stream": _flag,
    "caller": _globs,
    "team": _globs,
    "tags": _globs,
    "headers": _headers,
    "tools": _tools,
    "needs": _one_of("tools", "images", "files", "audio", "structured_output", "reasoning"),
    "modality": _one_of("text", "image", "file", "audio"),
    "input_tokens": _number,
    "max_output": _number,
    "structured_output": _structured,
    "effort": _effort,
    "class": _one_of("simple", "moderate", "complex"),
    "score": _share,
    "language": _words,
    "data_class": _words,
    "depth": _number,
    "time": _hours,
    "weekday": _days,
    "budget_used": _share,
    "health": _per_backend(_one_of("up", "down"), _best_health),
    "load": _per_backend(_share, min),
}
