"""The parts of a message as Gemini writes them, for questions and answers alike."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from adapters import ir
from adapters.google_gemini.wire import UNREADABLE, raw

Part = dict[str, Any] | Raw

_object = msgspec.json.Decoder(dict[str, Raw])


def signed(part: dict[str, Any], state: ir.VendorState | None) -> dict[str, Any]:
    """``part`` with its thought signature, where Google gave one."""
    if state is not None and state.family == "google" and state.data:
        part["thoughtSignature"] = state.data
    return part


def text(words: str, state: ir.VendorState | None = None) -> dict[str, Any]:
    return signed({"text": words}, state)


def thought(words: str, state: ir.VendorState | None = None) -> dict[str, Any]:
    """A thought; a signature without words stands in an empty text part, as Google sends it."""
    return signed({"text": words, "thought": True} if words else {"text": ""}, state)


def call(name: str, arguments: str, *, custom: bool = False, id: str | None = None) -> dict[str, Any]:  # noqa: A002
    """A function call; ``id`` None leaves it out."""
    args = raw({"input": arguments}) if custom else _args(arguments)
    told: dict[str, Any] = {"id": id} if id else {}
    return {"functionCall": {**told, "name": name, "args": args}}


def _args(arguments: str) -> Raw:
    """Spliced in as it stands, so that no digit is lost (G21). What is no JSON object (a model's slip, or an answer
    that was cut off) is shown to the model as text."""
    if arguments.strip() in ("", "null"):
        return Raw(b"{}")
    try:
        _object.decode(arguments)
    except UNREADABLE:
        return raw({"input": arguments})
    return Raw(arguments.encode())


def of_block(block: ir.ReplyBlock) -> list[Part]:
    """A block of an answer -> its parts; what only another vendor can read has none."""
    match block.kind:
        case "text" | "refusal":
            return [text(block.text, block.state)]
        case "reasoning":
            return [signed(thought(block.text + "\n\n".join(block.summary)), block.state)]
        case "tool_call" | "custom_tool_call":
            name, custom = block.meta.get("name") or "", block.kind == "custom_tool_call"
            return [signed(call(name, block.text, custom=custom, id=block.meta.get("id")), block.state)]
        case _:
            whole = block.raw or block.meta.get("raw")
            return [whole] if whole and block.meta.get("family") == "google" else []
