"""Reasoning in the vendors' own fields, which chat clients got from other gateways and send back.

``reasoning_details`` (OpenRouter), ``thinking_blocks`` (LiteLLM), ``extra_content`` (Google's own chat endpoint). Each
is read for its vendor alone. They are no part of chat, so what is not understood is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters import ir

FIELDS = ("reasoning_details", "thinking_blocks", "extra_content")
_DECODE = msgspec.json.Decoder().decode
_VENDORS: Mapping[str, tuple[ir.Family, str]] = {
    "anthropic": ("anthropic", "redacted"),
    "google": ("google", "thought_signature"),
    "openai": ("openai", "encrypted_content"),
}
"""How a ``format`` of OpenRouter's begins (``google-gemini-v1``) -> whose it is, and what its ``data`` is there."""


class Thoughts(Struct, frozen=True):
    """What one message brought: reasoning in order, and the state of calls by their ids."""

    reasoning: tuple[ir.Reasoning, ...] = ()
    calls: Mapping[str, ir.VendorState] = {}
    text: ir.VendorState | None = None
    """The state of the message's text."""

    @property
    def has_words(self) -> bool:
        return any(thought.summary for thought in self.reasoning)


_NONE = Thoughts()


def take(extras: ir.Extras) -> Thoughts:
    """Read the fields of a message, and take them out of ``extras``: no other upstream is shown them."""
    told = {name: _DECODE(extras.pop(name)) for name in FIELDS if name in extras} if extras else None
    if not told:
        return _NONE
    blocks = [thought for block in _objects(told.get("thinking_blocks")) for thought in _thinking_block(block)]
    details = [*_details(_objects(told.get("reasoning_details")))]
    calls = {id_: thought.state for id_, thought in details if id_ and thought.state is not None and _is_call(thought)}
    # Of two fields that tell the same thoughts one is enough.
    reasoning = blocks or [thought for id_, thought in details if not (id_ and _is_call(thought))]
    known = tuple(thought for thought in reasoning if thought.summary or thought.state is not None)
    return Thoughts(known, calls, _signature(told.get("extra_content")))


def take_signature(extras: ir.Extras) -> ir.VendorState | None:
    """The same for a tool call: Google's endpoint lets its signature travel beside it."""
    raw = extras.pop("extra_content", None)
    return None if raw is None else _signature(_DECODE(raw))


def _signature(told: object) -> ir.VendorState | None:
    google = told.get("google") if isinstance(told, Mapping) else None
    signature = google.get("thought_signature") if isinstance(google, Mapping) else None
    return _state("google", "thought_signature", signature)


def _state(family: ir.Family, kind: str, data: object) -> ir.VendorState | None:
    return ir.VendorState(family, kind, data) if isinstance(data, str) and data else None


def _objects(told: object) -> Sequence[Mapping[str, Any]]:
    return [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []


def _words(told: object) -> tuple[str, ...]:
    return (told,) if isinstance(told, str) and told else ()


def _thinking_block(block: Mapping[str, Any]) -> Iterator[ir.Reasoning]:
    """Anthropic's own blocks."""
    if block.get("type") == "redacted_thinking":
        yield ir.Reasoning(state=_state("anthropic", "redacted", block.get("data")))
    elif block.get("type") == "thinking":
        yield ir.Reasoning(
            summary=_words(block.get("thinking")), state=_state("anthropic", "signature", block.get("signature"))
        )


def _details(told: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str | None, ir.Reasoning]]:
    """Each entry with its id, which for Google's is that of a tool call."""
    for detail in told:
        read = _DETAILS.get(str(detail.get("type")))
        thought = read(detail) if read is not None else None
        if thought is not None:
            id_ = detail.get("id")
            yield (id_ if isinstance(id_, str) else None), thought


def _text(detail: Mapping[str, Any]) -> ir.Reasoning:
    """Only Anthropic signs its words; no format at all is an old spelling of the same."""
    ours = str(detail.get("format") or "anthropic").startswith("anthropic")
    state = _state("anthropic", "signature", detail.get("signature")) if ours else None
    return ir.Reasoning(summary=_words(detail.get("text")), state=state)


def _summary(detail: Mapping[str, Any]) -> ir.Reasoning:
    return ir.Reasoning(summary=_words(detail.get("summary")))


def _encrypted(detail: Mapping[str, Any]) -> ir.Reasoning | None:
    vendor = _VENDORS.get(str(detail.get("format")).partition("-")[0])
    state = _state(*vendor, detail.get("data")) if vendor is not None else None
    if state is None:
        return None
    id_ = detail.get("id") if state.family == "openai" else None
    return ir.Reasoning(state=state, id=id_ if isinstance(id_, str) else None)


_DETAILS: Mapping[str, Callable[[Mapping[str, Any]], ir.Reasoning | None]] = {
    "reasoning.text": _text,
    "reasoning.summary": _summary,
    "reasoning.encrypted": _encrypted,
}


def _is_call(thought: ir.Reasoning) -> bool:
    return thought.state is not None and thought.state.family == "google"
