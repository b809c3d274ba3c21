"""The book as it is read, in both of its homes: rows and waiting rows as one, totals by anything, rows told again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_kit import DAY, HOUR, NOON, Home, Sqlite, book, distinct, row, rows, uuid7
from msgspec.structs import replace

from proxy.ledger.book import open_book
from proxy.ledger.record import UsageRecord
from proxy.ledger.schema import LedgerError
from proxy.ledger.spool import Spool
from proxy.ledger.totals import TIMES, Sum, totals

LATER = NOON / 1000 + 40 * 86_400
SOME = [
    row(1, NOON, tenant="ops", key_id="k1", cost_nano_usd=5, output_tokens=10, tags='{"feature":"search"}', user="u1"),
    row(2, NOON + HOUR, tenant="ops", key_id="k2", backend="claude", cost_nano_usd=7, output_tokens=20, stream=True),
    row(3, NOON + 2 * HOUR, alias="gpt-4o", cost_nano_usd=11, output_tokens=30, outcome="error"),
    row(4, NOON + DAY, key_id="k1", tenant="ops", input_tokens=3, attempt=2, trace="a trace\nof two lines"),
    row(5, NOON + DAY, parent_id=uuid7(NOON, 1), purpose="condense", cost_nano_usd=1),
    row(request_id="foreign", at=NOON + 2 * DAY, cost_nano_usd=2, output_tokens=40, tags='{"feature":"chat"}'),
]


def filled(home: Home, *, waiting: int = 0) -> None:
    """SOME in the book, the last of them still on their way; every hour is summed."""
    ledger = home.open()
    ledger.write(SOME[: len(SOME) - waiting])
    ledger.replay()
    ledger.fold(LATER)
    ledger.close()
    if waiting:
        Spool(home.folder / "turnout.spool").append(SOME[len(SOME) - waiting :])


@pytest.mark.parametrize("waiting", [0, 3])
def test_rows_and_waiting_rows_are_one_book(home: Home, waiting: int) -> None:
    filled(home, waiting=waiting)
    read = book(home)
    assert read.rows() == list(read.each()) == SOME
    assert read.rows(since=NOON + 1, until=NOON + DAY) == SOME[1:3]
    assert read.rows(limit=2) == SOME[-2:]
    assert read.rows(limit=0) == []
    assert read.rows(filters={"key_id": "k1", "tenant": "ops"}) == [SOME[0], SOME[3]]
    assert read.rows(filters={"stream": True}) == [SOME[1]]
    assert read.rows(filters={"tag:feature": "chat"}) == [SOME[5]]
    assert read.rows(filters={"trace": "a trace\nof two lines"}) == [SOME[3]]
    assert read.find(uuid7(NOON, 1)) == [SOME[0], SOME[4]]
    assert read.find("foreign") == [SOME[5]]
    assert read.find("nobody") == []
    for by in (("day",), ("hour", "backend"), ("key_id", "month"), ("tag:feature",), ("stream",), ("user", "outcome")):
        assert read.totals(by) == totals(SOME, by)
    assert read.totals(("alias",), filters={"alias": "gpt-4o"}) == totals([SOME[2]], ("alias",))
    read.close()


@pytest.mark.parametrize("waiting", [0, 3])
def test_a_budget_asks_what_a_team_or_a_key_has_spent(home: Home, waiting: int) -> None:
    filled(home, waiting=waiting)
    read = book(home)
    assert read.spent(since=NOON, team="ops") == 12
    assert read.spent(since=NOON + 1, team="ops") == 7
    assert read.spent(since=NOON, team="ops", local=("oss",)) == 7
    assert read.spent(since=NOON, key="k1") == 5
    assert read.spent(since=NOON, key="nobody") == 0


@pytest.mark.parametrize("waiting", [0, 3])
def test_the_outputs_of_an_alias_are_those_of_its_newest_answers(home: Home, waiting: int) -> None:
    filled(home, waiting=waiting)
    assert book(home).outputs("auto", 10) == [10, 20, 40]
    assert book(home).outputs("auto", 2) == [20, 40]
    assert book(home).outputs("gpt-4o", 10) == []


def test_what_does_not_exist_is_a_key_error(home: Home) -> None:
    filled(home)
    read = book(home)
    for wrong in (("colour",), ("day", "tag"), ('tag:a"b',)):
        with pytest.raises(KeyError):
            read.totals(wrong)
    for filters in ({"tenant; DROP TABLE usage": 1}, {"day": "2026-11-20"}, {'tag:"': "x"}):
        with pytest.raises(KeyError):
            read.rows(filters=filters)
        with pytest.raises(KeyError):
            read.totals(filters=filters)
    with pytest.raises(KeyError):
        read.totals(timezone="Mars/Olympus")
    with pytest.raises(KeyError):
        read.totals(timezone="../../etc/passwd")


def test_a_tag_is_found_by_any_name_that_a_client_may_give(home: Home) -> None:
    names = ["a.b", "0", "$", "[0]", "naïve", "with space", "%s", "it's", "a-b"]
    ledger = home.open()
    ledger.write([row(number, tags=f'{{"{name}":"v{number}"}}') for number, name in enumerate(names)])
    ledger.replay()
    ledger.close()
    for number, name in enumerate(names):
        assert set(book(home).totals((f"tag:{name}",))) == {("-",), (f"v{number}",)}


def test_a_book_that_is_not_there_is_empty_and_none_is_made(tmp_path: Path) -> None:
    read = open_book(f"sqlite:///{tmp_path}/nowhere/turnout.db")
    assert (read.rows(), read.find("x"), read.totals(), read.outputs("auto", 5)) == ([], [], {}, [])
    assert read.rewrite([row()]) == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LedgerError, match="'mysql'"):
        open_book("mysql://host/db")


def test_the_zone_says_when_a_day_begins(home: Home) -> None:
    ledger = home.open()
    ledger.write([row(1, NOON + 11 * HOUR, cost_nano_usd=1), row(2, NOON + 12 * HOUR, cost_nano_usd=2)])
    ledger.replay()
    ledger.fold(LATER)
    read = book(home)
    assert list(read.totals()) == [("2026-11-20",), ("2026-11-21",)]
    assert list(read.totals(timezone="Europe/Berlin")) == [("2026-11-21",)]
    assert list(read.totals(timezone="America/New_York")) == [("2026-11-20",)]
    assert list(read.totals(("hour",), timezone="Asia/Kolkata")) == [
        ("2026-11-21T04:00+05:30",),
        ("2026-11-21T05:00+05:30",),
    ]
    assert list(read.totals(("hour",))) == [("2026-11-20T23:00Z",), ("2026-11-21T00:00Z",)]
    ledger.close()


def test_rows_told_again_change_every_total(home: Home) -> None:
    filled(home, waiting=2)
    again = [replace(r, cost_nano_usd=100, price_source="another source of prices") for r in SOME]
    assert book(home).rewrite([*again, row(77)]) == len(SOME)
    assert book(home).rows() == again
    assert book(home).totals(("key_id",)) == totals(again, ("key_id",))
    ledger = home.open()
    ledger.replay()
    assert book(home).rows() == again
    ledger.fold(LATER)
    assert book(home).totals(("key_id",)) == totals(again, ("key_id",))
    ledger.close()


def test_rows_are_told_again_while_they_are_written(home: Home) -> None:
    ledger = home.open()
    before = [row(number, NOON + number) for number in range(1500)]
    ledger.write(before)
    ledger.replay()
    again = [replace(r, cost_nano_usd=9) for r in before]
    written = 0
    with ThreadPoolExecutor(1) as aside:
        telling = aside.submit(book(home).rewrite, again)
        while not telling.done():
            ledger.write([row(10_000 + written, NOON + DAY)])
            written += 1
            if written % 50 == 0:
                ledger.maintain()
    assert telling.result() == 1500
    ledger.replay()
    assert written > 0
    assert book(home).totals(())[()].cost == Sum(9 * 1500, 1500, written)
    assert len(home.stored()) == 1500 + written
    ledger.close()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    told=st.lists(rows(), max_size=30).map(distinct),
    by=st.lists(st.sampled_from([*TIMES, "alias", "key_id", "tenant", "user", "tag:feature", "stream"]), unique=True, max_size=3),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]),
    data=st.data(),
)  # fmt: skip
def test_d17_both_homes_tell_what_the_rows_tell(
    home: Home, told: list[UsageRecord], by: list[str], zone: str, data: st.DataObject
) -> None:
    with closing(home.open()) as ledger:
        ledger.prune(2**41)
        cut, now = data.draw(st.integers(0, len(told))), data.draw(st.integers(-3, 5)) * DAY + NOON
        ledger.write(told[:cut])
        ledger.replay()
        ledger.fold(now / 1000)
        ledger.write(told[cut:])
        ledger.replay()
        assert book(home).totals(by, timezone=zone) == totals(told, by, zone)
        ledger.fold(LATER)
        assert book(home).totals(by, timezone=zone) == totals(told, by, zone)


def test_two_workers_and_their_spools_are_one_book(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    ledgers = [home.open(worker=number) for number in (0, 1)]
    for number, ledger in enumerate(ledgers):
        ledger.write([row(number, NOON + number, cost_nano_usd=number + 1)])
        Spool(ledger.path.with_suffix(".spool")).append([row(number + 5, NOON + 10 + number, cost_nano_usd=10)])
    assert [r.cost_nano_usd for r in book(home).each()] == [1, 2, 10, 10]
    assert book(home).totals(())[()].cost == Sum(23, 4, 0)
    for ledger in ledgers:
        ledger.close()
