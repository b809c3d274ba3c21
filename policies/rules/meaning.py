"""What a condition lets through, as a value: one may follow from another, exclude it, or let nothing through at all."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from math import inf
from typing import Any, TypeAlias

from msgspec import Struct

SIGNS = frozenset("*?[")
"""What makes a text a pattern."""


class Values(Struct, frozen=True):
    """The fact is one of these, or, being several itself, has one of them. Texts may be patterns."""

    words: frozenset[Any]
    one: bool = False
    """The fact is a single value of a closed list."""


class Span(Struct, frozen=True):
    """Numbers between two bounds."""

    low: float = -inf
    high: float = inf
    low_in: bool = True
    high_in: bool = True

    @property
    def empty(self) -> bool:
        return self.low > self.high or (self.low == self.high and not (self.low_in and self.high_in))

    def meets(self, other: Span) -> Span:
        """The numbers that are in both."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Span(
            low,
            high,
            all(each.low_in for each in (self, other) if each.low == low),
            all(each.high_in for each in (self, other) if each.high == high),
        )


class Written(Struct, frozen=True):
    """What can only be compared as it is written, with all that it is read by (its kind, its clock)."""

    value: object


Meaning: TypeAlias = Values | Span | Written


def within(narrow: Meaning, wide: Meaning) -> bool:
    """Does all that ``narrow`` lets through pass ``wide``, too? False also where nobody can tell."""
    if isinstance(narrow, Values) and isinstance(wide, Values):
        return all(_listed(word, wide.words) for word in narrow.words)
    if isinstance(narrow, Span) and isinstance(wide, Span):
        return narrow.meets(wide) == narrow
    return narrow == wide


def apart(one: Meaning, other: Meaning) -> bool:
    """Can surely nothing pass both?"""
    if isinstance(one, Values) and isinstance(other, Values):
        return one.one and other.one and one.words.isdisjoint(other.words)
    return isinstance(one, Span) and isinstance(other, Span) and one.meets(other).empty


def _listed(word: object, wide: frozenset[Any]) -> bool:
    """Is it named there, or, being no pattern itself, met by a pattern there?"""
    if word in wide:
        return True
    plain = isinstance(word, str) and SIGNS.isdisjoint(word)
    return plain and any(isinstance(each, str) and fnmatch.fnmatchcase(str(word), each) for each in wide)


def passes(span: Span) -> Callable[[float], bool]:
    """The test of a span; one with a single bound makes one comparison."""
    low, high = span.low, span.high
    if low == high:
        return lambda value: value == low
    if high == inf:
        return (lambda value: value >= low) if span.low_in else lambda value: value > low
    if low == -inf:
        return (lambda value: value <= high) if span.high_in else lambda value: value < high
    return lambda value: low <= value <= high
