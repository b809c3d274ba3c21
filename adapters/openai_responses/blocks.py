"""Output items of a Responses answer as blocks of the hub, each opened once and filled to what its item says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters import ir
from adapters.openai_responses import wire
from adapters.openai_responses.items_in import annotation
from adapters.openai_responses.shapes import CALL_FIELDS

CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Item type -> the field of what is called with."""
KINDS: Mapping[str, ir.BlockKind] = {
    "function_call": "tool_call",
    "custom_tool_call": "custom_tool_call",
    "image_generation_call": "image",
    "compaction": "compaction",
}
"""Item type -> kind of its block; any other item is a server tool's."""


class Block:
    """A block on its way: how much of it was told."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.length = 0
        self.annotations = 0
        self.logprobs = False
        self.ended = False


class Item:
    """An output item on its way. ``kind`` is its wire type, ``order`` its place among the items of the answer."""

    def __init__(self, kind: str, order: int, id_: str | None) -> None:
        self.kind = kind
        self.order = order
        self.id = id_
        self.done = False
        self.phase: str | None = None
        self.before = 0
        """Characters that this message has told already: transformers announces it once more after a tool call."""
        self.parts: dict[tuple[str, int], Block] = {}
        self.blank: Block | None = None
        """A reasoning block that no part has claimed yet."""
        self.held: list[str] = []
        """Arguments of a call whose name is not known yet."""
        self.told: Mapping[str, Any] | None = None
        """An item of something that runs at the vendor, as it was told last."""

    def repeats(self, text: object) -> bool:
        """Nothing but what was told before the message was announced again."""
        return self.before > 0 and not self.parts and not (isinstance(text, str) and len(text) > self.before)


class Blocks:
    """Opens, fills and ends blocks; ``out`` gathers the events until they are taken."""

    def __init__(self) -> None:
        self.out: list[ir.Event] = []
        self.called = False
        self._count = 0

    def take(self) -> list[ir.Event]:
        """The events since the last call."""
        out, self.out = self.out, []
        return out

    def _open(self, item: Item, kind: ir.BlockKind, **meta: object) -> Block:
        block = Block(self._count)
        self._count += 1
        told = {name: value for name, value in {**meta, "item_id": item.id}.items() if value is not None}
        self.out.append(ir.BlockStarted(block.number, kind, item.order, meta=told))
        return block

    def announce(self, item: Item, told: Mapping[str, Any], raw: msgspec.Raw) -> None:
        """An item as it is added: all but messages open their block at once."""
        if item.kind == "message":
            phase = told.get("phase")
            item.phase = phase if isinstance(phase, str) else None
        elif item.kind == "reasoning":
            item.blank = self._open(item, "reasoning")
        elif item.kind in CALLS:
            self._announce_call(item, told)
        else:
            item.told = told
            kind = KINDS.get(item.kind, "server_tool")
            item.parts["raw", 0] = self._open(item, kind, type=item.kind, family="openai", raw=raw)

    def _announce_call(self, item: Item, told: Mapping[str, Any]) -> None:
        name = told.get("name")
        if not isinstance(name, str) or not name or ("call", 0) in item.parts:
            return
        self.called = True
        call_id = told.get("call_id") or item.id or f"call_{item.order}"
        extra = {field: told.get(field) for field in CALL_FIELDS}
        item.parts["call", 0] = self._open(item, KINDS[item.kind], id=str(call_id), name=name, **extra)
        for piece in item.held:
            self.more(item.parts["call", 0], "arguments", piece)

    def part(self, item: Item, slot: str, index: int, kind: ir.BlockKind) -> Block:
        """The block of a content or summary part, opened with its first word; its elder brother ends then."""
        block = item.parts.get((slot, index))
        if block is not None:
            return block
        if item.blank is not None:
            block, item.blank = item.blank, None
        else:
            self.close(item)
            meta = {"phase": item.phase} if kind != "reasoning" else {}
            block = self._open(item, kind, **meta)
            block.length = item.before
        item.parts[slot, index] = block
        return block

    def more(self, block: Block, channel: ir.Channel, data: str, logprobs: object = None) -> None:
        """A piece."""
        if block.ended or not (data or logprobs):
            return
        block.length += len(data)
        block.logprobs = block.logprobs or bool(logprobs)
        self.out.append(ir.Delta(block.number, channel, data, logprobs or None))

    def rest(self, block: Block, channel: ir.Channel, whole: object, logprobs: object = None) -> None:
        """What the whole text has beyond the pieces that came."""
        if isinstance(whole, str):
            self.more(block, channel, whole[block.length :], None if block.logprobs else logprobs)

    def cite(self, block: Block, raw: object) -> None:
        """A citation."""
        if not block.ended and isinstance(raw, dict):
            block.annotations += 1
            self.out.append(ir.Annotated(block.number, annotation(raw)))

    def close(self, item: Item, state: ir.VendorState | None = None, raw: msgspec.Raw | None = None) -> None:
        """End what is open of an item; the last block of it takes ``state`` or ``raw``."""
        open_ = [block for block in (item.blank, *item.parts.values()) if block is not None and not block.ended]
        for block in open_:
            block.ended = True
            last = block is open_[-1]
            self.out.append(ir.BlockEnded(block.number, state if last else None, raw if last else None))
        item.blank = None

    def complete(self, item: Item, told: Mapping[str, Any], raw: msgspec.Raw) -> None:
        """The item is done: whatever its pieces did not tell is told now, and it ends."""
        item.done = True
        if item.kind == "message":
            self._complete_message(item, told)
            self.close(item)
        elif item.kind == "reasoning":
            self._complete_reasoning(item, told)
            self.close(item, _state(told))
        elif item.kind in CALLS:
            self._announce_call(item, told)
            if (block := item.parts.get(("call", 0))) is not None:
                self.rest(block, "arguments", told.get(CALLS[item.kind]))
            self.close(item)
        else:
            item.told = told
            self.close(item, raw=raw)

    def _complete_message(self, item: Item, told: Mapping[str, Any]) -> None:
        for index, part in enumerate(_dicts(told.get("content"))):
            if part.get("type") == "refusal":
                self.rest(self.part(item, "content", index, "refusal"), "text", part.get("refusal"))
                continue
            if not item.repeats(part.get("text")):
                self.fill(self.part(item, "content", index, "text"), part)

    def fill(self, block: Block, part: Mapping[str, Any]) -> None:
        """A text part as it is in the end."""
        self.rest(block, "text", part.get("text"), _list(part.get("logprobs")))
        for note in _list(part.get("annotations"))[block.annotations :]:
            self.cite(block, note)

    def _complete_reasoning(self, item: Item, told: Mapping[str, Any]) -> None:
        for index, part in enumerate(_dicts(told.get("summary"))):
            self.rest(self.part(item, "summary", index, "reasoning"), "summary", part.get("text"))
        for index, part in enumerate(_dicts(told.get("content"))):
            self.rest(self.part(item, "thought", index, "reasoning"), "text", part.get("text"))


def _state(told: Mapping[str, Any]) -> ir.VendorState | None:
    sealed = told.get("encrypted_content")
    return ir.VendorState("openai", "encrypted_content", sealed) if isinstance(sealed, str) and sealed else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> list[dict[str, Any]]:
    return [entry for entry in _list(value) if isinstance(entry, dict)]


def decode_item(raw: msgspec.Raw) -> dict[str, Any] | None:
    """An item as an object with a type, or None."""
    try:
        told = wire.OBJECT.decode(raw)
    except msgspec.MsgspecError:
        return None
    return told if isinstance(told.get("type"), str) else None
