"""Money to the nano-dollar: each token in exactly one class, unknown never free."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters import ir
from policies.pricing import Price, asked_whole, cost, counterfactual, per_million, saving

SONNET = Price(
    input=per_million("2"),
    cached=per_million("0.2"),
    cache_write=per_million("2.5"),
    cache_write_1h=per_million("4"),
    output=per_million("10"),
)


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (ir.Usage(1000, 100), 1000 * 2000 + 100 * 10000),
        (ir.Usage(1203, 10, cached=1000, cache_write=200), 3 * 2000 + 1000 * 200 + 200 * 2500 + 10 * 10000),
        (ir.Usage(500, 0, cache_write=500, cache_write_1h=300), 200 * 2500 + 300 * 4000),
        (ir.Usage(0, 0), 0),
        (ir.Usage(10, 120, reasoning=100), 10 * 2000 + 120 * 10000),
    ],
)
def test_g40_cache_writes_and_reads_are_priced_once_at_their_own_rate(usage: ir.Usage, nano: int) -> None:
    assert cost(usage, SONNET) == nano


def test_g37_cached_tokens_are_a_part_of_input_and_not_paid_twice() -> None:
    assert cost(ir.Usage(1000, 0, cached=1000), SONNET) == 1000 * 200


@pytest.mark.parametrize("usage", [ir.Usage(), ir.Usage(input=5), ir.Usage(output=5)])
def test_what_the_upstream_never_told_has_no_cost(usage: ir.Usage) -> None:
    assert cost(usage, SONNET) is None


@pytest.mark.parametrize(
    "usage",
    [ir.Usage(10, 5, cached=11), ir.Usage(-1, 5), ir.Usage(10, -5), ir.Usage(10, 1, cache_write=2, cache_write_1h=3)],
)
def test_nonsense_usage_has_no_cost_and_never_a_negative_one(usage: ir.Usage) -> None:
    assert cost(usage, SONNET) is None


def test_a_rate_that_is_needed_and_unknown_makes_the_cost_unknown() -> None:
    assert cost(ir.Usage(1, 1), Price(input=1)) is None
    assert cost(ir.Usage(1_000_000, 0), Price(input=7)) == 7
    assert cost(ir.Usage(5, 0, cache_write=5, cache_write_1h=5), Price(input=1, cache_write=2, output=1)) is None


def test_without_a_cache_rate_the_input_rate_holds() -> None:
    flat = Price(input=per_million("1"), output=per_million("1"))
    assert cost(ir.Usage(10, 0, cached=4, cache_write=4, cache_write_1h=2), flat) == 10 * 1000


def test_prices_below_a_nano_dollar_a_token_are_exact_and_rounded_once() -> None:
    price = Price(input=per_million("0.0125"), output=0)
    assert cost(ir.Usage(3, 0), price) == 38
    assert cost(ir.Usage(80, 0), price) == 1000


def test_long_context_moves_the_whole_call_to_the_dearer_rate() -> None:
    dear = Price(input=per_million("4"), output=per_million("18"))
    price = Price(input=per_million("2"), output=per_million("12"), above=((200_000, dear),))
    assert cost(ir.Usage(200_000, 1), price) == 200_000 * 2000 + 12000
    assert cost(ir.Usage(200_001, 1), price) == 200_001 * 4000 + 18000


@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)
)
def test_every_token_is_in_exactly_one_class(plain: int, read: int, short: int, long: int, out: int) -> None:
    one = Price(input=10**6, cached=10**6, cache_write=10**6, cache_write_1h=10**6, output=10**6)
    usage = ir.Usage(plain + read + short + long, out, cached=read, cache_write=short + long, cache_write_1h=long)
    assert cost(usage, one) == plain + read + short + long + out


def test_the_counterfactual_grants_cache_reads_and_counts_writes_as_input() -> None:
    usage = ir.Usage(100, 10, cached=40, cache_write=60, cache_write_1h=60)
    assert counterfactual(usage, SONNET) == 60 * 2000 + 40 * 200 + 10 * 10000


def test_a_saving_is_signed_and_unknown_stays_unknown() -> None:
    assert saving(3, 10) == 7
    assert saving(10, 3) == -7
    assert saving(None, 3) is None
    assert saving(3, None) is None


def test_of_the_vendors_tools_the_baseline_is_charged_for_those_that_it_sells() -> None:
    searched = ir.Usage(100, 10, calls={"web_search": 2, "x_search": 5})
    plain = counterfactual(ir.Usage(100, 10), SONNET)
    sells = replace(SONNET, calls={"web_search": per_million("10000")})
    assert counterfactual(searched, SONNET) == plain
    granted = replace(searched, calls={"web_search": 2})
    assert counterfactual(searched, sells) == cost(granted, sells)


@pytest.mark.parametrize(
    ("more", "less", "asked"), [(0, 0, 100), (1400, 0, 1500), (0, 30, 70), (1400, 30, 1470), (0, 1000, 40)]
)
def test_the_baseline_is_asked_what_the_client_asked(more: int, less: int, asked: int) -> None:
    usage = ir.Usage(100, 7, cached=40)
    assert asked_whole(usage, more=more, less=less) == ir.Usage(asked, 7, cached=40)


def test_unknown_tokens_stay_unknown() -> None:
    assert asked_whole(ir.Usage(), more=5) == ir.Usage()
