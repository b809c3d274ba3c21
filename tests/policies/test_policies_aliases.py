"""Which model names a key may ask for, and what its refusal tells."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.aliases import allowed, denied, fits


@pytest.mark.parametrize(
    ("aliases", "name", "may"),
    [
        (None, "anything", True),
        (None, "backend/oss", True),
        ((), "auto", False),
        (("auto",), "auto", True),
        (("auto",), "auto2", False),
        (("auto", "gpt-*"), "gpt-5.6", True),
        (("gpt-*",), "gpt-", True),
        (("gpt-*",), "gpt", False),
        (("*-mini",), "gpt-5-mini", True),
        (("g*5*mini",), "gpt-5.6-mini", True),
        (("g*5*mini",), "gpt-6-mini", False),
        (("a*a",), "a", False),
        (("*",), "auto", True),
        (("*",), "backend/oss", False),
        (("b*",), "backend/oss", False),
        (("backend/*",), "backend/oss", True),
        (("backend/oss",), "backend/oss", True),
        (("backend/oss",), "backend/claude", False),
        (("backend/*",), "auto", False),
        (("gpt-[45]",), "gpt-4", False),
        (("gpt-?",), "gpt-4", False),
    ],
)
def test_a_name_is_allowed_by_a_name_or_a_pattern(aliases: tuple[str, ...] | None, name: str, may: bool) -> None:
    assert allowed(aliases, name) is may


@given(st.text("ab*", max_size=8), st.text("ab\n", max_size=10))
def test_a_pattern_means_what_its_expression_means(pattern: str, name: str) -> None:
    expression = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    assert fits(pattern, name) is bool(expression.fullmatch(name))


def test_a_pattern_of_many_stars_costs_one_pass() -> None:
    began = time.process_time()
    assert not fits("*a" * 40 + "b", "a" * 256)
    assert time.process_time() - began < 0.1


def test_a_refusal_names_what_may_be_asked_for() -> None:
    found = denied(("auto", "gpt-*"), "claude-x")
    assert (found.status, found.code, found.param) == (403, "model_not_allowed", "model")
    assert found.reason == "This API key may not ask for the model 'claude-x': it may ask for auto, gpt-*."
    assert denied((), "auto").reason.endswith("it may ask for none.")


def test_a_long_list_is_told_in_part() -> None:
    told = denied(tuple(f"model-{number}" for number in range(500)), "x").reason
    assert told.endswith("model-19 and 480 more.")
