"""Rows rated again: history follows a price that was corrected, and nothing else moves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters import ir
from policies.machine import hours
from policies.pricing import Price, cost, counterfactual, per_million
from policies.savings import Leg
from proxy.ledger.legs import leg
from proxy.ledger.record import UsageRecord
from proxy.prices import Prices
from proxy.rerate import off_sheet, rerate
from proxy.snapshot import Snapshot, build_text

D = per_million
DAY = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)
FILE = """version: 1
backends:
  gpt: {provider: openai, model: gpt-5.6, credential: k}
  box: {provider: vllm, model: m, cost: {gpu_hour_usd: 3.6}}
prices:
  openai/gpt-5.6:
    - {input: 4, output: 20}
    - {from: 2026-11-15, input: 3, output: 15, tiers: {flex: 0.5}}
aliases: {a: {use: [gpt], baseline: anthropic/claude-sonnet-5}}
"""
ROW = UsageRecord(
    request_id="r",
    started_at=DAY,
    api="chat",
    outcome="ok",
    backend="gpt",
    upstream_model="gpt-5.6-2026-08-01",
    input_tokens=1000,
    output_tokens=100,
    cost_nano_usd=(1000 * 4 + 100 * 20) * 1000,
    price_source="genai-prices 0.2.3 openai/gpt-5.6-sol",
    unit_prices='{"input":4000000000}',
)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return build_text(FILE, file="proxy.yaml", generation=1, env={})


def again(snapshot: Snapshot, row: UsageRecord = ROW, **changes: Any) -> UsageRecord | None:
    return rerate(replace(row, **changes), snapshot, Prices(snapshot.overlay))


def test_a_row_has_the_price_of_its_day(snapshot: Snapshot) -> None:
    found = again(snapshot)
    assert found is not None
    assert found.cost_nano_usd == (1000 * 3 + 100 * 15) * 1000
    assert found.price_source == "prices 2026-11-15"
    assert msgspec.json.decode(found.unit_prices or "") == {"input": D("3"), "output": D("15")}
    assert (
        replace(found, cost_nano_usd=ROW.cost_nano_usd, price_source=ROW.price_source, unit_prices=ROW.unit_prices)
        == ROW
    )


def test_what_was_rated_once_is_not_rated_again(snapshot: Snapshot) -> None:
    found = again(snapshot)
    assert found is not None
    assert again(snapshot, found) is None


def test_a_row_has_the_price_of_its_tier(snapshot: Snapshot) -> None:
    found = again(snapshot, service_tier="flex")
    assert found is not None
    assert found.cost_nano_usd == (1000 * 3 + 100 * 15) * 500
    assert again(snapshot, service_tier="ultrafast") is None  # what was known stays where nothing is known now


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt": 0, "cached_from": "q", "price_source": "cache", "cost_nano_usd": 0},
        {"api": "count_tokens", "cost_nano_usd": 0},
        {"input_tokens": None, "output_tokens": None, "cost_nano_usd": 0},
        {"backend": "gone", "price_source": "operator"},
        {"backend": None, "price_source": None},
    ],
)
def test_what_no_price_can_change_stays(snapshot: Snapshot, changes: dict[str, Any]) -> None:
    assert again(snapshot, **changes) is None


def test_a_backend_that_is_gone_is_known_by_where_its_price_came_from(snapshot: Snapshot) -> None:
    found = again(snapshot, backend="gone", price_source="genai-prices 0.2.1 anthropic/claude-sonnet-5")
    assert found is not None
    assert found.cost_nano_usd == (1000 * 2 + 100 * 10) * 1000


def test_a_call_that_had_no_price_gets_one(snapshot: Snapshot) -> None:
    found = again(snapshot, cost_nano_usd=None, price_source=None, unit_prices=None)
    assert found is not None
    assert found.cost_nano_usd == (1000 * 3 + 100 * 15) * 1000


def test_a_machines_time_has_todays_rate(snapshot: Snapshot) -> None:
    row = replace(ROW, backend="box", machine_ms=2500.000001, cost_nano_usd=1, price_source="machine")
    found = again(snapshot, row)
    assert found is not None
    assert found.cost_nano_usd == hours(2_500_000_001, D("3.6"))
    assert found.unit_prices == '{"machine_hour":3600000000}'
    assert again(snapshot, found) is None
    assert again(snapshot, row, machine_ms=None) is None


def test_the_baseline_is_rated_again_with_what_the_client_asked(snapshot: Snapshot) -> None:
    row = replace(ROW, baseline="anthropic/claude-sonnet-5", flags="condensed 1500>100, corrected 30, bad_usage total")
    found = again(snapshot, row)
    price = Prices().quote("anthropic", "claude-sonnet-5", now=DAY / 1000).price
    assert found is not None
    assert price is not None
    assert found.baseline_nano_usd == counterfactual(ir.Usage(1000 + 1400 - 30, 100), price)
    assert again(snapshot, row, baseline="a backend that is gone", attempt=1) == replace(
        found, baseline="a backend that is gone", baseline_nano_usd=None
    )


def test_a_charge_that_no_rate_explains_is_told(snapshot: Snapshot) -> None:
    """S22: 12,500 tokens booked at $1.125."""
    quote = Prices().quote("openai", "gpt-4o", now=DAY / 1000)
    row = replace(ROW, input_tokens=10_000, output_tokens=2_500, cost_nano_usd=D("1.125"))
    assert off_sheet(row, quote) == "implies $90.00 per million tokens; the dearest rate of the sheet is $10.00"
    right = cost(ir.Usage(10_000, 2_500), quote.price or Price())
    assert off_sheet(replace(row, cost_nano_usd=right), quote) is None
    assert off_sheet(replace(row, cost_nano_usd=None), quote) is None


def test_rows_are_the_legs_of_their_call() -> None:
    assert leg(replace(ROW, baseline="b", baseline_nano_usd=5)) == Leg("r", ROW.cost_nano_usd, True, 5)
    assert leg(replace(ROW, request_id="h", parent_id="r")) == Leg("r", ROW.cost_nano_usd)
    assert leg(replace(ROW, cost_nano_usd=None)) == Leg("r", None)
    assert leg(replace(ROW, attempt=0, outcome="denied", cost_nano_usd=None)) == Leg("r", 0)


def test_a_row_keeps_small_rates() -> None:
    sheet = Prices().quote("openai", "gpt-5.6", now=DAY / 1000).price
    assert sheet is not None
    kept = Prices().written(sheet, ir.Usage(1000, 100))
    assert len(kept) < 130
    assert cost(ir.Usage(1000, 100, cached=10), msgspec.json.decode(kept, type=Price)) == cost(
        ir.Usage(1000, 100, cached=10), sheet
    )
