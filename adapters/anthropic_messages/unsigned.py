"""Thinking without a signature in what goes to Anthropic: another model's, shown to the client as such by us."""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct

from adapters import ir

_NAMED = ir.Named("reasoning", "thinking without a signature is refused by this vendor", "tuning")
_EMPTY = re.compile(rb'"signature"\s*:\s*""')


class _Block(Struct):
    type: str = ""
    signature: str | None = None


_turns = msgspec.json.Decoder(list[dict[str, Raw]])
_blocks = msgspec.json.Decoder(list[Raw])
_block = msgspec.json.Decoder(_Block)


def strip(fields: ir.Extras) -> tuple[ir.Extras, list[ir.Named]]:
    """An exact relay's fields without such blocks, and without turns that held nothing else; all others stay byte for
    byte. What cannot be read is left for its vendor to refuse."""
    raw = bytes(fields.get("messages", b""))
    if _EMPTY.search(raw) is None:
        return fields, []
    try:
        turns = _turns.decode(raw)
        kept = [turn for turn in map(_turn, turns) if turn is not None]
    except msgspec.DecodeError:
        return fields, []
    if kept == turns:
        return fields, []
    return {**fields, "messages": Raw(msgspec.json.encode(kept))}, [_NAMED]


def _turn(turn: dict[str, Raw]) -> dict[str, Raw] | None:
    content = bytes(turn.get("content", b""))
    if not content.startswith(b"["):
        return turn
    blocks = _blocks.decode(content)
    signed = [block for block in blocks if not _is_unsigned(block)]
    if len(signed) == len(blocks):
        return turn
    return {**turn, "content": Raw(msgspec.json.encode(signed))} if signed else None


def _is_unsigned(raw: Raw) -> bool:
    block = _block.decode(raw)
    return block.type == "thinking" and not block.signature
