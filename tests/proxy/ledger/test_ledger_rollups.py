"""D17: sums of hours and days, with the rows of what is not summed, tell what the rows tell. Whatever happens to them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_kit import DAY, HOUR, NOON, Sqlite, book, distinct, locked, row, rows
from msgspec.structs import replace

from proxy.ledger.record import UsageRecord
from proxy.ledger.sums import LEVELS, MEASURES
from proxy.ledger.totals import totals

ASKS: tuple[tuple[str, ...], ...] = (
    ("day",), ("hour",), ("month", "alias"), ("alias",), ("key_id",), ("tenant", "day"), ("class", "outcome"), (),
    ("user",), ("tag:feature", "day"), ("stream", "api"), ("trace",), ("tag:a.b",),
)  # fmt: skip
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York")
LATER = NOON / 1000 + 40 * 86_400


class Model:
    """What the book must hold, beside a book of two workers that is used in every way."""

    def __init__(self, folder: Path) -> None:
        self.home = Sqlite(folder)
        self.ledgers = [self.home.open(worker=number) for number in (0, 1)]
        self.rows: dict[tuple[str, int], UsageRecord] = {}

    def write(self, records: list[UsageRecord], worker: int) -> None:
        fresh = [r for r in distinct(records) if (r.request_id, r.attempt) not in self.rows]
        if fresh:
            self.ledgers[worker].write(fresh)
        self.rows |= {(r.request_id, r.attempt): r for r in fresh}

    def spool(self, records: list[UsageRecord], worker: int) -> None:
        with locked(self.ledgers[worker].path):
            self.write(records, worker)

    def replay(self, worker: int) -> None:
        self.ledgers[worker].replay()

    def fold(self, worker: int) -> None:
        self.ledgers[worker].fold(LATER)

    def reprice(self, cost: int) -> None:
        changed = [
            replace(r, cost_nano_usd=cost, price_source="a price of later, told again") for r in self.rows.values()
        ]
        assert book(self.home).rewrite(changed[::2]) == len(changed[::2])
        self.rows |= {(r.request_id, r.attempt): r for r in changed[::2]}

    def prune(self, before: int) -> None:
        for ledger in self.ledgers:
            ledger.replay()
            ledger.prune(before)
        self.rows = {key: r for key, r in self.rows.items() if r.started_at >= before}

    def close(self) -> None:
        for ledger in self.ledgers:
            ledger.close()


moments = st.integers(NOON - 60 * HOUR, NOON + 60 * HOUR)
workers = st.integers(0, 1)
some = st.lists(rows(), max_size=12)
actions = st.one_of(
    st.tuples(st.just("write"), some, workers),
    st.tuples(st.just("spool"), some, workers),
    st.tuples(st.just("replay"), workers),
    st.tuples(st.just("fold"), workers),
    st.tuples(st.just("fold"), workers),
    st.tuples(st.just("reprice"), st.integers(0, 10**12)),
    st.tuples(st.just("prune"), moments),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    done=st.lists(actions, min_size=1, max_size=8),
    by=st.sampled_from(ASKS),
    zone=st.sampled_from(ZONES),
    since=st.none() | moments,
    until=st.none() | moments,
    filters=st.sampled_from([{}, {"alias": "auto"}, {"key_id": None}, {"tenant": "ops", "stream": True}]),
)
def test_d17_sums_and_tail_are_the_rows(
    done: list[tuple[Any, ...]], by: tuple[str, ...], zone: str, since: int | None, until: int | None, filters: dict[str, Any]
) -> None:  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        model = Model(Path(folder))
        for name, *arguments in done:
            getattr(model, name)(*arguments)
        meant = [
            r for r in model.rows.values()
            if (since is None or r.started_at >= since) and (until is None or r.started_at < until)
            and all(getattr(r, name) == value for name, value in filters.items())
        ]  # fmt: skip
        told = book(model.home).totals(by, since=since, until=until, filters=filters, timezone=zone)
        assert told == totals(meant, by, zone)
        ordered = sorted(meant, key=lambda r: (r.started_at, r.request_id, r.attempt))
        assert list(book(model.home).each(since=since, until=until, filters=filters)) == ordered
        assert book(model.home).rows(since=since, until=until, filters=filters, limit=3) == ordered[-3:]
        model.close()


def test_the_tables_of_sums_have_the_columns_of_the_queries(tmp_path: Path) -> None:
    Sqlite(tmp_path).open().close()
    connection = apsw.Connection(str(tmp_path / "turnout.db"))
    for level, columns in LEVELS.items():
        there = tuple(name for _, name, *_ in connection.execute(f"PRAGMA table_info({level})"))
        assert there == ("id", *columns, *MEASURES)
    connection.close()


def lines(home: Sqlite, level: str) -> int:
    connection = apsw.Connection(str(home.path))
    [(many,)] = connection.execute(f"SELECT count(*) FROM {level}")  # noqa: S608
    connection.close()
    return int(many)


def test_an_hour_is_summed_when_it_is_over_and_a_day_when_all_its_hours_are(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    ledger = home.open()
    ledger.write([row(number, NOON + number * HOUR, cost_nano_usd=1) for number in range(12)])
    assert ledger.fold((NOON + 2 * HOUR) / 1000)
    assert [lines(home, level) for level in LEVELS] == [1, 1, 0]
    assert ledger.fold((NOON + 30 * HOUR) / 1000)
    assert [lines(home, level) for level in LEVELS] == [12, 12, 1]
    ledger.write([row(99, NOON, cost_nano_usd=1)])
    assert book(home).totals(("key_id",))[("-",)].cost.value == 13
    assert ledger.fold((NOON + 30 * HOUR) / 1000)
    assert [lines(home, level) for level in LEVELS] == [12, 12, 1]
    assert book(home).totals(("key_id",))[("-",)].cost.value == 13
    ledger.close()


def test_sums_that_are_cut_short_are_summed_again(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    ledger = home.open()
    ledger.write([row(number, NOON + number * HOUR, cost_nano_usd=1) for number in range(5)])
    assert not ledger.fold(LATER, seconds=0.0)
    ledger.close()
    # As a crash leaves it: set aside to be summed, and some lines of it there.
    home.run("INSERT INTO folding SELECT hour FROM stale; DELETE FROM stale")
    home.run("INSERT INTO caller_hours (id, cost) SELECT (hour << 24) + 7, 1000000 FROM folding")
    assert book(home).totals(())[()].cost.value == 5
    again = home.open()
    assert again.fold(LATER)
    assert book(home).totals(())[()].cost.value == 5
    again.close()


def test_what_is_pruned_leaves_no_sums(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    ledger = home.open()
    ledger.write([row(number, NOON - number * DAY, cost_nano_usd=1) for number in range(5)])
    ledger.fold(LATER)
    assert [lines(home, level) for level in LEVELS] == [5, 5, 5]
    assert ledger.prune(NOON - 2 * DAY) == 2
    ledger.fold(LATER)
    assert [lines(home, level) for level in LEVELS] == [3, 3, 3]
    ledger.close()


def test_u16_sums_that_no_integer_holds_are_told_nearly(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    ledger = home.open()
    ledger.write([row(number, NOON + number * HOUR, cost_nano_usd=2**62) for number in range(6)])
    ledger.write([row(number + 10, NOON, cost_nano_usd=2**62) for number in range(6)])
    for _ in range(2):
        assert book(home).totals(())[()].cost.value == pytest.approx(12 * 2**62)
        ledger.fold(LATER)
    ledger.close()


def test_rows_written_while_an_hour_is_summed_are_not_lost(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    ledger = home.open()
    ledger.write([row(1, cost_nano_usd=1)])
    pour = ledger._rollups._pour

    def late(level: Any, number: int, told: Any) -> None:
        pour(level, number, told)
        if level == "caller_hours":
            ledger.write([row(2, cost_nano_usd=10)])
            assert book(home).totals(())[()].cost.value == 11

    ledger._rollups._pour = late  # type: ignore[method-assign]
    ledger.fold(LATER)
    ledger._rollups._pour = pour  # type: ignore[method-assign]
    assert book(home).totals(())[()].cost.value == 11
    ledger.fold(LATER)
    assert book(home).totals(())[()].cost.value == 11
    assert home.run("UPDATE usage SET cost_nano_usd = 5") is None
    assert book(home).totals(())[()].cost.value == 10
    ledger.close()
