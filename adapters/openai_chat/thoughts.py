"""Reasoning in a chat history, for servers that take none back: clients replay what other backends told them."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters import ir

NAMED = ir.Named("messages.reasoning", "this backend takes no reasoning back", "tuning")
_FIELDS = ("reasoning_content", "reasoning")
_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def among(request: ir.Request) -> bool:
    """Is there reasoning in the conversation?"""
    return any(isinstance(block, ir.Reasoning) for message in request.messages for block in message.blocks)


def strip(out: ir.Extras) -> list[ir.Named]:
    """An exact relay's messages without it; all that is beside it stays byte for byte."""
    raw = bytes(out.get("messages", b""))
    if not any(b'"%s"' % field.encode() in raw for field in _FIELDS):
        return []
    kept: list[dict[str, Any]] = []
    found = False
    for message in _messages.decode(raw):
        kept.append({name: value for name, value in message.items() if name not in _FIELDS})
        found = found or len(kept[-1]) < len(message)
    if found:
        out["messages"] = msgspec.Raw(msgspec.json.encode(kept))
    return [NAMED] if found else []
