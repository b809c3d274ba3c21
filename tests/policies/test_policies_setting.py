"""``set``: values and bounds, what they make of a request, and how wrong ones are told."""

from __future__ import annotations

from typing import Any

import pytest
from book_kit import ask, decide, rules
from hypothesis import given
from hypothesis import strategies as st

from policies.rules.grammar import RuleErrors
from policies.rules.setting import changes


@pytest.mark.parametrize(
    ("wanted", "sent", "expected"),
    [
        ({"max_output_tokens": 100}, {"max_output_tokens": 5000}, {"max_output_tokens": 100}),
        ({"max_output_tokens": {"max": 100}}, {"max_output_tokens": 5000}, {"max_output_tokens": 100}),
        ({"max_output_tokens": {"max": 100}}, {"max_output_tokens": 50}, {}),
        (
            {"max_output_tokens": {"max": 100}},
            {},
            {"max_output_tokens": 100},
        ),  # an answer without a limit has any length
        ({"max_output_tokens": {"min": 100}}, {"max_output_tokens": 50}, {"max_output_tokens": 100}),
        ({"max_output_tokens": {"min": 100}}, {}, {}),
        ({"temperature": {"max": 0.5}}, {"temperature": 1.5}, {"temperature": 0.5}),
        ({"temperature": {"max": 0.5}}, {}, {}),
        ({"temperature": {"min": 0.2, "max": 0.5}}, {"temperature": 0}, {"temperature": 0.2}),
        ({"temperature": 0}, {}, {"temperature": 0}),
        ({"top_p": {"min": 0.9}}, {"top_p": 0.1}, {"top_p": 0.9}),
        ({"effort": "low"}, {}, {"effort": "low"}),
        ({"effort": "low"}, {"effort": "low"}, {}),
        ({"effort": {"max": "medium"}}, {"effort": "max"}, {"effort": "medium"}),
        ({"effort": {"max": "medium"}}, {"effort": "low"}, {}),
        ({"effort": {"max": "medium"}}, {}, {}),
        ({"effort": {"min": "medium"}}, {"effort": "none"}, {"effort": "medium"}),
    ],
)
def test_what_changes(wanted: dict[str, Any], sent: dict[str, Any], expected: dict[str, Any]) -> None:
    request = ask(**sent)
    assert changes(wanted, request, request.effort) == expected


def test_an_effort_that_is_set_takes_the_place_of_a_thinking_budget() -> None:
    """Else the budget, which outranks the word in some dialects, would pass a cap by."""
    request = ask(thinking_budget=60_000)
    assert changes({"effort": {"max": "low"}}, request, "high") == {"effort": "low", "thinking_budget": None}
    assert changes({"effort": {"max": "high"}}, request, "high") == {}


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.none() | st.integers(1, 10**6))
def test_bounds_hold_for_every_request(one: int, other: int, sent: int | None) -> None:
    low, high = sorted((one, other))
    request = ask(max_output_tokens=sent)
    bounds = {"max_output_tokens": {"min": low, "max": high}}
    after = {"max_output_tokens": sent, **changes(bounds, request, None)}["max_output_tokens"]
    assert after is not None
    assert low <= after <= high
    assert sent is None or not low <= sent <= high or after == sent


def test_the_trace_tells_bounds() -> None:
    decision = decide(rules("{set: {max_output_tokens: {max: 99}, effort: {min: low, max: high}}, use: [oss]}"))
    assert decision.trace[-2] == "p[0] applies: use oss; set max_output_tokens=..99, effort=low..high"


@pytest.mark.parametrize(
    ("wanted", "place", "said"),
    [
        ("{max_output_tokens: {max: 0}}", ("max_output_tokens", "max"), "at least 1, not 0"),
        ("{max_output_tokens: {max: 1.5}}", ("max_output_tokens", "max"), "whole number"),
        ("{max_output_tokens: {most: 5}}", ("max_output_tokens",), "`min`, `max` or both"),
        ("{max_output_tokens: {}}", ("max_output_tokens",), "`min`, `max` or both"),
        ("{temperature: {min: 1, max: 0.5}}", ("temperature",), "over its `max`"),
        ("{temperature: true}", ("temperature",), "from 0 to 2"),
        ("{effort: {max: hihg}}", ("effort", "max"), "must be one of none, minimal"),
        ("{effort: {min: high, max: low}}", ("effort",), "over its `max`"),
        ("{top_p: {max: 3}}", ("top_p", "max"), "from 0 to 1"),
        ("{data_class: Geheim!}", ("data_class",), "small letters"),
        ("{max_tokens: 5}", ("max_tokens",), "'max_output_tokens'"),
    ],
)
def test_wrong_values_are_refused(wanted: str, place: tuple[str, ...], said: str) -> None:
    with pytest.raises(RuleErrors) as caught:
        rules(f"{{set: {wanted}, use: [oss]}}")
    [(path, text)] = caught.value.problems
    assert path == ("policies", "p", "rules", 0, "set", *place)
    assert said in text
