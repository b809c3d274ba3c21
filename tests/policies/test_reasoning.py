"""The reasoning split: what was told, what was estimated, and what nobody knows."""

import pytest

from adapters import ir
from policies.reasoning import split


@pytest.mark.parametrize(
    ("usage", "reasoning_chars", "answer_chars", "expected"),
    [
        (ir.Usage(1, 120, reasoning=100), 400, 80, (100, "reported")),
        (ir.Usage(1, 120, reasoning=100), 0, 80, (100, "reported")),
        (ir.Usage(1, 20, reasoning=0), 0, 80, (0, "reported")),
        (ir.Usage(1, 617), 1790, 1, (616, "estimated")),
        (ir.Usage(1, 617, reasoning=0), 1790, 1, (616, "estimated")),
        (ir.Usage(1, 5), 1, 10_000, (1, "estimated")),
        (ir.Usage(1, 5), 50, 0, (5, "estimated")),
        (ir.Usage(1, 5), 0, 50, (None, None)),
        (ir.Usage(1), 50, 50, (None, None)),
        (ir.Usage(1, 0), 50, 50, (None, None)),
        (ir.Usage(1, 10, reasoning=11), 5, 5, (5, "estimated")),
        (ir.Usage(1, 10, reasoning=-1), 0, 5, (None, None)),
        (None, 50, 50, (None, None)),
    ],
)
def test_split(
    usage: ir.Usage | None, reasoning_chars: int, answer_chars: int, expected: tuple[int | None, str | None]
) -> None:
    assert split(usage, reasoning_chars, answer_chars) == expected


@pytest.mark.parametrize(
    ("usage", "counted", "expected"),
    [
        (ir.Usage(1, 617), 308, (308, "counted")),
        (ir.Usage(1, 617, reasoning=0), 308, (308, "counted")),
        (ir.Usage(1, 617, reasoning=5), 308, (5, "reported")),
        (ir.Usage(1, 617), 700, (617, "counted")),
        (ir.Usage(1, 617), 0, (1, "counted")),
        (ir.Usage(1, 0), 308, (None, None)),
        (ir.Usage(1), 308, (None, None)),
        (None, 308, (None, None)),
    ],
)
def test_a_count_is_better_than_an_estimate_and_a_report_better_than_both(
    usage: ir.Usage | None, counted: int, expected: tuple[int | None, str | None]
) -> None:
    assert split(usage, 1790, 1, counted) == expected
