"""How long an alias's answers are: what nineteen of twenty stay within, of the last thousand, the ledger's first."""

from __future__ import annotations

import random

from proxy.limits.outputs import MOST, Outputs


def test_nobody_knows_before_the_first_answer() -> None:
    found = Outputs()
    assert found.usual("a") is None
    assert found.lacks("a")
    assert found.usual("a") is None


def test_nineteen_of_twenty_stay_within_it() -> None:
    found, lengths = Outputs(), [*range(1, 1001)]
    random.Random(7).shuffle(lengths)
    for length in lengths:
        found.note("a", length)
    usual = found.usual("a")
    assert usual is not None
    assert 940 <= usual <= 960


def test_only_the_last_thousand_count() -> None:
    found = Outputs()
    for _ in range(MOST):
        found.note("a", 5000)
    assert found.usual("a") == 5000
    for _ in range(MOST):
        found.note("a", 10)
    assert found.usual("a") == 10


def test_the_ledger_is_asked_once_for_each_alias_and_what_it_knew_is_older() -> None:
    found = Outputs()
    assert [found.lacks("a"), found.lacks("a"), found.lacks("b")] == [True, False, True]
    found.note("a", 1)
    found.seed("a", [100] * 999)
    assert found.usual("a") == 100
    for _ in range(MOST - 1):
        found.note("a", 1)
    assert found.usual("a") == 1


def test_a_pattern_that_takes_any_name_does_not_fill_the_memory() -> None:
    found = Outputs()
    for index in range(5000):
        found.note(f"gpt-{index}", 7)
        found.lacks(f"gpt-{index}")
    assert len(found._kept) <= 201
    assert found.usual("gpt-4999") == 7
    assert found.usual("gpt-0") is None
