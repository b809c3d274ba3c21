"""Rules that can never apply: their own words exclude each other, or an earlier rule takes all that they would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from policies.rules.conditions import Condition, facts_of
from policies.rules.grammar import Path, Problem
from policies.rules.meaning import Span, apart, within
from policies.rules.vocabulary import REACH

GUARDS = 1_000
"""The layer of the guards: beyond any policy's parents."""
_CLASS = "data_class"


class Placed(Struct, frozen=True):
    """A compiled rule where it stands. ``layer``: 0 is the policy itself, 1 its parent and so on, guards beyond all.
    ``own``: it stands in the operator's file, so that he is told."""

    label: str
    path: Path
    conditions: tuple[Condition, ...]
    ends: bool
    layer: int
    own: bool = True
    raises: bool = False
    """It may raise the data class, so that rules behind it see another one than those before it."""


def unreachable(rules: Sequence[Placed]) -> Iterator[Problem]:
    """Each rule that can never apply, and why. A parent's rule that its child takes over is no mistake."""
    ending: list[Placed] = []
    for rule in rules:
        if rule.raises:
            ending = [each for each in ending if each.layer == GUARDS or _CLASS not in facts_of(each.conditions)]
        taken = next((each for each in ending if rule.layer <= each.layer and _covers(each, rule)), None)
        if not rule.own:
            ending += [rule] if rule.ends else []
        elif _void(rule.conditions):
            yield rule.path, "can never apply: its conditions exclude each other, or a value that there cannot be"
        elif taken is not None:
            yield rule.path, f"is never reached: {_why(taken)}"
        elif rule.ends:
            ending.append(rule)


def _why(taken: Placed) -> str:
    if not taken.conditions:
        return f"{taken.label} before it always applies"
    return f"{taken.label} before it takes all that it would ({'; '.join(each.text for each in taken.conditions)})"


def _covers(earlier: Placed, later: Placed) -> bool:
    return all(_follows(each, later.conditions) for each in earlier.conditions)


def _follows(wanted: Condition, given: Sequence[Condition]) -> bool:
    """Does ``wanted`` surely hold wherever all of ``given`` do?"""
    if wanted.fact == "any" and any(all(_follows(each, given) for each in part) for part in wanted.parts):
        return True
    return any(_implies(each, wanted) for each in given)


def _implies(one: Condition, wanted: Condition) -> bool:
    if one.fact == wanted.fact:
        return within(one.meaning, wanted.meaning)
    return one.fact == "any" and all(_follows(wanted, part) for part in one.parts)


def _void(conditions: Sequence[Condition]) -> bool:
    """Can these surely never hold together?"""
    return any(_impossible(each, conditions) for each in conditions)


def _impossible(condition: Condition, beside: Sequence[Condition]) -> bool:
    others = [each for each in beside if each is not condition]
    if condition.fact == "not":
        return all(_follows(each, others) for each in condition.parts[0])
    if condition.fact == "any":
        return all(_void((*part, *others)) for part in condition.parts)
    reach = REACH.get(condition.fact)
    if isinstance(condition.meaning, Span) and reach is not None and condition.meaning.meets(reach).empty:
        return True
    return any(each.fact == condition.fact and apart(each.meaning, condition.meaning) for each in others)
