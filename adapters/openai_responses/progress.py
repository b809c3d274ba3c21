"""What the events of output items add up to while they stream: whose event is whose, and what is still untold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.openai_responses import wire
from adapters.openai_responses.blocks import CALLS, Blocks, Item, decode_item


class Event(Struct):
    """Every field that any event of ours has; servers differ in types, so these are checked where they are used."""

    type: Any = None
    item_id: Any = None
    output_index: Any = None
    content_index: Any = 0
    summary_index: Any = 0
    delta: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    logprobs: Any = None
    annotation: Any = None
    part: Any = None
    item: msgspec.Raw = wire.NULL
    response: msgspec.Raw = wire.NULL
    error: Any = None
    code: Any = None
    message: Any = None
    param: Any = None


decode = msgspec.json.Decoder(Event).decode


class Progress:
    """The items of one answer."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        self._items: list[Item] = []
        self._places: dict[object, Item] = {}

    def _item(self, event: Event, kind: str) -> Item:
        """Whose event this is: by id, else by place, else the one that is open; an unannounced one is opened."""
        item = self._known(event.item_id, event.output_index, kind)
        return item or self._new_item(kind, event.item_id, event.output_index)

    def _known(self, id_: object, place: object, kind: str) -> Item | None:
        item = self._places.get(id_) if isinstance(id_, str) else None
        if item is not None and item.kind == kind:
            return item
        item = self._places.get(place) if isinstance(place, int) else None
        if item is not None and item.kind == kind and not item.done:
            return item
        nameless = id_ is None and place is None
        waiting = (i for i in reversed(self._items) if i.kind == kind and not i.done and (nameless or i.id is None))
        return next(waiting, None)

    def _new_item(self, kind: str, id_: object, place: object) -> Item:
        item = Item(kind, len(self._items), id_ if isinstance(id_, str) else None)
        known = self._places.get(item.id) if item.id else None
        if known is not None and known.kind == kind == "message":
            item.before = sum(block.length for block in known.parts.values())
        self._items.append(item)
        for key in (id_, place):
            if isinstance(key, str | int):
                self._places[key] = item
        return item

    def added(self, event: Event) -> None:
        told = decode_item(event.item)
        if told:
            item = self._new_item(told["type"], told.get("id"), event.output_index)
            self.blocks.announce(item, told, event.item)

    def done(self, event: Event) -> None:
        told = decode_item(event.item)
        if told is None:
            return
        known = self._known(told.get("id"), event.output_index, told["type"])
        if known is None:
            self.added(event)
            known = self._items[-1]
        if not known.done:
            self.blocks.complete(known, told, event.item)

    def text(self, event: Event) -> None:
        item = self._item(event, "message")
        if not event.delta and item.repeats(event.text):
            return
        block = self.blocks.part(item, "content", _index(event.content_index), "text")
        if isinstance(event.delta, str):
            self.blocks.more(block, "text", event.delta, event.logprobs)
        else:
            self.blocks.rest(block, "text", event.text, event.logprobs)

    def refusal(self, event: Event) -> None:
        block = self.blocks.part(self._item(event, "message"), "content", _index(event.content_index), "refusal")
        self.blocks.rest(block, "text", event.refusal)
        self.blocks.more(block, "text", event.delta if isinstance(event.delta, str) else "")

    def annotated(self, event: Event) -> None:
        block = self.blocks.part(self._item(event, "message"), "content", _index(event.content_index), "text")
        self.blocks.cite(block, event.annotation)

    def thought(self, event: Event) -> None:
        block = self.blocks.part(self._item(event, "reasoning"), "thought", _index(event.content_index), "reasoning")
        self.blocks.rest(block, "text", event.text)
        self.blocks.more(block, "text", event.delta if isinstance(event.delta, str) else "")

    def summary(self, event: Event) -> None:
        block = self.blocks.part(self._item(event, "reasoning"), "summary", _index(event.summary_index), "reasoning")
        self.blocks.rest(block, "summary", event.text)
        self.blocks.more(block, "summary", event.delta if isinstance(event.delta, str) else "")

    def part_added(self, event: Event) -> None:
        kind = event.part.get("type") if isinstance(event.part, dict) else None
        if kind == "output_text":
            self.text(event)
        elif kind == "refusal":
            self.refusal(event)
        elif kind == "reasoning_text":
            self.thought(event)

    def part_done(self, event: Event) -> None:
        """A part that came without its deltas is told by its end."""
        if isinstance(event.part, dict):
            event.text, event.refusal = event.part.get("text"), event.part.get("refusal")
            event.logprobs = event.part.get("logprobs")
            self.part_added(event)
            self._end_part(event, event.part.get("type"))

    def _end_part(self, event: Event, kind: object) -> None:
        if kind == "output_text":
            item = self._item(event, "message")
            block = item.parts.get(("content", _index(event.content_index)))
            if block is not None:
                self.blocks.fill(block, event.part)
                self.blocks.close(item)

    def arguments(self, event: Event) -> None:
        self._called(event, "function_call")

    def input(self, event: Event) -> None:
        self._called(event, "custom_tool_call")

    def _called(self, event: Event, kind: str) -> None:
        item = self._item(event, kind)
        block = item.parts.get(("call", 0))
        if block is None:
            if isinstance(event.delta, str):
                item.held.append(event.delta)
        elif isinstance(event.delta, str):
            self.blocks.more(block, "arguments", event.delta)
        else:
            self.blocks.rest(block, "arguments", getattr(event, CALLS[kind]))

    def reconcile(self, response: ir.Extras) -> None:
        """What the stream did not tell of the final response's items. The n-th of a type is the n-th of that type."""
        seen: dict[str, list[Item]] = {}
        for item in self._items:
            seen.setdefault(item.kind, []).append(item)
        for told, raw in listed(response):
            waiting = seen.get(told["type"])
            item = waiting.pop(0) if waiting else self._late(told, raw)
            if not item.done:
                self.blocks.complete(item, told, raw)
        for item in self._items:
            self.blocks.close(item)

    @property
    def hosted(self) -> list[Mapping[str, Any]]:
        """The items so far of what runs at the vendor."""
        return [item.told for item in self._items if item.told is not None]

    def _late(self, told: dict[str, Any], raw: msgspec.Raw) -> Item:
        item = self._new_item(told["type"], told.get("id"), None)
        self.blocks.announce(item, told, raw)
        return item


def listed(response: ir.Extras) -> Iterator[tuple[dict[str, Any], msgspec.Raw]]:
    """The items of a response object, as objects and as they came."""
    try:
        raws = wire.RAW_LIST.decode(response["output"]) if "output" in response else []
    except msgspec.MsgspecError:
        raws = []
    for raw in raws:
        told = decode_item(raw)
        if told is not None:
            yield told, raw


def _index(value: object) -> int:
    return value if isinstance(value, int) else 0


HANDLERS: Mapping[str, Callable[[Progress, Event], None]] = {
    "response.output_text.delta": Progress.text,
    "response.output_item.added": Progress.added,
    "response.output_item.done": Progress.done,
    "response.content_part.added": Progress.part_added,
    "response.content_part.done": Progress.part_done,
    "response.output_text.done": Progress.text,
    "response.output_text.annotation.added": Progress.annotated,
    "response.refusal.delta": Progress.refusal,
    "response.refusal.done": Progress.refusal,
    "response.reasoning_text.delta": Progress.thought,
    "response.reasoning_text.done": Progress.thought,
    "response.reasoning_summary_part.added": Progress.summary,
    "response.reasoning_summary_part.done": Progress.summary,
    "response.reasoning_summary_text.delta": Progress.summary,
    "response.reasoning_summary_text.done": Progress.summary,
    "response.function_call_arguments.delta": Progress.arguments,
    "response.function_call_arguments.done": Progress.arguments,
    "response.custom_tool_call_input.delta": Progress.input,
    "response.custom_tool_call_input.done": Progress.input,
}
"""The events that carry content; the progress of hosted tools is theirs alone."""
