"""What a call is reserved, what its answer is limited to, and how a refusal is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.limits import pacing, refusing, reserving
from policies.limits.limit import MINUTE, NOW, BudgetTerms, Limit, Window
from policies.limits.refusing import Left, money, refusal
from policies.limits.reserving import Bill, Question, affordable, bill, portion
from policies.pricing import NANO, Price, cost, per_million

NOVEMBER = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
SHEET = Price(input=per_million(3), output=per_million(15), cache_write=per_million("3.75"))
TEAM = Limit(scope="team", name="interns", kind="usd", amount=50 * NANO, window=Window("month"), budget=BudgetTerms())


@pytest.mark.parametrize(
    ("asked", "usual", "most", "expected"),
    [
        (1000, 300, 64_000, (256, 300, 1000)),
        (None, 300, 64_000, (256, 300, 64_000)),
        (100_000, 300, 64_000, (256, 300, 64_000)),
        (100, 300, 64_000, (100, 100, 100)),
        (1000, None, None, (256, 1000, 1000)),
        (1000, 20, None, (256, 256, 1000)),
        (None, None, None, (256, 131_072, 131_072)),
    ],
)
def test_the_reserve_is_the_least_of_what_is_asked_usual_and_possible(
    asked: int | None, usual: int | None, most: int | None, expected: tuple[int, int, int]
) -> None:
    found = Question(10, asked, usual).at(most)
    assert (found.least, found.usual, found.worst) == expected


def test_an_answer_that_cannot_be_limited_has_one_size() -> None:
    found = Question(10, 5000, 20, whole=True).at(2000)
    assert (found.least, found.usual, found.worst) == (2000, 2000, 2000)
    assert Question(10, 0, whole=True).at(None).worst == 0


RATES = st.integers(0, per_million(600))


@given(
    price=st.builds(Price, input=RATES, output=RATES, cache_write=st.none() | RATES),
    input_tokens=st.integers(0, 200_000),
    output=st.integers(0, 70_000),
    asked=st.none() | st.integers(1, 100_000),
    usual=st.none() | st.integers(1, 5000),
    written=st.integers(0, 200_000),
)
def test_no_answer_within_its_limit_costs_more_than_what_was_reckoned(
    price: Price, input_tokens: int, output: int, asked: int | None, usual: int | None, written: int
) -> None:
    told = Question(input_tokens, asked, usual).at(64_000)
    found = bill(told, price)
    assert found is not None
    assert found.least <= found.usual <= found.worst
    usage = ir.Usage(input=input_tokens, output=min(output, told.worst), cache_write=min(written, input_tokens))
    assert (cost(usage, price) or 0) <= found.worst
    for held in (found.least, found.usual, (found.least + found.usual) // 2):
        most = affordable(held, told, price)
        assert most >= told.least
        assert (cost(ir.Usage(input=input_tokens, output=min(output, most)), price) or 0) <= held


def test_several_answers_are_paid_for_several_times() -> None:
    told = Question(100, 1000, choices=3).at(None)
    found = bill(told, SHEET)
    assert found is not None
    assert found.worst == (100 * 3750) + 3 * 1000 * 15_000
    assert affordable(found.worst, told, SHEET) == 1000


def test_a_long_question_has_the_rates_of_long_questions() -> None:
    price = Price(
        input=per_million(2),
        output=per_million(10),
        above=((200_000, Price(input=per_million(4), output=per_million(20))),),
    )
    short, long = (bill(Question(n, 1000).at(None), price) for n in (200_000, 200_001))
    assert short is not None
    assert long is not None
    assert long.worst == 200_001 * 4000 + 1000 * 20_000 > 2 * short.worst


@pytest.mark.parametrize("price", [Price(output=5), Price(input=5), Price()])
def test_a_price_without_a_rate_that_is_needed_is_none(price: Price) -> None:
    assert bill(Question(10, 10).at(None), price) is None


def test_an_embedding_has_no_answer_to_pay_for() -> None:
    told = reserving.Size(1000, 0, 0, 0)
    assert bill(told, Price(input=per_million("0.1"))) == Bill(100_000, 100_000, 100_000)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 5000))
def test_a_portion_is_never_more_than_what_is_left_nor_less_than_is_useful(a: int, b: int, c: int, left: int) -> None:
    least, usual, worst = sorted((a, b, c))
    found = portion(Bill(least, usual, worst), left)
    if found is None:
        assert least > left
    else:
        assert least <= found <= min(worst, left)
        assert found <= max(least, left // 4)


def test_calls_at_one_time_each_get_some_of_what_is_left() -> None:
    assert portion(Bill(5, 10, 1000), 640) == 20
    left, got = 100, []
    while (one := portion(Bill(5, 80, 1000), left)) is not None:
        got.append(one)
        left -= one
    assert got[:3] == [25, 18, 14]
    assert len(got) >= 8
    assert left < 5


# --- how full, and how fast ----------------------------------------------------------------------------------------


def test_the_fullest_and_the_fastest_budget_count() -> None:
    own = Limit(scope="key", name="ann", kind="usd", amount=5 * NANO, window=Window("day"), budget=BudgetTerms())
    shares = [pacing.Share(TEAM, 35 * NANO, 50 * NANO), pacing.Share(own, 2 * NANO, 5 * NANO)]
    assert pacing.fullest(shares) == pytest.approx(0.7)
    assert pacing.fastest(shares, NOVEMBER) == pytest.approx(max(0.7 / (21 / 30), 0.4 / 0.5))
    assert pacing.fullest([]) is None
    assert pacing.fastest([], NOVEMBER) is None


def test_the_first_minutes_of_a_window_say_little_of_the_rest() -> None:
    day = Limit(scope="key", name="ann", kind="usd", amount=100, window=Window("day"), budget=BudgetTerms())
    midnight = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    assert pacing.Share(day, 3, 100).pace(midnight + 60) == pytest.approx(1.0)


def test_a_budget_of_nothing_is_full() -> None:
    assert pacing.Share(TEAM, 0, 0).full == 1.0


# --- refusals ------------------------------------------------------------------------------------------------------


def test_a_spent_budget_says_whose_how_much_what_is_left_and_until_when() -> None:
    told = refusal(Left(TEAM, 50 * NANO, 49 * NANO + 930_000_000, 0), 120_000_000, NOVEMBER)
    assert told.message == (
        "Team 'interns' has spent $49.93 of its $50.00 for November 2026 (UTC); $0.07 is left and this call may cost "
        "$0.12. It resets on 2026-12-01T00:00:00Z. Wait until then, or ask the operator for more."
    )
    assert (told.kind, told.status, told.type, told.code) == ("quota", 429, "insufficient_quota", "insufficient_quota")
    assert told.retry_after is None


def test_where_only_open_calls_stand_in_the_way_it_is_worth_asking_again() -> None:
    told = refusal(Left(TEAM, 50 * NANO, 49 * NANO, 950_000_000), 120_000_000, NOVEMBER)
    assert "and $0.95 is held for calls that are under way; $0.05 is left" in told.message
    assert told.message.endswith("Try again in a moment.")
    assert told.retry_after == refusing.SOON
    beyond = refusal(Left(TEAM, 50 * NANO, 49 * NANO, 950_000_000), 2 * NANO, NOVEMBER)
    assert beyond.retry_after is None


def test_a_rolling_budget_resets_when_enough_has_left_it() -> None:
    rolling = Limit(
        scope="key", name="ann", kind="usd", amount=NANO, window=Window("rolling", 86_400.0), budget=BudgetTerms()
    )
    told = refusal(Left(rolling, NANO, NANO, 0, frees=3600.0), 5, NOVEMBER)
    assert "Key 'ann' has spent $1.00 of its $1.00 for the last day; $0.00 is left" in told.message
    assert "It resets on 2026-11-21T13:00:00Z." in told.message


def test_a_rate_says_its_size_what_is_left_and_in_how_long() -> None:
    rate = Limit(scope="key", name="ann", kind="tokens", amount=400_000, window=MINUTE)
    told = refusal(Left(rate, 400_000, 399_000, 0, frees=12.5), 3400, NOVEMBER)
    assert told.message.startswith(
        "Rate limit reached: Key 'ann' may use 400,000 tokens per minute; 1,000 are left and this call may use "
        "3,400. It resets in 12.5 s."
    )
    assert (told.kind, told.type, told.code, told.retry_after) == ("limited", "tokens", "rate_limit_exceeded", 12.5)


def test_calls_at_one_time_say_how_many() -> None:
    places = Limit(scope="team", name="interns", kind="parallel", amount=20, window=NOW)
    told = refusal(Left(places, 20, 0, 20), 1, NOVEMBER)
    assert "Team 'interns' may have 20 calls under way at one time; 0 are left" in told.message
    assert (told.status, told.type, told.retry_after) == (429, "requests", 1.0)


@pytest.mark.parametrize(
    ("nano", "of", "up", "told"),
    [
        (50 * NANO, 50 * NANO, False, "$50.00"),
        (1_234_567 * NANO, 1_234_567 * NANO, False, "$1,234,567.00"),
        (49_937_000_000, 50 * NANO, False, "$49.93"),
        (49_931_000_000, 50 * NANO, True, "$49.94"),
        (0, NANO, True, "$0.00"),
        (73_000_000, NANO, False, "$0.07"),
        (3_210_000, NANO // 50, True, "$0.0033"),
        (12_345, NANO // 1000, True, "$0.000013"),
    ],
)
def test_money_is_told_to_the_cent_or_as_exactly_as_it_takes(nano: int, of: int, up: bool, told: str) -> None:
    assert money(nano, of, up=up) == told
