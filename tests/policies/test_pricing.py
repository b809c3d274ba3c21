"""Money to the nano-dollar: each token in exactly one class, unknown never free."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters import ir
from policies.pricing import Price, asked_whole, cost, counterfactual, per_million, saving, why_unknown

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


# --- media, longer writes, calls ------------------------------------------------------------------------------------

ALL = Price(
    input=1_000_000_000,
    cached=100_000_000,
    cache_write=1_250_000_000,
    cache_write_1h=2_000_000_000,
    cache_write_12h=3_000_000_000,
    output=10_000_000_000,
    input_audio=32_000_000_000,
    cached_audio=4_000_000_000,
    input_image=5_000_000_000,
    cached_image=500_000_000,
    input_video=7_000_000_000,
    output_audio=64_000_000_000,
    output_image=30_000_000_000,
    output_video=70_000_000_000,
    calls={"web_search": 10_000_000_000_000, "web_fetch": 1_000_000_000},
)
"""In nano-dollars a token: 1000, 100, 1250, 2000, 3000, 10000, 32000, 4000, 5000, 500, 7000, 64000, 30000, 70000."""


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (ir.Usage(30, 0, cache_write=30, cache_write_1h=10, cache_write_12h=5), 15 * 1250 + 10 * 2000 + 5 * 3000),
        (ir.Usage(100, 0, input_audio=30, input_image=10, input_video=5), 55 * 1000 + 30 * 32_000 + 10 * 5000 + 5 * 7000),
        (ir.Usage(100, 0, cached=40, input_audio=30, cached_audio=30), 60 * 1000 + 10 * 100 + 30 * 4000),
        (ir.Usage(100, 0, cached=40, input_audio=30, cached_audio=8), 38 * 1000 + 32 * 100 + 22 * 32_000 + 8 * 4000),
        (ir.Usage(100, 0, cached=40, input_video=50, cached_video=40), 50 * 1000 + 10 * 7000 + 40 * 100),
        # Which of the cached are sound nobody told: text is taken first, as far as there is any.
        (ir.Usage(100, 0, cached=90, input_audio=30), 10 * 32_000 + 90 * 100),
        (ir.Usage(100, 0, cached=40, input_audio=30), 30 * 1000 + 40 * 100 + 30 * 32_000),
        (ir.Usage(0, 100, output_audio=60, output_image=10, output_video=5), 25 * 10_000 + 60 * 64_000 + 10 * 30_000 + 5 * 70_000),
        (ir.Usage(1, 0, calls={"web_search": 3}), 1000 + 3 * 10_000_000),
        (ir.Usage(1, 0, calls={"web_fetch": 2}), 1000 + 2 * 1000),
        (ir.Usage(1, 0, calls={"code_execution": 2}), 1000),
        (ir.Usage(1, 0, calls={"maps": 1}), None),
        (ir.Usage(1, 0, calls={"maps": 0}), 1000),
    ],
)  # fmt: skip
def test_every_class_has_its_own_rate(usage: ir.Usage, nano: int | None) -> None:
    assert cost(usage, ALL) == nano


@pytest.mark.parametrize(
    ("usage", "price", "nano"),
    [
        # Media without a rate of their own cost what text does; a cached kind without one, what cached text does.
        (ir.Usage(100, 50, input_audio=30, output_image=20), Price(input=10**6, output=2 * 10**6), 100 + 100),
        (ir.Usage(100, 0, cached=40, input_audio=40, cached_audio=40), Price(input=10**6, input_audio=5 * 10**6), 60 + 40 * 5),
        (ir.Usage(100, 0, cached=40, input_audio=40, cached_audio=40), Price(input=10**6, cached=0, input_audio=5 * 10**6), 60),
        (ir.Usage(9, 0, cache_write=9, cache_write_12h=9), Price(input=10**6), 9),
        (ir.Usage(9, 0, cache_write=9, cache_write_12h=9), Price(input=10**6, cache_write=10**6), None),
        (ir.Usage(9, 0, cache_write=9, cache_write_12h=9), Price(input=10**6, cache_write_12h=2 * 10**6), 18),
        (ir.Usage(9, 0, input_audio=9), Price(input_audio=10**6), 9),
        (ir.Usage(9, 0, input_audio=8), Price(input_audio=10**6), None),
    ],
)  # fmt: skip
def test_a_class_without_a_rate_of_its_own(usage: ir.Usage, price: Price, nano: int | None) -> None:
    assert cost(usage, price) == nano


@pytest.mark.parametrize(
    ("flaws", "known"),
    [((), True), (("reasoning", "total"), True), (("cached",), False), (("reasoning", "input_audio"), False), (("usage",), False)],
)  # fmt: skip
def test_counts_that_could_not_be_so_have_no_price_where_it_depends_on_them(
    flaws: tuple[str, ...], known: bool
) -> None:
    assert (cost(ir.Usage(10, 5, flaws=flaws), ALL) is not None) == known


@pytest.mark.parametrize(
    ("usage", "why"),
    [
        (ir.Usage(10, None), "incomplete usage"),
        (ir.Usage(10, 5, flaws=("cached",)), "bad usage"),
        (ir.Usage(10, 5, calls={"web_search": 1, "maps": 1}), "no rate for calls of tools"),
        (ir.Usage(10, 5, output_audio=2), "no rate for a class of tokens"),
    ],
)
def test_why_a_cost_is_unknown(usage: ir.Usage, why: str) -> None:
    price = Price(input=1, output_image=1, calls={"web_search": 1})
    assert cost(usage, price) is None
    assert why_unknown(usage, price) == why


def test_long_context_holds_for_every_class() -> None:
    price = Price(input=1, output=1, above=((10, ALL),))
    assert cost(ir.Usage(11, 1, input_audio=11), price) == 11 * 32_000 + 10_000


PART = st.integers(0, 10**6)


@given(st.lists(PART, min_size=9, max_size=9), st.lists(PART, min_size=4, max_size=4))
def test_every_token_of_every_kind_is_in_exactly_one_class(read: list[int], said: list[int]) -> None:
    text, audio, image, video, again, again_audio, short, hour, half = read
    one = {name: 10**6 for name in Price.__struct_fields__ if name not in ("calls", "above")}
    usage = ir.Usage(
        sum(read),
        sum(said),
        cached=again + again_audio,
        cache_write=short + hour + half,
        cache_write_1h=hour,
        cache_write_12h=half,
        input_audio=audio + again_audio,
        input_image=image,
        input_video=video,
        cached_audio=again_audio,
        output_audio=said[1],
        output_image=said[2],
        output_video=said[3],
    )
    assert cost(usage, Price(**one)) == sum(read) + sum(said)
    for name, count in {
        "input": text, "input_audio": audio, "input_image": image, "input_video": video, "cached": again,
        "cached_audio": again_audio, "cache_write": short, "cache_write_1h": hour, "cache_write_12h": half,
        "output": said[0], "output_audio": said[1], "output_image": said[2], "output_video": said[3],
    }.items():  # fmt: skip
        assert cost(usage, Price(**one | {name: 0})) == sum(read) + sum(said) - count, name
