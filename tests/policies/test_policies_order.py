"""``order``: weighted, least busy, cheapest; the numbers that decided are told, and wrong weights are refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from book_kit import ask, book, facts, nothing, rules, target
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.load import Load
from policies.moment import Moment
from policies.pricing import Price, per_million
from policies.rules.grammar import Route, RuleErrors
from policies.rules.order import arranged
from policies.verdict import Caller, Decision, Target

A, B, C = target("a"), target("b"), target("c")
ROUTE = Route(alias="auto", policy="p")


def names(targets: Any) -> list[str]:
    return [each.backend for each in targets]


def drawn(weights: dict[str, float], dice: float) -> list[str]:
    return names(arranged((A, B, C), "weighted", weights, facts(None), Moment(dice=dice)).targets)


def decided(line: str, moment: Moment, request: ir.Request | None = None) -> Decision:
    return rules(line).decide(ROUTE, facts(request), caller=Caller(), refuses=nothing, moment=moment)


def priced(**dollars: float) -> Any:
    """Dollars per million tokens, in and out alike; who is not named has no price."""
    rates = {name: per_million(str(rate)) for name, rate in dollars.items()}
    return lambda each: Price(input=rates[each.backend], output=rates[each.backend]) if each.backend in rates else None


# --- weighted --------------------------------------------------------------------------------------------------------


def test_weights_are_shares_of_first_place() -> None:
    weights = {"a": 1.0, "b": 3.0, "c": 4.0}
    firsts = Counter(drawn(weights, step / 8000)[0] for step in range(8000))
    assert firsts == {"a": 1000, "b": 3000, "c": 4000}


def test_the_second_place_is_drawn_by_weight_among_those_who_are_left() -> None:
    weights = {"a": 5.0, "b": 3.0, "c": 1.0}
    seconds = Counter(order[1] for step in range(9000) if (order := drawn(weights, step / 9000))[0] == "a")
    assert seconds["b"] == pytest.approx(3 * seconds["c"], rel=0.01)


def test_the_same_dice_draw_the_same_order() -> None:
    assert drawn({"a": 1.0}, 0.7) == drawn({"a": 1.0}, 0.7)


@given(
    st.floats(0, 1, exclude_max=True), st.lists(st.sampled_from([0.0, 1e-9, 0.05, 1.0, 7.0]), min_size=3, max_size=3)
)
def test_nobody_is_lost_and_zero_is_the_last_resort(dice: float, weights: list[float]) -> None:
    given_ = dict(zip("abc", weights, strict=True))
    order = drawn(given_, dice)
    assert sorted(order) == ["a", "b", "c"]
    zeros = [name for name in order if given_[name] == 0]
    assert order[len(order) - len(zeros) :] == [name for name in "abc" if given_[name] == 0]


def test_who_has_no_weight_has_one() -> None:
    firsts = Counter(drawn({"a": 2.0}, step / 4000)[0] for step in range(4000))
    assert firsts == {"a": 2000, "b": 1000, "c": 1000}


def test_a_pools_weight_is_spread_over_its_members_and_told() -> None:
    line = "{use: [oss, clouds], order: weighted, weights: {oss: 1, clouds: 1}}"
    firsts = Counter(decided(line, Moment(dice=step / 4000)).plan[0].backend for step in range(4000))
    assert firsts == {"oss": 2000, "claude": 1000, "gemini": 1000}
    told = decided(line, Moment(dice=0.9)).trace
    assert "weighted (oss 1 : claude 0.5 : gemini 0.5), drawn with 0.900" in told


@pytest.mark.parametrize(
    ("rule", "place", "said"),
    [
        ("{use: [oss], order: weighted, weights: {os: 1}}", ("weights", "os"), "did you mean 'oss'"),
        ("{use: [oss], order: weighted, weights: {oss: -1}}", ("weights", "oss"), "at least 0, not -1"),
        ("{use: [oss], order: weighted, weights: {oss: .inf}}", ("weights", "oss"), "at least 0"),
        ("{use: [oss], weights: {oss: 1}}", ("weights",), "add `order: weighted`"),
        ("{use: [oss], order: cheapest, weights: {oss: 1}}", ("weights",), "add `order: weighted`"),
        ("{use: [oss], order: weighted, weights: {claude: 1}}", ("weights", "claude"), "not among those that `use`"),
        (
            "{use: [clouds], order: weighted, weights: {clouds: 1, gemini: 1}}",
            ("weights", "gemini"),
            "a weight already",
        ),
    ],
)
def test_wrong_weights_are_refused(rule: str, place: tuple[str, ...], said: str) -> None:
    with pytest.raises(RuleErrors) as caught:
        rules(rule)
    assert any(path[-len(place) :] == place and said in text for path, text in caught.value.problems)


# --- least busy ------------------------------------------------------------------------------------------------------


def test_the_least_busy_by_its_places_or_by_its_gauges_whichever_is_more() -> None:
    one, two = Target("a", A.upstream, places=4), Target("b", B.upstream, places=10)
    busy = {"a": 1, "b": 4}
    found = arranged((two, one), "least_busy", {}, facts(None), Moment(busy=busy))
    assert (names(found.targets), found.notes) == (["a", "b"], ("busy: b 40%, a 25%",))
    found = arranged((two, one), "least_busy", {}, facts(None), Moment(busy=busy, load={"a": Load(share=0.9)}))
    assert names(found.targets) == ["b", "a"]


def test_without_places_the_calls_in_flight_count() -> None:
    found = arranged((A, B, C), "least_busy", {}, facts(None), Moment(busy={"a": 2, "c": 1}))
    assert (names(found.targets), found.notes) == (["b", "c", "a"], ("calls in flight: a 2, b 0, c 1",))


def test_equally_busy_are_as_listed() -> None:
    assert names(arranged((C, A, B), "least_busy", {}, facts(None), Moment()).targets) == ["c", "a", "b"]


# --- cheapest --------------------------------------------------------------------------------------------------------


def test_the_cheapest_for_this_request_and_an_unknown_price_last() -> None:
    decision = decided("{use: [oss, claude, gemini], order: cheapest}", Moment(price=priced(claude=3, gemini=1)), ask())
    assert names(decision.plan) == ["gemini", "claude", "oss"]
    assert any("oss unknown" in line and "claude $0.00" in line for line in decision.trace)


def test_what_is_cheaper_depends_on_the_request() -> None:
    sheets = {
        "claude": Price(input=per_million(1), output=per_million(20)),
        "gemini": Price(input=per_million(4), output=per_million(4)),
    }
    moment = Moment(price=lambda each: sheets.get(each.backend))
    line = "{use: [claude, gemini], order: cheapest}"
    assert names(decided(line, moment, ask("word " * 30_000, max_output_tokens=10)).plan) == ["claude", "gemini"]
    assert names(decided(line, moment, ask("word")).plan) == ["gemini", "claude"]


def test_the_cheapest_reads_the_body_and_does_without_where_it_cannot() -> None:
    built = rules("{use: [claude, gemini], order: cheapest}")
    assert built.reads_content(ROUTE, Caller())
    assert names(decided("{use: [claude, gemini], order: cheapest}", Moment(price=priced(claude=3, gemini=1))).plan) == [
        "gemini", "claude",
    ]  # fmt: skip


def test_equally_dear_are_as_listed() -> None:
    moment = Moment(price=priced(a=1, b=1, c=1))
    assert names(arranged((C, A, B), "cheapest", {}, facts(ask()), moment).targets) == ["c", "a", "b"]


def test_an_order_of_a_rule_that_goes_on_holds_for_the_rule_that_ends() -> None:
    built = book("p: {rules: [{order: cheapest, continue: true}, {use: [claude, gemini]}]}")
    moment = Moment(price=priced(claude=3, gemini=1))
    decision = built.decide(ROUTE, facts(ask()), caller=Caller(), refuses=nothing, moment=moment)
    assert names(decision.plan) == ["gemini", "claude"]
