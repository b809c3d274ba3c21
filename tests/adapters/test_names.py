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


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, unique=True))
def test_g16_the_clients_own_name_is_found_again(own: list[str]) -> None:
    assert [names.restored(names.rewritten(name), own) for name in own] == own
    assert [names.restored(name, own) for name in own] == own


def test_a_name_that_nobody_offered_stays() -> None:
    assert names.restored("stray", ["a"]) == "stray"
