"""One ``when`` compiled: its words, and ``any`` and ``not`` over them, into conditions of which all must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from policies.rules.grammar import Path, Problem
from policies.rules.meaning import Meaning, Written
from policies.rules.names import Names
from policies.rules.schedule import zone
from policies.rules.vocabulary import WORDS, Around, Mistake, Test, nearest, spelled

if TYPE_CHECKING:
    from policies.facts import Facts

__all__ = ["CONTENT", "Condition", "compile_when", "facts_of", "nearest"]

CONTENT = frozenset(
    {
        "tools", "needs", "modality", "input_tokens", "max_output", "structured_output", "effort", "class", "score",
        "p_local_worse", "language", "depth",
    }
)  # fmt: skip
"""Facts that can only be known once the body has been read."""

_CLASSIFIED = frozenset({"class", "score", "p_local_worse"})
_NESTS = ("any", "not")
_CLOCK = "timezone"
_KNOWN = (*WORDS, *_NESTS, _CLOCK)


Holds: TypeAlias = Callable[["Facts"], object]
"""True or false, as any Test."""


class Condition(Struct, frozen=True):
    """One word of a ``when``: the fact it reads, whether it holds, how the trace tells it, and what it lets through.
    ``any`` and ``not`` read no fact of their own, but those of their ``parts``."""

    fact: str
    holds: Holds
    text: str
    meaning: Meaning
    parts: tuple[tuple[Condition, ...], ...] = ()
    miss: str = ""
    """What the trace says of its rule when it does not hold."""


def facts_of(conditions: Iterable[Condition]) -> Iterator[str]:
    """The facts that these look at."""
    for condition in conditions:
        if not condition.parts:
            yield condition.fact
        for part in condition.parts:
            yield from facts_of(part)


def compile_when(
    when: Mapping[str, Any], path: Path, names: Names, around: Around | None = None
) -> tuple[list[Condition], list[Problem]]:
    """The conditions of one ``when`` (all must hold), and what is wrong with them. ``around``: of the ``when`` that
    this one stands in."""
    problems: list[Problem] = []
    around = _clocked(when, path, around or Around(names, UTC), problems)
    conditions: list[Condition] = []
    for word, wanted in when.items():
        here = (*path, word)
        if word in _NESTS:
            conditions += _nested(word, wanted, here, around, problems)
        elif word in WORDS:
            conditions += _plain(word, wanted, here, around, problems)
        elif word != _CLOCK:
            problems.append((here, f"unknown condition {word!r}: {nearest(word, _KNOWN)}"))
    conditions.sort(key=_cost)
    return conditions, problems


def _clocked(when: Mapping[str, Any], path: Path, around: Around, problems: list[Problem]) -> Around:
    """The clock of ``time`` and ``weekday`` in this ``when``."""
    if _CLOCK not in when:
        return around
    if not any(word in when for word in ("time", "weekday", *_NESTS)):
        problems.append(((*path, _CLOCK), "is the clock of `time` and `weekday`: add one of them"))
    try:
        return Around(around.names, zone(when[_CLOCK]))
    except ValueError as mistake:
        problems.append(((*path, _CLOCK), str(mistake)))
        return around


def _plain(word: str, wanted: object, path: Path, around: Around, problems: list[Problem]) -> list[Condition]:
    try:
        test, meaning = WORDS[word](wanted, around)
    except Mistake as mistake:
        problems.append(((*path, *mistake.path), str(mistake)))
        return []
    return [Condition(word, _known(word, test), f"{word} {spelled(wanted)}", meaning)]


def _known(fact: str, test: Test) -> Holds:
    """What is unknown (None) meets no test. What is known without the body is looked up directly: long lists of rules
    ask for little else."""
    if fact == "data_class":
        return lambda facts: test(facts.data_class)
    if fact in CONTENT:
        return lambda facts: (value := facts.value(fact)) is not None and test(value)
    return lambda facts: (value := facts.head[fact]) is not None and test(value)


def _nested(word: str, wanted: Any, path: Path, around: Around, problems: list[Problem]) -> list[Condition]:
    """``any``: a list of conditions, one of which must hold; ``not``: conditions that must not hold together."""
    listed = wanted if word == "any" else [wanted]
    if not isinstance(listed, list) or not listed or not all(isinstance(each, Mapping) and each for each in listed):
        example = "a list such as [{class: simple}, {stream: true}]" if word == "any" else "one such as {class: simple}"
        problems.append((path, f"takes conditions, {example}, not {wanted!r}"))
        return []
    places = [(*path, index) for index in range(len(listed))] if word == "any" else [path]
    compiled = [compile_when(each, at, around.names, around) for each, at in zip(listed, places, strict=True)]
    problems.extend(problem for _, found in compiled for problem in found)
    parts = tuple(tuple(found) for found, _ in compiled)
    told = " or ".join(" and ".join(each.text for each in part) for part in parts)
    text = f"{word} ({told})"
    some = _one_holds(parts)
    meaning = Written(tuple(tuple((each.fact, each.meaning) for each in part) for part in parts))
    return [Condition(word, some if word == "any" else lambda facts: not some(facts), text, meaning, parts)]


def _one_holds(parts: Sequence[tuple[Condition, ...]]) -> Holds:
    tests = [[condition.holds for condition in part] for part in parts]

    def holds(facts: Facts) -> bool:
        for part in tests:
            for each in part:
                if not each(facts):
                    break
            else:
                return True
        return False

    return holds


def _cost(condition: Condition) -> int:
    """Cheap facts are asked first, so that a prompt is classified only when nothing else decides."""
    if condition.parts:
        return max((_cost(each) for part in condition.parts for each in part), default=0)
    return (2 if condition.fact in _CLASSIFIED else 1) if condition.fact in CONTENT else 0
