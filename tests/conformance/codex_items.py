"""Items as Codex CLI holds them: what it keeps of an answer, and how it writes that into the next request."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

Json = dict[str, Any]


class OutputText(Struct, tag_field="type", tag="output_text"):
    text: str


class SummaryText(Struct, tag_field="type", tag="summary_text"):
    text: str


class ReasoningText(Struct, tag_field="type", tag="reasoning_text"):
    text: str


class Message(Struct, tag_field="type", tag="message", omit_defaults=True):
    role: str
    content: list[OutputText]
    phase: str | None = None


class Reasoning(Struct, tag_field="type", tag="reasoning"):
    """Its ``content`` and ``encrypted_content`` are written even where they are null."""

    summary: list[SummaryText]
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None


class FunctionCall(Struct, tag_field="type", tag="function_call", omit_defaults=True):
    name: str
    arguments: str
    call_id: str
    namespace: str | None = None


class CustomToolCall(Struct, tag_field="type", tag="custom_tool_call", omit_defaults=True):
    call_id: str
    name: str
    input: str
    status: str | None = None
    namespace: str | None = None


Call: TypeAlias = FunctionCall | CustomToolCall
Item: TypeAlias = Message | Reasoning | Call


def read_item(item: Json) -> Item:
    """Raises msgspec.ValidationError where Codex would pass the item over."""
    found: Item = msgspec.convert(item, Item)
    return found


def wire(item: Item) -> Json:
    """The item in the next request: without its id, for nothing is stored."""
    written: Json = msgspec.json.decode(msgspec.json.encode(item))
    return written


def output(call: Call, told: str | list[Json]) -> Json:
    """What the tool answered."""
    kind = "custom_tool_call_output" if isinstance(call, CustomToolCall) else "function_call_output"
    return {"type": kind, "call_id": call.call_id, "output": told}


def said(role: str, *texts: str) -> Json:
    """A message of the user, or of Codex to the model."""
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text} for text in texts]}
