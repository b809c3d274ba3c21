"""The reasoning split of the output tokens: reported by the upstream, counted, or estimated from characters."""

from __future__ import annotations

from typing import Literal, TypeAlias

from adapters import ir

Source: TypeAlias = Literal["reported", "counted", "estimated"]


def split(usage: ir.Usage | None, reasoning_chars: int, answer_chars: int) -> tuple[int | None, Source | None]:
    """(reasoning tokens, their source); (None, None) when nothing is known.

    ``answer_chars`` counts all that is not reasoning: text, refusals and tool arguments. A reported 0 beside reasoning
    text is a server's hard-coded default, not a count, and so is a number that exceeds the output.
    """
    if usage is None:
        return None, None
    if _believable(usage, reasoning_chars):
        return usage.reasoning, "reported"
    if usage.output is None or usage.output <= 0 or reasoning_chars <= 0:
        return None, None
    share = usage.output * reasoning_chars // (reasoning_chars + max(answer_chars, 0))
    return max(share, 1), "estimated"


def _believable(usage: ir.Usage, reasoning_chars: int) -> bool:
    told = usage.reasoning
    if told is None or told < 0 or (told == 0 and reasoning_chars > 0):
        return False
    return usage.output is None or told <= usage.output
