"""Tariffs: which word a call is priced in, what a row keeps of its rates, and what is missing where it has no cost."""

import pytest

from adapters import ir
from policies.pricing import Price, cost
from policies.tariff import applied, lacking, tier_of, unusual


@pytest.mark.parametrize("word", [None, "", "default", "standard", "auto", "ON_DEMAND", "standard_only"])
def test_the_usual_tier_has_many_words(word: str | None) -> None:
    assert unusual(word) is None


@pytest.mark.parametrize(
    ("tier", "speed", "word"),
    [
        (None, None, None),
        ("default", None, None),
        ("Priority", None, "priority"),
        (None, "fast", "fast"),
        ("standard", "fast", "fast"),
        ("standard", "standard", None),
        ("batch", "standard", "batch"),
        ("priority", "fast", "priority+fast"),
    ],
)
def test_a_speed_is_a_tier_of_its_own(tier: str | None, speed: str | None, word: str | None) -> None:
    assert tier_of(ir.Usage(1, 1, service_tier=tier, speed=speed)) == word


def test_a_word_from_upstream_is_bounded() -> None:
    assert len(unusual("x" * 10_000) or "") == 40


LONG = Price(input=6, output=9, calls={"web_search": 5, "file_search": 4})
SHEET = Price(input=2, output=3, calls={"web_search": 5, "file_search": 4}, above=((100, LONG),))


@pytest.mark.parametrize(
    ("usage", "rates"),
    [
        (ir.Usage(100, 1), Price(input=2, output=3)),
        (ir.Usage(101, 1), Price(input=6, output=9)),
        (ir.Usage(101, 1, calls={"web_search": 2}), Price(input=6, output=9, calls={"web_search": 5})),
        (ir.Usage(1, 1, calls={"x_search": 2}), Price(input=2, output=3)),
    ],
)
def test_what_a_row_keeps_are_the_rates_that_priced_it(usage: ir.Usage, rates: Price) -> None:
    assert applied(SHEET, usage) == rates


def test_small_rates_are_kept_as_they_are() -> None:
    plain = Price(input=2, output=3)
    assert applied(plain, ir.Usage(5, 5)) is plain


def test_what_is_lacking_is_named() -> None:
    partly = Price(input=1, cache_write=2)
    usage = ir.Usage(10, 5, cache_write=4, cache_write_1h=2)
    assert cost(usage, partly) is None
    assert lacking(usage, partly) == ("cache_write_1h", "output")
    assert lacking(ir.Usage(10, 5), Price(input=1, output=1)) == ()


def test_a_usage_that_is_at_fault_itself_lacks_no_rate() -> None:
    assert lacking(ir.Usage(input=5), Price()) == ()
    assert lacking(ir.Usage(5, 1, cached=6), Price()) == ()
