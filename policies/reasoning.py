"""The reasoning split of the output tokens: reported by the upstream, counted, or estimated from characters."""

from __future__ import annotations

from typing import Literal, TypeAlias

from adapters import ir

Source: TypeAlias = Literal["reported", "counted", "estimated"]


def split(
    usage: ir.Usage | None, reasoning_chars: int, answer_chars: int, counted: int | None = None
) -> tuple[int | None, Source | None]:
    """(reasoning tokens, their source); (None, None) when nothing is known.

    ``answer_chars`` counts all that is not reasoning: text, refusals and tool arguments. ``counted``: the tokens of the
    reasoning text, where somebody has counted them; they are never more than the output.
    """
    if usage is None:
        return None, None
    if believable(usage, reasoning_chars):
        return usage.reasoning, "reported"
    if usage.output is None or usage.output <= 0 or reasoning_chars <= 0:
        return None, None
    if counted is not None:
        return bounded(counted, usage.output), "counted"
    return by_characters(usage.output, reasoning_chars, answer_chars), "estimated"


def by_characters(output: int, reasoning_chars: int, answer_chars: int) -> int:
    """The part of ``output`` tokens that is reasoning's share of all characters. Both know some reasoning."""
    return max(output * reasoning_chars // (reasoning_chars + max(answer_chars, 0)), 1)


def bounded(counted: int, output: int) -> int:
    """A count as part of the output: text that is there is at least one token."""
    return max(min(counted, output), 1)


def believable(usage: ir.Usage, reasoning_chars: int) -> bool:
    """May what the upstream tells of its reasoning be taken for a count? A 0 beside reasoning text is a server's
    hard-coded default, and a number that exceeds the output is wrong."""
    told = usage.reasoning
    if told is None or told < 0 or (told == 0 and reasoning_chars > 0):
        return False
    return usage.output is None or told <= usage.output
