"""The price sheet, offline: the operator first, dated prices, and nothing guessed."""

import subprocess
import sys
from pathlib import Path

import pytest
from live import Live

from adapters import ir
from policies.pricing import Price, cost, per_million
from proxy.prices import Prices

NOV_2026 = 1_795_000_000.0


def test_a_known_model_is_priced_with_its_source() -> None:
    quote = Prices().quote("anthropic", "claude-sonnet-4-5", now=NOV_2026)
    assert quote.price is not None
    assert quote.price.input == per_million("3")
    assert quote.price.cache_write_1h == per_million("6")
    assert quote.source is not None
    assert quote.source.endswith("anthropic/claude-sonnet-4-5")


def test_long_context_rates_come_from_the_sheet() -> None:
    price = Prices().quote("anthropic", "claude-sonnet-4-5", now=NOV_2026).price
    assert price is not None
    assert cost(ir.Usage(200_001, 0), price) == 200_001 * 6000


def test_service_tiers_are_priced_when_listed_and_unknown_when_not() -> None:
    prices = Prices()
    ordinary = prices.quote("openai", "gpt-5.6-sol", now=NOV_2026, tier="default").price
    flex = prices.quote("openai", "gpt-5.6-sol", now=NOV_2026, tier="flex").price
    assert ordinary is not None
    assert flex is not None
    assert flex.input == (ordinary.input or 0) // 2
    assert flex.above[0][0] == 272_000
    assert prices.quote("openai", "gpt-5.6-sol", now=NOV_2026, tier="warp").price is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [("vllm", "openai/gpt-oss-120b"), ("openai_compatible", "gpt-4o"), ("openai", "no-such-model")],
)
def test_what_the_sheet_does_not_list_has_no_price_and_says_why(provider: str, model: str) -> None:
    quote = Prices().quote(provider, model, now=NOV_2026)
    assert (quote.price, quote.why) == (None, "unknown model")


def test_the_operators_price_wins() -> None:
    own = Price(input=1, output=2)
    prices = Prices()
    assert prices.quote("vllm", "x", now=NOV_2026, own=own, local=True).price is own
    quote = prices.quote("openai", "gpt-4o", now=NOV_2026, own=own)
    assert (quote.price, quote.source) == (own, "operator")


def test_an_old_call_has_the_price_of_its_day() -> None:
    prices = Prices()
    then = prices.quote("openai", "o3", now=1_746_000_000.0).price
    now = prices.quote("openai", "o3", now=NOV_2026).price
    assert then is not None
    assert now is not None
    assert (then.input or 0) > (now.input or 0)


def test_neither_the_import_nor_a_local_call_loads_the_sheet() -> None:
    code = (
        "import sys; from proxy.prices import Prices; p = Prices();"
        "assert p.quote('vllm', 'x', now=0.0, local=True).why == 'no price configured';"
        "assert not {'pydantic', 'genai_prices'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _loaded(live: Live) -> bool:
    (worker,) = live.workers()
    return "pydantic_core" in Path(f"/proc/{worker}/maps").read_text()


@pytest.mark.parametrize("order", ["cheapest", "listed"])
def test_the_sheet_is_there_before_the_first_decision_that_weighs_prices_and_only_then(order: str) -> None:
    chat = "provider: openai, credential: k, base_url: 'http://127.0.0.1:9/v1'"
    text = f"""version: 1
backends:
  a: {{{chat}, model: gpt-4.1}}
  b: {{{chat}, model: gpt-4o}}
policies:
  p: {{rules: [{{use: [a, b], order: {order}}}]}}
aliases: {{x: {{policy: p}}}}
"""
    with Live(text) as live:
        if order == "cheapest":
            live.until(lambda: _loaded(live), "loaded")
        else:
            assert not _loaded(live)
            live.call(
                "POST", "/admin/explain", b'{"request":{"model":"x","messages":[{"role":"user","content":"Hi"}]}}'
            )
            assert _loaded(live), "an explanation tells what a call would cost"
