"""Hub events -> the events of a Messages stream, one content block open at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Raw, Struct

from adapters import ir, sse
from adapters.anthropic_messages import response, usage
from adapters.anthropic_messages.errors import write_error
from adapters.anthropic_messages.wire import FAMILY
from adapters.dialect import compact


class _Block(Struct):
    """A block that the upstream has begun. ``index`` is its place on the wire, from its first written event on."""

    start: ir.BlockStarted
    index: int | None = None
    waiting: list[ir.Event] = []
    text: list[str] = []
    """A free-text tool's input, which this vendor can only be given whole, within an object."""
    ended: bool = False


class Writer:
    """Events in, whole SSE events out (adapters.dialect.Writer).

    This vendor never interleaves content blocks, so while one is open the events of others wait their turn.
    """

    def __init__(self, echo: ir.Echo) -> None:
        self._echo = echo
        self._begun = False
        self._blocks: dict[int, _Block] = {}
        self._indices = 0
        self._usage: ir.Usage | None = None
        self._refusal: list[str] = []
        self._finished: ir.Finished | None = None
        self._over = False

    def write(self, event: ir.Event) -> list[bytes]:
        """``message_start`` waits for the event after Started, so that it can carry the input tokens."""
        if self._over or isinstance(event, ir.Started):
            return []
        match event:
            case ir.UsageReported(told):
                self._usage = told if self._usage is None else self._usage.merged(told)
                return list(self._begin())
            case ir.Failed(failure):
                self._over = True
                return [cut(failure)]
            case ir.Finished(choice):
                self._finished = event if choice == 0 else self._finished
                return []
            case ir.Ended():
                self._over = True
                return [*self._begin(), *self._end(event)]
        return [*self._begin(), *self._content(event)]

    def _begin(self) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            message = {**response.frame(self._echo), "usage": usage.write(self._usage)}
            yield _event("message_start", message=message)

    def _content(self, event: ir.Event) -> Iterator[bytes]:
        if isinstance(event, ir.BlockStarted):
            if event.choice == 0:
                self._blocks[event.block] = _Block(event)
            return
        if not isinstance(event, ir.Delta | ir.Annotated | ir.BlockEnded):
            return
        block = self._blocks.get(event.block)
        if block is None:
            return
        block.ended = block.ended or isinstance(event, ir.BlockEnded)
        block.waiting.append(event)
        yield from self._drain()

    def _drain(self) -> Iterator[bytes]:
        """Write the oldest block as far as it has come, and the next ones once it is over."""
        while self._blocks:
            number, block = next(iter(self._blocks.items()))
            waiting, block.waiting = block.waiting, []
            for event in waiting:
                yield from self._write(block, event)
            if not block.ended:
                return
            del self._blocks[number]

    def _write(self, block: _Block, event: ir.Event) -> Iterator[bytes]:
        match event:
            case ir.Delta(_, channel, data):
                yield from self._delta(block, channel, data)
            case ir.Annotated(_, annotation):
                body = response.citation(annotation) if block.start.kind == "text" else None
                if body is not None:
                    yield from self._open(block)
                    yield self._piece(block, {"type": "citations_delta", "citation": body})
            case ir.BlockEnded(_, state, raw):
                yield from self._close(block, state, raw)

    def _delta(self, block: _Block, channel: ir.Channel, data: str) -> Iterator[bytes]:
        kind = block.start.kind
        if kind == "refusal":
            self._refusal.append(data)
        elif kind == "custom_tool_call":
            block.text.append(data)
        piece = _piece(kind, channel, data)
        if piece is not None and data:
            yield from self._open(block)
            yield self._piece(block, piece)

    def _close(self, block: _Block, state: ir.VendorState | None, raw: Raw | None) -> Iterator[bytes]:
        kind, own = block.start.kind, state is not None and state.family == FAMILY
        if kind == "reasoning" and state is not None and own:
            if state.kind == "redacted":
                yield from self._open(block, response.redacted(state))
            else:
                yield from self._open(block)
                yield self._piece(block, {"type": "signature_delta", "signature": state.data})
        elif kind in ("tool_call", "custom_tool_call"):
            yield from self._open(block)
            if kind == "custom_tool_call":
                whole = compact({"input": "".join(block.text)}).decode()
                yield self._piece(block, {"type": "input_json_delta", "partial_json": whole})
        elif raw is not None and block.start.meta.get("family") == FAMILY:
            yield from self._open(block, raw)
        if block.index is not None:
            yield _event("content_block_stop", index=block.index)

    def _open(self, block: _Block, content: dict[str, Any] | Raw | None = None) -> Iterator[bytes]:
        """A block begins with its first word, so that a block without any leaves no trace."""
        if block.index is None:
            block.index = self._indices
            self._indices += 1
            yield _event("content_block_start", index=block.index, content_block=content or _empty(block.start))

    def _piece(self, block: _Block, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=block.index, delta=delta)

    def _end(self, ended: ir.Ended) -> Iterator[bytes]:
        for block in self._blocks.values():
            block.waiting += [] if block.ended else [ir.BlockEnded(block.start.block)]
            block.ended = True
        yield from self._drain()
        delta = response.stop(self._finished, "".join(self._refusal), ended)
        yield _event("message_delta", delta=delta, usage=usage.write_delta(self._usage))
        yield _event("message_stop")


def cut(failure: ir.Failure) -> bytes:
    """The error event that ends a stream."""
    return sse.render(write_error(failure), "error")


def _empty(start: ir.BlockStarted) -> dict[str, Any]:
    match start.kind:
        case "reasoning":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_call" | "custom_tool_call":
            return response.tool_use(start.meta)
    return {"type": "text", "text": "", "citations": None}


def _piece(kind: ir.BlockKind, channel: ir.Channel, data: str) -> dict[str, Any] | None:
    match kind, channel:
        case "text", "text":
            return {"type": "text_delta", "text": data}
        case "reasoning", "text" | "summary":
            return {"type": "thinking_delta", "thinking": data}
        case "tool_call", "arguments":
            return {"type": "input_json_delta", "partial_json": data}
    return None


def _event(kind: str, **fields: Any) -> bytes:
    return sse.render(compact({"type": kind, **fields}), kind)
