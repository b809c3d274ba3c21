"""Model cards: what was measured of one backend, and which of its capabilities that settles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from adapters import ir

ENOUGH = 0.8
"""Share of right answers from which an ability counts as there: a wrong tool call costs more than a cloud call."""

Count = Annotated[int, Meta(ge=0)]


class Trials(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One question, asked several times. ``asked`` counts the answers that told something, ``unanswered`` the tries
    that failed on the way or were refused: they say nothing about the model, and ``why`` tells of the last one."""

    right: Count = 0
    asked: Count = 0
    unanswered: Count = 0
    why: str | None = None

    def __post_init__(self) -> None:
        if self.right > self.asked:
            raise ValueError("more right answers than answers")

    @property
    def share(self) -> float | None:
        """Of right answers, 0 to 1; None while nobody knows."""
        return self.right / self.asked if self.asked else None

    @property
    def verdict(self) -> bool | None:
        """Can it? None: unknown."""
        return None if self.share is None else self.share >= ENOUGH


UNASKED = Trials()


class Context(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much of a question is read. ``tokens``: question and answer together; None: no limit was met.

    ``holds``: the longest prompt that was seen to be read whole; ``cut_at``: where longer ones were shortened without
    a word. ``source`` says who told."""

    tokens: Count | None = None
    source: str | None = None
    holds: Count | None = None
    cut_at: Count | None = None

    @property
    def usable(self) -> int | None:
        """Tokens that may be counted on; None: no limit is known."""
        known = [limit for limit in (self.tokens, self.cut_at) if limit]
        return min(known, default=None)


class EffortUse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one question cost at one effort level, in tokens; None: not told."""

    output: Count | None = None
    reasoning: Count | None = None


class Speed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One streamed answer. ``prompt`` in tokens, ``first`` in seconds, ``rate`` in output tokens a second."""

    prompt: Count | None = None
    first: float | None = None
    rate: float | None = None


class Card(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What ``turnout probe`` found out about one backend, and which model at which address it was."""

    backend: str
    provider: str
    model: str
    base_url: str
    probed_at: str
    """ISO 8601, UTC."""
    requests: Count = 0
    tokens: Count = 0
    """What the probe spent, as far as it was told."""
    tools: Trials = UNASKED
    """Left to choose, it calls the one tool that the question needs, with valid arguments."""
    required: Trials = UNASKED
    named: Trials = UNASKED
    """``tool_choice`` makes it call any tool, and one by its name."""
    parallel: Trials = UNASKED
    """It makes two calls in one answer."""
    one_at_a_time: Trials = UNASKED
    """``parallel_tool_calls: false`` is obeyed."""
    tool_results: Trials = UNASKED
    """It answers from what a tool has returned."""
    json_valid: Trials = UNASKED
    """Asked for a JSON Schema, its answer keeps to it."""
    json_enforced: Trials = UNASKED
    """… even where the prompt talks it out of JSON."""
    vision: Trials = UNASKED
    stop: Trials = UNASKED
    """A stop sequence ends the answer and does not stand in it."""
    length: Trials = UNASKED
    """A limit of output tokens ends the answer, which says so."""
    context: Context = Context()
    efforts: Mapping[str, EffortUse] = {}
    speed: tuple[Speed, ...] = ()

    @property
    def subject(self) -> tuple[str, str, str, str]:
        """Whom it is about: a card of another model, or of another address, says nothing."""
        return self.backend, self.provider, self.model, self.base_url


def overlay(base: ir.Capabilities, card: Card) -> ir.Capabilities:
    """The tables' answer, corrected by what was measured. What is unknown stays as it was."""
    measured: dict[str, Any] = {
        "tools": _both(card.tools, card.tool_results) if card.tools.asked else None,
        "forced_tools": _both(card.required, card.named),
        "parallel_tools": card.one_at_a_time.verdict,
        "json_schema": _both(card.json_valid, card.json_enforced),
        "images": card.vision.verdict,
        "max_stop": 0 if card.stop.verdict is False else None,
        "context": card.context.usable,
    }
    return msgspec.structs.replace(base, **{name: value for name, value in measured.items() if value is not None})


def proves_tools(card: Card) -> bool:
    """Is it known whether this model can use tools?"""
    return card.tools.verdict is not None


def _both(first: Trials, second: Trials) -> bool | None:
    """False where one of them is, True where one is known and none is false."""
    known = [trials.verdict for trials in (first, second) if trials.verdict is not None]
    return all(known) if known else None
