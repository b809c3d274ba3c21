"""Reasoning in a chat history, for servers that take none back: clients replay what other backends told them."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters import ir
from adapters.openai_chat import vendor_fields

NAMED = ir.Named("messages.reasoning", "this backend takes no reasoning back", "tuning")
_FIELDS = ("reasoning_content", "reasoning", *vendor_fields.FIELDS)
_ON_CALLS = b'"extra_content"'
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def among(request: ir.Request) -> bool:
    """Is there reasoning in the conversation?"""
    return any(type(block) is ir.Reasoning for message in request.messages for block in message.blocks)


def strip(out: ir.Extras) -> list[ir.Named]:
    """An exact relay's messages without it; all that is beside it stays byte for byte."""
    raw = bytes(out.get("messages", b""))
    if not any(b'"%s"' % field.encode() in raw for field in _FIELDS):
        return []
    messages = _objects.decode(raw)
    kept = [_without(message) for message in messages]
    if kept == messages:
        return []
    out["messages"] = msgspec.Raw(msgspec.json.encode(kept))
    return [NAMED]


def _without(message: dict[str, Any]) -> dict[str, Any]:
    """A message without its reasoning, and without the state that stands on its calls."""
    kept = {name: value for name, value in message.items() if name not in _FIELDS}
    calls = bytes(kept.get("tool_calls", b""))
    if _ON_CALLS in calls:
        kept["tool_calls"] = [
            {name: value for name, value in call.items() if name not in _FIELDS} for call in _objects.decode(calls)
        ]
    return kept
