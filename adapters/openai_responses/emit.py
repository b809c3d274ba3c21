"""Hub events -> the event stream of a Responses client."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters import ir, sse
from adapters.openai_responses import envelope, mirror, shapes
from adapters.openai_responses.errors import error_event
from adapters.openai_responses.parts import ARGUMENTS, INPUT, REFUSAL, SUMMARY, TEXT, THOUGHT, Part, PartKind, Stream

_AT_ONCE: dict[str, PartKind] = {"text": TEXT, "refusal": REFUSAL, "tool_call": ARGUMENTS, "custom_tool_call": INPUT}
"""Parts that are open as soon as their block is; those of reasoning open with their first word."""


class _Open:
    """A block that streams: the part or parts that it fills."""

    def __init__(self, block: ir.ReplyBlock, item: _Item) -> None:
        self.block = block
        self.item = item
        self.parts: dict[str, Part] = {}


class _Item:
    """An output item that has been announced and is not yet done."""

    def __init__(self, id_: str, index: int) -> None:
        self.id = id_
        self.index = index
        self.blocks: list[ir.ReplyBlock] = []
        self.open = 0
        self.counts: dict[str | None, int] = {}

    def wire(self, status: str) -> shapes.Wire:
        return shapes.item(self.id, self.blocks, status)


class Writer:
    """One streamed answer. Of several choices only the first can be told."""

    def __init__(self, echo: ir.Echo) -> None:
        self._echo = echo
        self._stream = Stream()
        self._begun = False
        self._over = False
        self._extras: ir.Extras = {}
        self._mirror = mirror.asked(echo)
        self._ids: set[str] = set()
        self._blocks: dict[int, _Open] = {}
        self._hosted: dict[int, ir.ReplyBlock] = {}
        """Server-run items, announced only when they are whole: an early copy lacks what the SDK's types require."""
        self._items: dict[int, _Item] = {}
        self._output: list[shapes.Wire | None] = []
        self._usage: ir.Usage | None = None
        self._finished: ir.Finished | None = None

    def write(self, event: ir.Event) -> list[bytes]:
        """One event -> whole SSE events, in order. Nothing after the end."""
        if isinstance(event, ir.Delta):
            return self._delta(event)
        if self._over:
            return []
        match event:
            case ir.Failed(failure):
                return self._failed(failure)
            case ir.UsageReported(usage):
                self._usage = usage if self._usage is None else self._usage.merged(usage)
                return []
            case ir.Started(extras=extras, dialect=dialect):
                return self._begin(envelope.own_extras(extras, dialect))
            case _:
                return self._begin({}) + self._content(event)

    def _content(self, event: ir.Event) -> list[bytes]:
        match event:
            case ir.BlockStarted(choice=0):
                return self._start(event)
            case ir.Annotated(block, annotation):
                return self._annotate(block, annotation)
            case ir.BlockEnded(block):
                return self._end(event)
            case ir.Finished(choice=0):
                self._finished = event
                return self._close_all()
            case ir.Ended(extras, dialect, at):
                return self._finish(envelope.own_extras(extras, dialect), at)
        return []

    def _begin(self, extras: ir.Extras) -> list[bytes]:
        if self._begun:
            return []
        self._begun = True
        self._extras = extras
        response = envelope.base(self._echo, extras)
        return [self._stream.event(f"response.{name}", {"response": response}) for name in ("created", "in_progress")]

    def _start(self, event: ir.BlockStarted) -> list[bytes]:
        block = ir.ReplyBlock(event.kind, event.item, event.choice, event.meta)
        if not shapes.is_carried(block):
            return []
        if block.kind in shapes.SERVER:
            self._hosted[event.block] = block
            return []
        if self._mirror:
            block = mirror.marked(block)
        out: list[bytes] = []
        item = self._items.get(event.item)
        if item is None:
            out, item = self._open_item(event.item, block)
        else:
            item.blocks.append(block)
        item.open += 1
        opened = self._blocks[event.block] = _Open(block, item)
        kind = _AT_ONCE.get(block.kind)
        return out if kind is None else out + self._open_part(opened, kind)

    def _open_item(self, key: int, block: ir.ReplyBlock) -> tuple[list[bytes], _Item]:
        out = self._placeholder() if block.kind != "reasoning" else []
        out += [line for other, item in list(self._items.items()) if not item.open for line in self._close(other)]
        index = len(self._output)
        item = self._items[key] = _Item(shapes.item_id(block, self._echo.seed, index, self._ids), index)
        self._output.append(None)
        shown = [] if block.kind in {"text", "refusal"} else [block]
        whole = shapes.item(item.id, shown, "in_progress") if shown else self._empty_message(item, block)
        item.blocks.append(block)
        return [*out, self._stream.event("response.output_item.added", {"output_index": index, "item": whole})], item

    def _placeholder(self) -> list[bytes]:
        """Mirrored reasoning stands first; where the model told none, an empty item does."""
        if not self._mirror or self._output:
            return []
        block = mirror.placeholder()
        out, item = self._open_item(block.item, block)
        return out + self._end_parts(_Open(block, item))

    def _empty_message(self, item: _Item, block: ir.ReplyBlock) -> dict[str, Any]:
        return shapes.message(item.id, [], "in_progress", block.meta.get("phase"))

    def _open_part(self, opened: _Open, kind: PartKind) -> list[bytes]:
        item = opened.item
        index = item.counts.get(kind.index, 0)
        item.counts[kind.index] = index + 1
        part = Part(kind, self._stream, item.id, item.index, index)
        opened.parts[_CHANNEL[kind.stem]] = part
        return part.added()

    def _delta(self, event: ir.Delta) -> list[bytes]:
        opened = self._blocks.get(event.block)
        if opened is None or self._over:
            return []
        if self._mirror and event.channel == "summary":
            text = msgspec.structs.replace(event, channel="text")
            return [*self._piece(opened, event), *self._piece(opened, text)]
        return self._piece(opened, event)

    def _piece(self, opened: _Open, event: ir.Delta) -> list[bytes]:
        part = opened.parts.get(event.channel)
        if part is not None:
            return [part.delta(event.data, event.logprobs)] if event.data or event.logprobs else []
        if opened.block.kind != "reasoning" or event.channel not in _THINKING or not event.data:
            return []
        out = self._open_part(opened, _THINKING[event.channel])
        return [*out, opened.parts[event.channel].delta(event.data)]

    def _annotate(self, block: int, annotation: ir.Annotation) -> list[bytes]:
        opened, told = self._blocks.get(block), shapes.annotation(annotation)
        part = opened.parts.get("text") if opened is not None else None
        if opened is None or part is None or told is None or opened.block.kind != "text":
            return []
        opened.block.annotations.append(annotation)
        return [part.annotate(told)]

    def _end(self, event: ir.BlockEnded) -> list[bytes]:
        opened = self._blocks.pop(event.block, None)
        if opened is None:
            return self._end_hosted(event)
        opened.block.state, opened.block.raw = event.state, event.raw
        out = self._end_parts(opened)
        opened.item.open -= 1
        if not opened.item.open and opened.item.index < len(self._output) - 1:
            out += self._close(opened.block.item)
        return out

    def _end_hosted(self, event: ir.BlockEnded) -> list[bytes]:
        block = self._hosted.pop(event.block, None)
        if block is None:
            return []
        block.raw = event.raw
        out, _ = self._open_item(block.item, block)
        return out + self._close(block.item)

    def _end_parts(self, opened: _Open) -> list[bytes]:
        """What is owed of a block: ``{}`` for a call without arguments (G10), then the done events."""
        out: list[bytes] = []
        block = opened.block
        if mirror.MARK in block.meta and "text" not in opened.parts:
            out += self._open_part(opened, THOUGHT)
        for channel, part in opened.parts.items():
            if part.kind is ARGUMENTS and not part.text.strip():
                out.append(part.delta("{}"))
            if channel == "summary":
                block.summary = [*block.summary, part.text]
            else:
                block.text, block.logprobs = part.text, part.logprobs
            out += part.done()
        return out

    def _close(self, key: int, status: str = "completed") -> list[bytes]:
        item = self._items.pop(key)
        whole = self._output[item.index] = item.wire(status)
        return [self._stream.event("response.output_item.done", {"output_index": item.index, "item": whole})]

    def _close_all(self) -> list[bytes]:
        """The end of the choice: what is still open ends; of an answer cut short the last item is incomplete."""
        out = [line for number in [*self._blocks, *self._hosted] for line in self._end(ir.BlockEnded(number))]
        out += self._placeholder()
        short = envelope.incomplete_reason(self._finished) is not None
        for key, item in list(self._items.items()):
            last = item.index == len(self._output) - 1
            out += self._close(key, "incomplete" if short and last else "completed")
        return out

    def _finish(self, extras: ir.Extras, at: int | None) -> list[bytes]:
        out = self._close_all()
        self._over = True
        told = {**self._extras, **extras}
        whole = envelope.ended(self._echo, told, self._done_items(), self._usage, self._finished, at)
        return [*out, self._stream.event(f"response.{whole['status']}", {"response": whole}), sse.DONE]

    def _failed(self, failure: ir.Failure) -> list[bytes]:
        """Before anything was said a flat ``error``; after that the response itself failed (G06)."""
        self._over = True
        if not self._begun:
            return [error_event(failure, self._stream.number), sse.DONE]
        whole = envelope.failed(self._echo, self._extras, self._done_items(), self._usage, failure)
        return [self._stream.event("response.failed", {"response": whole}), sse.DONE]

    def _done_items(self) -> list[shapes.Wire]:
        return [item for item in self._output if item is not None]


_CHANNEL = {
    TEXT.stem: "text",
    REFUSAL.stem: "text",
    THOUGHT.stem: "text",
    SUMMARY.stem: "summary",
    ARGUMENTS.stem: "arguments",
    INPUT.stem: "arguments",
}
_THINKING: dict[str, PartKind] = {"summary": SUMMARY, "text": THOUGHT}
