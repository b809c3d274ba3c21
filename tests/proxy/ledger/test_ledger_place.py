"""A row's place: of its call's id, in the order of time, and its own; what has none is odd and as exact."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_kit import NOON, Sqlite, book, row, uuid7

from proxy import ids
from proxy.ledger.place import SLACK, end, first, of_call, place

MOMENTS = st.integers(1, 2**42 - 1)


@given(MOMENTS, st.integers(0, 2**60), st.integers(0, 31), st.integers(-SLACK, SLACK))
def test_a_place_lies_where_its_rows_are_looked_for(millis: int, low: int, attempt: int, away: int) -> None:
    at = place(uuid7(millis, low), attempt, millis + away)
    assert at is not None
    assert 0 < at < 2**63
    start, stop = of_call(uuid7(millis, low)) or (0, 0)
    assert start <= at < stop
    assert first(millis + away) <= at < end(millis + away + 1)


@pytest.mark.parametrize(
    ("request_id", "attempt", "started_at"),
    [
        ("r1", 1, NOON),
        ("0198c5b2-6f3e-4a41-9c3d-2f4e5a6b7c8d", 1, NOON),
        (uuid7(NOON)[:-1] + "x", 1, NOON),
        (uuid7(NOON), 32, NOON),
        (uuid7(NOON), -1, NOON),
        (uuid7(NOON), 1, NOON + SLACK + 1),
        (uuid7(NOON), 1, NOON - SLACK - 1),
        (uuid7(2**42), 1, 2**42),
        (uuid7(0), 1, 0),
    ],
)
def test_what_has_no_place(request_id: str, attempt: int, started_at: int) -> None:
    assert place(request_id, attempt, started_at) is None


def test_our_own_ids_lie_in_the_order_in_which_they_were_made() -> None:
    made = [ids.uuid7() for _ in range(2000)]
    places = [place(one, 1, int(one[:8] + one[9:13], 16)) for one in made]
    moments = [one[:18] for one in made]
    assert [place for _, place in sorted(zip(moments, places, strict=True))] == sorted(filter(None, places))
    assert len(set(places)) > 1990


def test_two_rows_of_one_place_are_both_kept_and_each_once(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    ledger = home.open()
    taken, same = uuid7(NOON, 0x10), uuid7(NOON, 0x10)[:-3] + "f10"
    assert place(taken, 1, NOON) == place(same, 1, NOON)
    for _ in range(2):
        ledger.write([row(request_id=taken, cost_nano_usd=1)])
        ledger.write([row(request_id=same, cost_nano_usd=2)])
    assert [(r.request_id, r.cost_nano_usd) for r in book(home).rows()] == sorted([(taken, 1), (same, 2)])
    assert [r.cost_nano_usd for r in book(home).find(same)] == [2]
    assert book(home).rewrite([row(request_id=same, cost_nano_usd=3)]) == 1
    assert book(home).totals(())[()].cost.value == 4
    ledger.amend(same, 1, 5)
    ledger.close()


@pytest.mark.parametrize("away", [-SLACK, 0, SLACK])
def test_the_ends_of_a_time_are_exact(tmp_path: Path, away: int) -> None:
    home = Sqlite(tmp_path)
    ledger = home.open()
    ledger.write([row(request_id=uuid7(NOON - away, 1)), row(request_id=uuid7(NOON + 1 - away, 2), at=NOON + 1)])
    for since, until, found in ((NOON, NOON + 1, 1), (NOON + 1, None, 1), (None, NOON, 0), (NOON, NOON + 2, 2)):
        assert len(book(home).rows(since=since, until=until)) == found
        assert sum(total.calls for total in book(home).totals(("user",), since=since, until=until).values()) == found
        assert len(book(home).rows(since=since, until=until, limit=1)) == min(found, 1)
    assert ledger.prune(NOON) == 0
    assert ledger.prune(NOON + 1) == 1
    ledger.close()


def test_rows_are_told_in_the_order_in_which_they_started_though_they_lie_in_another(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    ledger = home.open()
    starts = [900, -900, 0, 2500, 450, 1400]
    ledger.write([row(request_id=uuid7(NOON + number * 100, number), at=NOON + at) for number, at in enumerate(starts)])
    told = [r.started_at - NOON for r in book(home).each()]
    assert told == sorted(starts)
    for most in range(1, 7):
        assert [r.started_at - NOON for r in book(home).rows(limit=most)] == sorted(starts)[-most:]
    ledger.close()
