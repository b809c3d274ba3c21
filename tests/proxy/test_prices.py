"""The price sheet, offline: the operator first, dated prices, and nothing guessed."""

import subprocess
import sys
from pathlib import Path

import pytest
from live import Live

from adapters import ir
from policies.pricing import Price, cost, per_million
from policies.tariff import Overlay, Tariff
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


def test_a_backends_own_price_wins_over_all() -> None:
    own = Tariff(Price(input=1, output=2), {"flex": Price(input=0, output=1)})
    prices = Prices(Overlay({"openai/gpt-4o": ((0.0, Tariff(Price(input=9, output=9), source="prices")),)}))
    assert prices.quote("vllm", "x", now=NOV_2026, own=own, local=True).price is own.usual
    quote = prices.quote("openai", "gpt-4o", now=NOV_2026, own=own)
    assert (quote.price, quote.source) == (own.usual, "operator")
    assert prices.quote("openai", "gpt-4o", now=NOV_2026, own=own, tier="Flex").price is own.tiers["flex"]
    unlisted = prices.quote("openai", "gpt-4o", now=NOV_2026, own=own, tier="priority")
    assert (unlisted.price, unlisted.source, unlisted.why) == (None, None, "unknown service tier")


def test_an_old_call_has_the_price_of_its_day() -> None:
    prices = Prices()
    then = prices.quote("openai", "o3", now=1_746_000_000.0).price
    now = prices.quote("openai", "o3", now=NOV_2026).price
    assert then is not None
    assert now is not None
    assert (then.input or 0) > (now.input or 0)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "rate"),
    [
        ("openai", "gpt-5.6", "priority", "8"),
        ("openai", "gpt-5.6", "FAST", "8"),
        ("openai", "gpt-5.6", "batch", "2"),
        ("anthropic", "claude-opus-4-8", "fast", "10"),
        ("anthropic", "claude-opus-4-8", "batch", "2.5"),
        ("anthropic", "claude-opus-4-8", "standard", "5"),
        ("google", "gemini-3.8-flash-tts", "priority", "0.9"),
    ],
)
def test_every_vendors_tiers_are_read_in_our_words(provider: str, model: str, tier: str, rate: str) -> None:
    price = Prices().quote(provider, model, now=NOV_2026, tier=tier).price
    assert price is not None
    assert price.input == per_million(rate)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "now"),
    [
        ("openai", "gpt-5.6", "scale", NOV_2026),
        ("openai", "gpt-5.6", "ultrafast", NOV_2026),
        ("openai", "gpt-5.6", "flex", 1_790_000_000.0),  # listed from 2026-10-12 on
        ("anthropic", "claude-sonnet-5", "fast", NOV_2026),
        ("anthropic", "claude-opus-4-8", "priority", NOV_2026),
        ("google", "gemini-2.5-pro", "flex", NOV_2026),
    ],
)
def test_a_tier_that_the_sheet_does_not_list_has_no_price(provider: str, model: str, tier: str, now: float) -> None:
    quote = Prices().quote(provider, model, now=now, tier=tier)
    assert (quote.price, quote.why) == (None, "unknown service tier")


def test_media_and_vendors_tools_have_their_rates() -> None:
    live = Prices().quote("openai", "gpt-realtime", now=NOV_2026).price
    assert live is not None
    assert (live.input_audio, live.cached_audio, live.output_audio) == (
        per_million("32"), per_million("0.4"), per_million("64"),
    )  # fmt: skip
    assert (live.input_image, live.cached_image) == (per_million("5"), per_million("0.5"))
    image = Prices().quote("google", "gemini-3-pro-image", now=NOV_2026).price
    assert image is not None
    assert image.output_image == per_million("120")
    sol = Prices().quote("openai", "gpt-5.6", now=NOV_2026).price
    assert sol is not None
    assert sol.calls == {"web_search": per_million("10000"), "file_search": per_million("2500")}
    claude = Prices().quote("anthropic", "claude-sonnet-5", now=NOV_2026).price
    assert claude is not None
    assert claude.calls == {"web_fetch": 0, "web_search": per_million("10000")}


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "whisper-1"), ("openai", "gpt-live-1"), ("perplexity", "sonar")]
)
def test_what_is_not_charged_by_tokens_alone_has_no_price(provider: str, model: str) -> None:
    quote = Prices().quote(provider, model, now=NOV_2026)
    assert (quote.price, quote.why) == (None, "not priced by tokens alone")


DAY = 86_400.0
LISTED = Overlay(
    {
        "openai/gpt-5.6": (
            (float("-inf"), Tariff(Price(input=1, output=1), source="prices")),
            (NOV_2026, Tariff(Price(input=2, output=2), {"flex": Price(input=1, output=1)}, "prices 2026-11-18")),
        ),
        "vllm/qwen": ((NOV_2026, Tariff(Price(input=3, output=3), source="prices 2026-11-18")),),
    }
)


@pytest.mark.parametrize(("later", "rate"), [(-DAY, 1), (-1, 1), (0, 2), (DAY, 2)])
def test_the_newest_entry_that_has_begun_holds(later: float, rate: int) -> None:
    quote = Prices(LISTED).quote("openai", "gpt-5.6", now=NOV_2026 + later)
    assert quote.price == Price(input=rate, output=rate)
    assert quote.source == ("prices" if rate == 1 else "prices 2026-11-18")


def test_before_its_first_entry_a_model_is_the_sheets_or_nobodys() -> None:
    prices = Prices(LISTED)
    assert prices.quote("vllm", "Qwen", now=NOV_2026, local=True).price == Price(input=3, output=3)
    early = prices.quote("vllm", "qwen", now=NOV_2026 - DAY, local=True)
    assert (early.price, early.why) == (None, "no price configured")


def test_an_entry_prices_the_tiers_that_it_names_and_no_other() -> None:
    prices = Prices(LISTED)
    assert prices.quote("openai", "gpt-5.6", now=NOV_2026, tier="flex").price == Price(input=1, output=1)
    assert prices.quote("openai", "gpt-5.6", now=NOV_2026, tier="batch").why == "unknown service tier"


@pytest.mark.parametrize(
    ("answered", "source"),
    [
        ("gpt-5.6", "prices 2026-11-18"),
        ("gpt-5.6-2026-08-01", "prices 2026-11-18"),
        ("gpt-5.6-20260801", "prices 2026-11-18"),
        ("gpt-5.6-sol-2026-08-01", "prices 2026-11-18"),  # the sheet knows it as the same model
        ("my-gateway-says-so", "prices 2026-11-18"),
        ("gpt-4o", "genai-prices 0.2.3 openai/gpt-4o"),  # and this one as another
    ],
)
def test_what_answered_is_priced_and_a_dated_name_is_the_configured_models(answered: str, source: str) -> None:
    assert Prices(LISTED).quote("openai", "gpt-5.6", now=NOV_2026, answered=answered).source == source


@pytest.mark.parametrize("answered", ["gpt-5.6", "gpt-5.6-2026-08-01", "up"])
def test_the_sheet_knows_the_configured_name_where_it_does_not_know_the_answers(answered: str) -> None:
    quote = Prices().quote("openai", "gpt-5.6", now=NOV_2026, answered=answered)
    assert quote.source == "genai-prices 0.2.3 openai/gpt-5.6-sol"


def test_an_entry_for_the_answers_own_name_comes_before_the_configured_one() -> None:
    snapshot = Overlay({**LISTED.dated, "openai/gpt-5.6-2026-08-01": ((0.0, Tariff(Price(input=7), source="own")),)})
    quote = Prices(snapshot).quote("openai", "gpt-5.6", now=NOV_2026, answered="gpt-5.6-2026-08-01")
    assert quote.source == "own"


def test_a_reload_forgets_what_was_looked_up() -> None:
    prices = Prices(LISTED)
    assert prices.quote("openai", "gpt-5.6", now=NOV_2026).source == "prices 2026-11-18"
    assert (prices.dearest("vllm", NOV_2026).price or Price()).input == 3
    prices.adopt(Overlay())
    assert prices.quote("openai", "gpt-5.6", now=NOV_2026).source == "genai-prices 0.2.3 openai/gpt-5.6-sol"
    assert prices.dearest("vllm", NOV_2026).price is None


def test_the_dearest_is_of_every_tier_and_of_the_operators_own() -> None:
    dearest = Prices().dearest("anthropic", NOV_2026).price
    sheet = [Prices().quote("anthropic", name, now=NOV_2026, tier=tier).price
             for name in ("claude-opus-4-1", "claude-opus-4-8", "claude-sonnet-5") for tier in (None, "fast")]  # fmt: skip
    assert dearest is not None
    assert all((dearest.output or 0) >= (price.output or 0) for price in sheet if price is not None)
    gold = Tariff(Price(input=1, output=per_million("9999")), source="operator")
    assert Prices(Overlay(own={"anthropic": (gold,)})).dearest("anthropic", NOV_2026).price is gold.usual
    nobody = Prices().dearest("openai_compatible", NOV_2026)
    assert (nobody.price, nobody.why) == (None, "no price of this provider is known")


def test_neither_the_import_nor_a_call_that_it_cannot_know_loads_the_sheet() -> None:
    code = (
        "import sys; from proxy.prices import Prices; p = Prices();"
        "assert p.quote('vllm', 'x', now=0.0, local=True).why == 'no price configured';"
        "assert p.quote('openai_compatible', 'x', now=0.0).why == 'unknown model';"
        "assert p.dearest('openai_compatible', 0.0).price is None;"
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
