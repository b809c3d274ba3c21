"""Which parts of a time are read from sums of days or hours, and which from the rows themselves. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from typing import Literal, TypeAlias

from msgspec import Struct

HOUR = 3_600_000
DAY = 24 * HOUR
"""Milliseconds."""
Unit: TypeAlias = Literal["hour", "day"]
"""How finely time is told apart."""
MILLIS: dict[Unit, int] = {"hour": HOUR, "day": DAY}
Source: TypeAlias = Literal["rows", "hours", "days"]


class Span(Struct, frozen=True):
    """A time (milliseconds since 1970, ``until`` exclusive) in which a zone has one distance from UTC, in
    milliseconds."""

    since: int
    until: int
    offset: int = 0


class Piece(Struct, frozen=True):
    """What is read from one source, ``end`` excluded: rows by milliseconds, sums by hours or days, since 1970."""

    source: Source
    start: int
    end: int


def spans(since: int, until: int, zone: tzinfo) -> list[Span]:
    """The time, cut where the zone changes its distance from UTC."""
    if zone is UTC:
        return [Span(since, until)]
    found: list[Span] = []
    at, offset = since, _offset(since, zone)
    for day in range(since + DAY, until + DAY, DAY):
        here = min(day, until)
        if (there := _offset(here, zone)) != offset:
            change = _change(here - DAY, here, zone)
            found.append(Span(at, change, offset))
            at, offset = change, there
    return [*found, Span(at, until, offset)]


def plan(span: Span, unit: Unit | None, *, stale: Collection[int], folded: Collection[int], days: bool) -> list[Piece]:
    """The pieces that make up a span. Hours in ``stale`` are not summed rightly; days in ``folded`` are summed, where
    none of their hours is stale; ``days``: sums of days may be read."""
    start, end = -(-span.since // HOUR), span.until // HOUR
    apart = span.offset % HOUR != 0
    if start >= end or (apart and unit == "hour"):
        return [Piece("rows", span.since, span.until)] if span.since < span.until else []
    left_out = {hour for hour in stale if start <= hour < end}
    if apart and unit == "day":
        left_out |= set(_midnights(start, end, span.offset))
    rows = [(span.since, start * HOUR), (end * HOUR, span.until)]
    rows += [(first * HOUR, last * HOUR) for first, last in _runs(sorted(left_out))]
    found = [Piece("rows", a, b) for a, b in rows if a < b]
    whole = days and (unit is None or (unit == "day" and span.offset % DAY == 0))
    for first, last in _between(start, end, sorted(left_out)):
        found += _sums(first, last, folded) if whole else [Piece("hours", first, last)]
    return found


def _sums(start: int, end: int, folded: Collection[int]) -> Iterator[Piece]:
    """Hours without a gap: those of whole days that are summed are read as days."""
    whole = range(-(-start // 24), end // 24)
    summed = sorted(day for day in folded if day in whole)
    for first, last in _runs(summed):
        yield Piece("days", first, last)
    for first, last in _between(start, end, [hour for day in summed for hour in range(day * 24, day * 24 + 24)]):
        yield Piece("hours", first, last)


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers -> what of them has no gap, the ends excluded."""
    first = last = None
    for number in numbers:
        if number != last:
            if first is not None and last is not None:
                yield first, last
            first = number
        last = number + 1
    if first is not None and last is not None:
        yield first, last


def _between(start: int, end: int, left_out: Iterable[int]) -> Iterator[tuple[int, int]]:
    """What is left between ``start`` and ``end`` without those."""
    at = start
    for first, last in _runs(left_out):
        if at < first:
            yield at, first
        at = last
    if at < end:
        yield at, end


def _midnights(start: int, end: int, offset: int) -> Iterator[int]:
    """The hours in the midst of which a local day begins."""
    day = (start * HOUR + offset) // DAY
    while (hour := (day * DAY - offset) // HOUR) < end:
        if hour >= start:
            yield hour
        day += 1


def _offset(millis: int, zone: tzinfo) -> int:
    away = datetime.fromtimestamp(millis / 1000, zone).utcoffset()
    return 0 if away is None else round(away.total_seconds() * 1000)


def _change(low: int, high: int, zone: tzinfo) -> int:
    """The first millisecond of ``high``'s distance from UTC; ``low`` has another."""
    there = _offset(high, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(middle, zone) == there else (middle, high)
    return high
