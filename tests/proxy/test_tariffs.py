"""The operator's words for money, made into what calls are charged by: exactly, and nothing left to guess."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters import ir
from policies.machine import HOUR, hours
from policies.pricing import Price, cost, per_million
from proxy import tariffs
from proxy.config import load
from proxy.settings.money import Cost, PriceSheet
from proxy.settings.shape import convert
from proxy.snapshot import build_text

D = per_million


def tariff(**told: Any) -> tariffs.Tariff:
    return tariffs.tariff(convert(PriceSheet, told))


def test_every_class_is_read_to_the_nano_dollar() -> None:
    classes = [name for name in Price.__struct_fields__ if name not in ("calls", "above")]
    told = {name: f"{number}.000000001" for number, name in enumerate(classes)}
    assert tariff(**told).usual == Price(**{name: number * 10**9 + 1 for number, name in enumerate(classes)})


def test_calls_are_told_by_the_thousand() -> None:
    price = tariff(input=0, output=0, calls={"web_search": 10}).usual
    assert price.calls == {"web_search": 10 * 10**9 * 1000}


def test_long_calls_have_rates_of_their_own_and_the_usual_tools() -> None:
    told = tariff(input=4, output=20, calls={"web_search": 10}, above={"272000": {"input": 8, "output": 30}})
    assert cost(ir.Usage(272_000, 1000), told.usual) == (272_000 * 4 + 1000 * 20) * 1000
    assert cost(ir.Usage(272_001, 1000), told.usual) == (272_001 * 8 + 1000 * 30) * 1000
    assert told.usual.at(300_000).calls == told.usual.calls


def test_steps_stand_in_rising_order_however_they_are_written() -> None:
    told = tariff(input=1, above={"200000": {"input": 3}, "1000": {"input": 2}})
    assert [told.usual.at(size).input for size in (1, 1001, 200_001)] == [D("1"), D("2"), D("3")]


def test_a_factor_is_of_what_tokens_cost() -> None:
    told = tariff(
        input="0.1", cached="0.0125", calls={"web_search": 10}, above={"1000": {"input": 3}}, tiers={"Flex": 0.3}
    )
    flex = told.of("flex")
    assert flex is not None
    assert (flex.input, flex.cached, flex.output) == (D("0.03"), D("0.00375"), None)
    assert flex.at(1001).input == D("0.9")
    assert flex.calls == told.usual.calls


def test_a_tier_with_rates_has_those_and_the_usual_tools() -> None:
    told = tariff(
        input=4, cached=1, output=20, calls={"web_search": 10}, tiers={"priority": {"input": 8, "output": 40}}
    )
    assert told.of("priority") == Price(input=D("8"), output=D("40"), calls={"web_search": D("10000")})
    assert told.of("batch") is None


def test_a_tier_that_says_nothing_of_long_calls_has_no_price_for_them() -> None:
    long = {"100": {"input": 8, "output": 30}}
    told = tariff(
        input=4,
        output=20,
        above=long,
        tiers={
            "flex": {"input": 2, "output": 10},
            "fast": {"input": 8, "output": 40, "above": {"100": {"input": 16, "output": 60}}},
        },
    )
    flex, fast = told.of("flex"), told.of("fast")
    assert flex is not None
    assert fast is not None
    assert cost(ir.Usage(100, 1), flex) == (100 * 2 + 10) * 1000
    assert cost(ir.Usage(101, 1), flex) is None
    assert cost(ir.Usage(101, 1), fast) == (101 * 16 + 60) * 1000


@pytest.mark.parametrize(
    ("told", "busy", "idle"),
    [
        ({"gpu_hour_usd": 2.1}, "2.1", "2.1"),
        ({"gpu_hour_usd": 2.1, "gpus": 4}, "8.4", "8.4"),
        ({"gpu_hour_usd": 2.1, "paid": "busy"}, "2.1", "0"),
        ({"kwh_usd": 0.3, "watts": 700}, "0.21", "0.21"),
        ({"kwh_usd": 0.3, "watts": 700, "idle_watts": 100}, "0.21", "0.03"),
        ({"gpu_hour_usd": 1, "kwh_usd": 0.3, "watts": 700, "idle_watts": 100}, "1.21", "1.03"),
        ({"gpu_hour_usd": 1, "kwh_usd": 0.3, "watts": 700, "paid": "busy"}, "1.21", "0"),
    ],
)
def test_an_hour_of_a_machine(told: dict[str, Any], busy: str, idle: str) -> None:
    found = tariffs.machine(convert(Cost, told), "http://10.0.0.5:8000/v1")
    assert (found.busy, found.idle, found.place) == (D(busy), D(idle), "10.0.0.5:8000")
    assert hours(HOUR, found.busy) == D(busy)


FILE = """version: 1
backends:
  gpt:  {provider: openai, model: gpt-5.6, credential: k}
  own:  {provider: openai, model: gpt-5.6, credential: k, price: {input: 5, output: 20}}
  box:  {provider: ollama, model: small, cost: {gpu_hour_usd: 1}}
prices:
  openai/GPT-5.6:
    - {from: 2026-12-01, input: 3, output: 15}
    - {input: 4, output: 20}
    - {from: 2026-12-24, input: 4, output: 16}
aliases:
  a: {use: [gpt], baseline: openai/gpt-5.6}
  b: {use: [gpt], baseline: own}
  c: {use: [gpt]}
"""


def test_entries_stand_by_their_days_however_they_are_written() -> None:
    snapshot = build_text(FILE, file="proxy.yaml", generation=1, env={})

    def on(day: str) -> str:
        found = snapshot.overlay.find("openai", "gpt-5.6", datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
        assert found is not None
        return found.source

    assert [on(day) for day in ("1999-01-01", "2026-11-30T23:59:59", "2026-12-01", "2026-12-23", "2027-01-01")] == [
        "prices", "prices", "prices 2026-12-01", "prices 2026-12-01", "prices 2026-12-24",
    ]  # fmt: skip


def test_a_snapshot_knows_its_machines_and_baselines() -> None:
    snapshot = build_text(FILE, file="proxy.yaml", generation=1, env={})
    box = snapshot.backends["box"].machine
    assert box is not None
    assert (box.busy, box.place) == (D("1"), "127.0.0.1:11434")
    listed, own = snapshot.baselines["openai/gpt-5.6"], snapshot.baselines["own"]
    assert (listed.provider, listed.model, listed.own) == ("openai", "gpt-5.6", None)
    assert own.own is snapshot.backends["own"].price
    assert set(snapshot.baselines) == {"openai/gpt-5.6", "own"}
    assert [each.usual.input for each in snapshot.overlay.own["openai"]] == [D("5")]


def test_the_file_is_good() -> None:
    assert load(FILE, file="proxy.yaml", env={}).warnings == ()
