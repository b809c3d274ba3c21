"""The secrets that we make: unlike one another, and known by their form."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.ledger.record import clean
from proxy.minting import PREFIX, is_ours, made


def test_a_secret_has_a_form_that_scanners_can_look_for() -> None:
    found = {made() for _ in range(1000)}
    assert len(found) == 1000
    assert all(re.fullmatch(r"sk-turnout-[0-9A-Za-z]{38}", secret) and is_ours(secret) for secret in found)


def test_what_looks_like_a_secret_never_stands_in_a_row() -> None:
    secret = made()
    assert clean(f"the key {secret} is bad") == "the key [key] is bad"


@given(st.integers(0, 37), st.sampled_from("0aZ"))
def test_a_slip_of_one_letter_is_not_ours(at: int, letter: str) -> None:
    secret = made()
    at += len(PREFIX)
    slipped = secret[:at] + letter + secret[at + 1 :]
    assert is_ours(slipped) is (slipped == secret)


@pytest.mark.parametrize("text", ["", "sk-turnout-", "sk-turnout-" + "a" * 38, "sk-proj-abc"])
def test_what_we_did_not_make_is_not_ours(text: str) -> None:
    assert not is_ours(text)


def test_more_or_less_of_a_secret_is_not_ours() -> None:
    secret = made()
    assert not any(map(is_ours, (secret[:-1], f"{secret}a", f" {secret}", f"{secret}\n")))
