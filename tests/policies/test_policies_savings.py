"""Savings: signed, net, unknown where a term is; and S22's figures, which did not add up where they came from."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.pricing import Price, cost, per_million
from policies.savings import Leg, Saved, off_sheet, saved

D = per_million
"""Nano-dollars of dollars."""


def test_s22_on_its_own_figures_the_ledger_gets_27_percent() -> None:
    """Simple tasks local, moderate ones condensed, complex ones in the cloud: $13.80 where the cloud takes $19.00."""
    legs = [
        Leg("simple", D("0.60"), compared=True, baseline=D("4.40")),
        Leg("moderate", D("3.20"), compared=True, baseline=D("5.00")),
        Leg("moderate", D("0.40")),  # the condensing
        Leg("complex", D("9.60"), compared=True, baseline=D("9.60")),
    ]
    found = saved(legs)
    assert (found.cost, found.baseline, found.saved) == (D("13.80"), D("19.00"), D("5.20"))
    assert round(100 * (found.share or 0)) == 27


def test_s22_the_cpu_row_is_74_percent() -> None:
    found = saved([Leg("cpu", D("4.94"), compared=True, baseline=D("19.00"))])
    assert round(100 * (found.share or 0)) == 74


GPT_4O = Price(input=D("2.50"), cached=D("1.25"), output=D("15"))


def test_s22_a_charge_of_90_dollars_a_million_is_off_the_sheet() -> None:
    told = off_sheet(ir.Usage(10_000, 2_500), D("1.125"), GPT_4O)
    assert told == "implies $90.00 per million tokens; the dearest rate of the sheet is $15.00"


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_the_sheet_itself_charges_is_on_it(plain: int, cached: int, output: int) -> None:
    usage = ir.Usage(plain + cached, output, cached=cached)
    charged = cost(usage, GPT_4O)
    assert charged is not None
    assert off_sheet(usage, charged, GPT_4O) is None


def test_too_little_is_off_the_sheet_as_well() -> None:
    told = off_sheet(ir.Usage(1_000_000, 0), D("0.5"), GPT_4O)
    assert told == "implies $0.50 per million tokens; the lowest rate of the sheet is $1.25"


def test_a_vendors_tools_are_no_tokens() -> None:
    sells = Price(input=D("1"), output=D("2"), calls={"web_search": D("10000")})
    searched = ir.Usage(1000, 1000, calls={"web_search": 3})
    assert off_sheet(searched, D("0.033"), sells) is None
    assert off_sheet(searched, D("0.003"), sells) is not None


def test_without_tokens_or_rates_nothing_is_told() -> None:
    assert off_sheet(ir.Usage(), 5, GPT_4O) is None
    assert off_sheet(ir.Usage(5, 5), 5, Price()) is None


# --- sums ----------------------------------------------------------------------------------------------------------


def test_a_call_is_all_its_legs_in_whatever_order_they_come() -> None:
    legs = [
        Leg("a", 30),  # an attempt that failed and was charged
        Leg("b", 500, compared=True, baseline=400),
        Leg("a", 20, compared=True, baseline=100),
        Leg("a", 10),  # its condensing
    ]
    found = saved(legs)
    assert (found.calls, found.cost, found.baseline, found.saved) == (2, 560, 500, -60)


@pytest.mark.parametrize(
    "legs",
    [
        [Leg("a", None, compared=True, baseline=5)],
        [Leg("a", 5, compared=True, baseline=None)],
        [Leg("a", 5, compared=True, baseline=9), Leg("a", None)],
    ],
)
def test_one_unknown_term_makes_its_call_unknown_and_no_other(legs: Sequence[Leg]) -> None:
    found = saved([*legs, Leg("b", 1, compared=True, baseline=4)])
    assert (found.calls, found.unknown, found.saved) == (2, 1, 3)


def test_calls_that_nobody_compares_are_no_savings() -> None:
    assert saved([Leg("denied", 0), Leg("no baseline", 500), Leg("failed", None)]) == Saved()


def test_a_kept_answer_saves_all_of_it() -> None:
    found = saved([Leg("hit", 0, compared=True, baseline=100)])
    assert (found.saved, found.share) == (100, 1.0)
    assert Saved().share is None
