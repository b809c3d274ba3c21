"""Which parts of a time are read from sums: every moment once, no stale hour, no hour that two days share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_kit import DAY, HOUR, NOON

from proxy.ledger.spans import Piece, Span, Unit, plan, spans

START = NOON // HOUR - 40
HOURS = st.integers(START, START + 80)
MOMENTS = st.integers(START * HOUR, (START + 80) * HOUR)
LENGTH = {"rows": 1, "hours": HOUR, "days": DAY}


def times(pieces: list[Piece]) -> list[tuple[int, int]]:
    return sorted((p.start * LENGTH[p.source], p.end * LENGTH[p.source]) for p in pieces)


@given(
    moments=st.tuples(MOMENTS, MOMENTS),
    offset=st.sampled_from([0, HOUR, -5 * HOUR, 19_800_000, 2_700_000, DAY]),
    unit=st.sampled_from([None, "hour", "day"]),
    stale=st.frozensets(HOURS, max_size=5),
    folded=st.frozensets(st.integers(START // 24, START // 24 + 4)),
    days=st.booleans(),
)
def test_d17_a_plan_reads_every_moment_once_and_no_sum_that_is_not_right(
    *, moments: tuple[int, int], offset: int, unit: Unit | None, stale: frozenset[int], folded: frozenset[int], days: bool
) -> None:  # fmt: skip
    since, until = sorted(moments)
    pieces = plan(Span(since, until, offset), unit, stale=stale, folded=folded, days=days)
    edges = times(pieces)
    assert [since, *(end for _, end in edges)] == [*(start for start, _ in edges), until]
    for piece in pieces:
        if piece.source == "days":
            assert days
            assert folded.issuperset(range(piece.start, piece.end))
            assert unit is None or (unit == "day" and offset % DAY == 0)
        if piece.source != "rows":
            hours = range(*(end * LENGTH[piece.source] // HOUR for end in (piece.start, piece.end)))
            assert not stale.intersection(hours)
            assert unit is None or all(len(set(local(hour, offset, unit))) == 1 for hour in hours)


def local(hour: int, offset: int, unit: Unit) -> Iterator[int]:
    """The local hour or day of the first and the last millisecond of an hour."""
    for at in (hour * HOUR, hour * HOUR + HOUR - 1):
        yield (at + offset) // (HOUR if unit == "hour" else DAY)


def test_what_can_be_summed_is_not_read_from_rows() -> None:
    day = START // 24 * 24
    pieces = plan(Span(day * HOUR + 1, (day + 72) * HOUR), None, stale={day + 50}, folded={day // 24 + 1}, days=True)
    assert sorted(pieces, key=lambda p: p.start * LENGTH[p.source]) == [
        Piece("rows", day * HOUR + 1, (day + 1) * HOUR),
        Piece("hours", day + 1, day + 24),
        Piece("days", day // 24 + 1, day // 24 + 2),
        Piece("hours", day + 48, day + 50),
        Piece("rows", (day + 50) * HOUR, (day + 51) * HOUR),
        Piece("hours", day + 51, day + 72),
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Casablanca"])
def test_a_time_is_cut_where_its_zone_changes(zone: str) -> None:
    since = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    found = spans(since, since + 365 * DAY, ZoneInfo(zone))
    assert [since, *(span.until for span in found)] == [*(span.since for span in found), since + 365 * DAY]
    for span in found:
        assert {offset(at, ZoneInfo(zone)) for at in (span.since, span.until - 1)} == {span.offset}
    for before, after in pairwise(found):
        assert before.offset != after.offset


def offset(at: int, zone: tzinfo) -> float:
    away = datetime.fromtimestamp(at / 1000, zone).utcoffset()
    return away.total_seconds() * 1000 if away is not None else 0


def test_a_zone_that_is_utc_is_never_cut() -> None:
    assert spans(0, 1 << 42, UTC) == [Span(0, 1 << 42)]
    assert spans(5, 10, ZoneInfo("Asia/Kolkata")) == [Span(5, 10, 19_800_000)]
