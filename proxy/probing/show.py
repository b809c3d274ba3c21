"""A card for the eye: each ability, how it was answered, and what that settles for routing."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from adapters import ir
from policies.cards import Card, Context, Trials

COLUMNS = ("measured", "result", "answers", "")
_ABILITIES = {
    "tools": "tools, left to choose",
    "required": "tools, one is required",
    "named": "tools, one is named",
    "parallel": "two calls at once",
    "one_at_a_time": "one call, where that is asked",
    "tool_results": "reads a tool's result",
    "json_valid": "JSON Schema kept",
    "json_enforced": "JSON Schema enforced",
    "vision": "vision",
    "stop": "stop sequences",
    "length": "limit of output tokens",
}
_WORDS = {True: "yes", False: "no", None: "unknown"}


def table(card: Card) -> list[tuple[str, str, str, str]]:
    """One row for each thing that was measured."""
    rows = [_row(label, getattr(card, field)) for field, label in _ABILITIES.items()]
    rows.append(_context(card.context))
    for level, use in card.efforts.items():
        rows.append((f"effort {level}", f"{_or(use.output)} tokens", "", f"{_or(use.reasoning)} of them reasoning"))
    for speed in card.speed:
        told = f"first token after {_or(speed.first)} s"
        rows.append((f"speed, {_or(speed.prompt)} prompt tokens", f"{_or(speed.rate)} tokens/s", "", told))
    return rows


def settled(before: ir.Capabilities, after: ir.Capabilities) -> Iterator[str]:
    """What the card changes of the capabilities that routing goes by."""
    old, new = msgspec.structs.asdict(before), msgspec.structs.asdict(after)
    for name, value in new.items():
        if value != old[name]:
            yield f"{name}: {value} (was {old[name]})"


def _row(label: str, trials: Trials) -> tuple[str, str, str, str]:
    answers = f"{trials.right}/{trials.asked}" if trials.asked else "none"
    lost = f"{trials.unanswered} unanswered: {trials.why}" if trials.unanswered else ""
    unasked = "" if trials.asked or trials.unanswered else "not asked"
    return label, _WORDS[trials.verdict], answers, lost or unasked


def _context(found: Context) -> tuple[str, str, str, str]:
    known = found.usable
    told = [found.source] if found.source else []
    told += [f"read whole: {found.holds}"] if found.holds else []
    told += [f"CUT without a word at {found.cut_at}"] if found.cut_at else []
    return "context", "unknown" if known is None else f"{known} tokens", "", "; ".join(told)


def _or(value: float | None) -> str:
    return "?" if value is None else str(value)
