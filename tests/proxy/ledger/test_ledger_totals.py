"""What a line of the totals says: unknown is never 0, every zone has its own days, and savings are net."""

from __future__ import annotations

import pytest
from ledger_kit import HOUR, NOON, Home, book, row, uuid7

from proxy.ledger.record import UsageRecord
from proxy.ledger.totals import Sum, totals

GPT = {"baseline": "openai/gpt-5.6"}
CALLS: dict[str, list[UsageRecord]] = {
    "answered": [row(1, cost_nano_usd=5, baseline_nano_usd=100, **GPT)],
    "with a helper": [
        row(2, cost_nano_usd=5, baseline_nano_usd=100, **GPT),
        row(3, parent_id=uuid7(NOON, 2), purpose="condense", cost_nano_usd=2, **GPT),
    ],
    "after a fallback": [
        row(4, outcome="fallback", cost_nano_usd=7, **GPT),
        row(4, attempt=2, cost_nano_usd=5, baseline_nano_usd=4, **GPT),
    ],
    "kept": [row(5, attempt=0, cost_nano_usd=0, baseline_nano_usd=30, **GPT)],
    "denied": [row(6, attempt=0, outcome="denied", **GPT)],
    "failed": [row(7, outcome="error", cost_nano_usd=1, **GPT)],
    "of unknown cost": [row(8, baseline_nano_usd=10, **GPT)],
    "of an unknown baseline": [row(9, cost_nano_usd=3, **GPT)],
    "without a baseline": [row(10, cost_nano_usd=1_000)],
}
SAVED = {
    "answered": Sum(95, 1, 0),
    "with a helper": Sum(93, 1, 0),
    "after a fallback": Sum(-8, 1, 0),
    "kept": Sum(30, 1, 0),
    "denied": Sum(0, 0, 0),
    "failed": Sum(-1, 0, 0),
    "of unknown cost": Sum(10, 1, 1),
    "of an unknown baseline": Sum(-3, 0, 1),
    "without a baseline": Sum(0, 0, 0),
}


@pytest.mark.parametrize("call", CALLS)
def test_s22_what_was_saved_is_net_signed_and_unknown_where_a_term_is(call: str) -> None:
    assert totals(CALLS[call], ())[()].saved == SAVED[call]


def test_n3_savings_add_up_in_the_book_as_in_its_rows(home: Home) -> None:
    ledger = home.open()
    told = [each for rows in CALLS.values() for each in rows]
    ledger.write(told)
    ledger.replay()
    for _ in range(2):
        [total] = book(home).totals(()).values()
        assert total.saved == Sum(sum(s.value for s in SAVED.values()), 5, 2)
        assert total == totals(told, ())[()]
        ledger.fold(NOON / 1000 + 40 * 86_400)
    ledger.close()


def test_the_time_of_machines_is_of_those_that_cost_something() -> None:
    [total] = totals([row(1, machine_ms=1.5), row(2), row(3, machine_ms=0.2504)], ()).values()
    assert total.machine == Sum(1750, 2, 0)


def test_tags_and_times_are_dimensions_like_any_column() -> None:
    told = [
        row(1, NOON, tags='{"feature":"search","project":"p"}'),
        row(2, NOON + 11 * HOUR, tags='{"feature":"chat"}'),
        row(3, NOON + 11 * HOUR),
    ]
    assert {key: total.calls for key, total in totals(told, ("tag:feature", "day"), "Europe/Berlin").items()} == {
        ("-", "2026-11-21"): 1,
        ("chat", "2026-11-21"): 1,
        ("search", "2026-11-20"): 1,
    }
    assert list(totals(told, ("month", "hour"))) == [("2026-11", "2026-11-20T12:00Z"), ("2026-11", "2026-11-20T23:00Z")]


def test_an_hour_that_comes_twice_when_clocks_go_back_is_two_hours() -> None:
    back = 1_792_890_000_000  # 2026-10-25T01:00:00Z, when Berlin goes from +02:00 to +01:00
    told = [row(1, back - HOUR), row(2, back)]
    assert list(totals(told, ("hour",), "Europe/Berlin")) == [("2026-10-25T02:00+01:00",), ("2026-10-25T02:00+02:00",)]
    assert list(totals(told, ("day",), "Europe/Berlin")) == [("2026-10-25",)]
