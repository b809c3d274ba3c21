"""Tool names that every vendor takes, and the way back (G16)."""

import re

from hypothesis import given
from hypothesis import strategies as st

from adapters import names

LEGAL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")


@given(st.text(max_size=100), st.text(max_size=100))
def test_g16_rewritten_names_are_legal_and_stay_apart(one: str, other: str) -> None:
    assert LEGAL.fullmatch(names.rewritten(one))
    assert (names.rewritten(one) == names.rewritten(other)) is (one == other)


@given(st.text(max_size=80))
def test_a_group_stands_before_the_name(name: str) -> None:
    assert names.qualified(None, name) == name
    assert names.qualified("mcp__x", name) == f"mcp__x__{name}"
