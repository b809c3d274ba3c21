"""Effort words between models that know different ones."""

import pytest

from adapters import efforts


@pytest.mark.parametrize(
    ("wanted", "allowed", "sent"),
    [
        ("low", ("low", "high"), "low"),
        ("medium", ("low", "high"), "low"),
        ("max", ("low", "medium"), "medium"),
        ("none", ("minimal", "high"), "minimal"),
        ("strange", ("low", "medium"), "medium"),
        ("low", (), None),
    ],
)
def test_the_nearest_effort(wanted: str, allowed: tuple[str, ...], sent: str | None) -> None:
    assert efforts.nearest(wanted, allowed) == sent


@pytest.mark.parametrize(
    ("tokens", "word"),
    [(-1, "medium"), (0, "none"), (1, "low"), (4095, "low"), (4096, "medium"), (16_383, "medium"), (16_384, "high")],
)
def test_the_word_for_a_budget(tokens: int, word: str) -> None:
    assert efforts.of_budget(tokens) == word
