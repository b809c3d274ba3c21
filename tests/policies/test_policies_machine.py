"""Machines: hours made into money, estimates that are learned, and the point from which one pays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.machine import DAY, HOUR, Learned, Machine, break_even, expected, hours, learned, use
from policies.pricing import cost, per_million

BOX = Machine(busy=per_million("2.10"), idle=per_million("2.00"))
"""$2.10 an hour at work, $2.00 while nobody asks: ``per_million`` makes nano-dollars of dollars."""


def test_an_hour_costs_its_rate_and_no_time_nothing() -> None:
    assert hours(HOUR, BOX.busy) == per_million("2.10")
    assert hours(HOUR // 2, BOX.busy) == per_million("1.05")
    assert hours(0, BOX.busy) == 0


@given(st.lists(st.integers(0, 10**12), max_size=50), st.integers(0, 10**11))
def test_the_parts_cost_what_the_whole_costs_but_for_rounding_each(parts: list[int], rate: int) -> None:
    assert abs(sum(hours(part, rate) for part in parts) - hours(sum(parts), rate)) <= len(parts)


# --- estimates -----------------------------------------------------------------------------------------------------


def _seen(*calls: tuple[int, int, int]) -> Learned:
    found = Learned()
    for share, asked, answered in calls:
        found = learned(found, share, ir.Usage(asked, answered))
    return found


def test_nothing_is_foreseen_before_a_few_calls() -> None:
    assert expected(_seen(*[(10**9, 100, 100)] * 4), BOX) is None
    assert expected(_seen(*[(10**9, 100, 100)] * 5), BOX) is not None


@pytest.mark.parametrize("usage", [ir.Usage(), ir.Usage(input=5), ir.Usage(0, 0)])
def test_a_call_without_tokens_teaches_nothing(usage: ir.Usage) -> None:
    assert learned(Learned(), 10**9, usage) == Learned()


@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(1, 10**5)), min_size=5, max_size=60))
def test_a_steady_machine_is_foreseen_as_it_is(calls: list[tuple[int, int]]) -> None:
    """A prompt's token takes 1 ms here, and one of an answer ten times as long."""
    seen = _seen(*[(asked * 10**6 + answered * 10**7, asked, answered) for asked, answered in calls])
    price = expected(seen, BOX)
    asked, answered = calls[-1]
    assert price is not None
    told = cost(ir.Usage(asked, answered), price)
    assert told == pytest.approx(hours(asked * 10**6 + answered * 10**7, BOX.busy), rel=1e-6, abs=2)


def test_what_is_long_past_counts_less() -> None:
    seen = _seen(*[(10**9, 0, 100)] * 50, *[(4 * 10**9, 0, 100)] * 200)
    price = expected(seen, BOX)
    assert price is not None
    assert cost(ir.Usage(0, 100), price) == pytest.approx(hours(4 * 10**9, BOX.busy), rel=0.05)


# --- reports -------------------------------------------------------------------------------------------------------


def test_a_span_is_what_was_attributed_and_what_idled() -> None:
    found = use(BOX, span=DAY, shares=6 * HOUR, attributed=hours(6 * HOUR, BOX.busy), tokens=10_000_000)
    assert (found.busy, found.idle) == (6 * HOUR, 18 * HOUR)
    assert (found.attributed, found.idled) == (per_million("12.60"), per_million("36.00"))
    assert found.cost == per_million("48.60")
    assert found.per_million == per_million("4.86")


def test_a_machine_that_is_paid_by_use_idles_for_nothing() -> None:
    found = use(Machine(BOX.busy, 0), span=DAY, shares=HOUR, attributed=BOX.busy, tokens=0)
    assert (found.idled, found.cost, found.per_million) == (0, BOX.busy, None)


def test_more_shares_than_time_are_a_full_span() -> None:
    assert use(BOX, span=HOUR, shares=2 * HOUR, attributed=0, tokens=1).idle == 0


def test_it_pays_from_where_both_lines_meet() -> None:
    # A million tokens took it an hour; the baseline would have charged $5.10 for them: $5 more than work itself costs.
    found = break_even(BOX, shares=HOUR, tokens=1_000_000, baseline=per_million("5.10"))
    assert found is not None
    assert found.tokens == 9_600_000  # $48 of idling a day, $5 gained with each million
    assert found.capacity == 24_000_000
    assert found.within_reach


@given(
    st.integers(0, 10**11), st.integers(0, 10**11), st.integers(1, DAY), st.integers(1, 10**9), st.integers(0, 10**13)
)
def test_at_break_even_a_day_costs_what_the_baseline_costs(
    idle: int, more: int, shares: int, tokens: int, baseline: int
) -> None:
    box = Machine(idle + more, idle)
    found = break_even(box, shares=shares, tokens=tokens, baseline=baseline)
    assert found is not None

    def ahead(a_day: int) -> int:
        """How much less than the baseline it costs with so many tokens, in nano-dollars times the hour and tokens."""
        return baseline * a_day * HOUR - (idle * DAY * tokens + more * shares * a_day)

    if found.tokens is None:
        assert ahead(10**30) <= 0
    else:
        assert ahead(found.tokens) >= 0
        assert found.tokens == 0 or ahead(found.tokens - 1) < 0


def test_it_never_pays_where_work_itself_is_dearer() -> None:
    found = break_even(Machine(per_million("9"), 0), shares=HOUR, tokens=1_000_000, baseline=per_million("5"))
    assert found is not None
    assert (found.tokens, found.within_reach) == (None, False)


def test_paid_by_use_it_pays_at_once_or_never_and_beyond_its_capacity_not_at_all() -> None:
    at_once = break_even(Machine(per_million("1"), 0), shares=HOUR, tokens=1_000_000, baseline=per_million("5"))
    assert at_once is not None
    assert (at_once.tokens, at_once.within_reach) == (0, True)
    beyond = break_even(BOX, shares=HOUR, tokens=1_000_000, baseline=per_million("0.20"))
    assert beyond is not None
    assert (beyond.tokens, beyond.within_reach) == (480_000_000, False)


def test_without_a_call_nobody_can_tell() -> None:
    assert break_even(BOX, shares=0, tokens=0, baseline=0) is None
