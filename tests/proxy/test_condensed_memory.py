"""What is remembered of shortened texts: bounded, and never shown to a call whose data class is lower."""

from __future__ import annotations

import pytest

from proxy.state.condensed import Condensed

NONE: frozenset[str] = frozenset()
RESTRICTED = frozenset({"restricted"})


def test_a_text_carries_its_data_class() -> None:
    memory = Condensed()
    memory.put("a", "short", RESTRICTED)
    assert memory.get("a", NONE) is None
    assert memory.get("a", RESTRICTED) == "short"
    memory.put("b", "", NONE)
    assert (memory.get("b", RESTRICTED), memory.get("c", NONE)) == ("", None)


def test_the_one_not_asked_for_longest_goes_first() -> None:
    memory = Condensed(most=1_500)
    for key in "abc":
        memory.put(key, "x" * 100, NONE)
    assert memory.get("a", NONE) is not None
    memory.put("d", "x" * 100, NONE)
    assert [key for key in "abcd" if memory.get(key, NONE) is not None] == ["a", "c", "d"]
    memory.put("e", "x" * 5_000, NONE)
    assert [key for key in "abcde" if memory.get(key, NONE) is not None] == []


def test_writing_again_takes_no_more_room() -> None:
    memory = Condensed(most=1_500)
    for _ in range(50):
        memory.put("a", "x" * 100, NONE)
        memory.put("b", "x" * 100, NONE)
    assert memory.get("a", NONE) is not None
    assert memory.get("b", NONE) is not None


def test_a_backends_skill_is_a_mean_that_is_forgotten() -> None:
    memory = Condensed()
    assert memory.share("oss", 0.0) is None
    memory.observe("oss", 1.0, 0.0)
    memory.observe("oss", 0.2, 10.0)
    assert memory.share("oss", 20.0) == pytest.approx(0.6)
    assert memory.share("other", 20.0) is None
    assert memory.share("oss", 700.0) is None
    memory.observe("oss", 0.2, 700.0)
    assert memory.share("oss", 700.0) == pytest.approx(0.2)
