"""Hub events -> the events of a Messages stream, one content block open at a time."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Raw, Struct

from adapters import ir, sse
from adapters.anthropic_messages import response, usage
from adapters.anthropic_messages.errors import write_error
from adapters.anthropic_messages.wire import FAMILY
from adapters.dialect import compact

_Content: TypeAlias = ir.Delta | ir.Annotated | ir.BlockEnded


class _Block(Struct):
    """A block that the upstream has begun. ``index`` is its place on the wire, from its first written event on."""

    start: ir.BlockStarted
    index: int | None = None
    waiting: list[_Content] = []
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
        out: list[bytes] = []
        if self._over or isinstance(event, ir.Started):
            return out
        match event:
            case ir.Delta() | ir.Annotated() | ir.BlockEnded():
                self._content(event, out)
            case ir.UsageReported(told):
                self._usage = told if self._usage is None else self._usage.merged(told)
                self._begin(out)
            case ir.Failed(failure):
                self._over = True
                out.append(cut(failure))
            case ir.Finished(choice):
                self._finished = event if choice == 0 else self._finished
            case ir.Ended():
                self._over = True
                self._begin(out)
                self._end(event, out)
            case ir.BlockStarted(block, choice=choice):
                self._begin(out)
                if choice == 0:
                    self._blocks[block] = _Block(event)
        return out

    def _begin(self, out: list[bytes]) -> None:
        if not self._begun:
            self._begun = True
            message = {**response.frame(self._echo), "usage": usage.write(self._usage)}
            out.append(_event("message_start", message=message))

    def _content(self, event: _Content, out: list[bytes]) -> None:
        """Write what the oldest block says at once, and the next ones once it is over."""
        block = self._blocks.get(event.block)
        if block is None:
            return
        block.ended = block.ended or isinstance(event, ir.BlockEnded)
        if block is not next(iter(self._blocks.values())):
            block.waiting.append(event)
            return
        self._write(block, event, out)
        if block.ended:
            del self._blocks[event.block]
            self._drain(out)

    def _drain(self, out: list[bytes]) -> None:
        """What waited for the block that is over."""
        while self._blocks:
            number, block = next(iter(self._blocks.items()))
            waiting, block.waiting = block.waiting, []
            for event in waiting:
                self._write(block, event, out)
            if not block.ended:
                return
            del self._blocks[number]

    def _write(self, block: _Block, event: _Content, out: list[bytes]) -> None:
        match event:
            case ir.Delta(_, channel, data):
                self._delta(block, channel, data, out)
            case ir.Annotated(_, annotation):
                body = response.citation(annotation) if block.start.kind == "text" else None
                if body is not None:
                    self._open(block, out)
                    delta = {"type": "citations_delta", "citation": body}
                    out.append(_event("content_block_delta", index=block.index, delta=delta))
            case ir.BlockEnded(_, state, raw):
                self._close(block, state, raw, out)

    def _delta(self, block: _Block, channel: ir.Channel, data: str, out: list[bytes]) -> None:
        kind = block.start.kind
        if kind == "refusal":
            self._refusal.append(data)
        elif kind == "custom_tool_call":
            block.text.append(data)
        said = _SAID.get((kind, channel))
        if said is not None and data:
            self._open(block, out)
            out.append(said % (block.index, compact(data)))

    def _close(self, block: _Block, state: ir.VendorState | None, raw: Raw | None, out: list[bytes]) -> None:
        kind, own = block.start.kind, state is not None and state.family == FAMILY
        if kind == "reasoning" and state is not None and own:
            if state.kind == "redacted":
                self._open(block, out, response.redacted(state))
            else:
                self._open(block, out)
                out.append(_SIGNATURE % (block.index, compact(state.data)))
        elif kind in ir.CALLS:
            self._open(block, out)
            if kind == "custom_tool_call":
                whole = compact({"input": "".join(block.text)}).decode()
                out.append(_JSON % (block.index, compact(whole)))
        elif raw is not None and block.start.meta.get("family") == FAMILY:
            self._open(block, out, raw)
        if block.index is not None:
            out.append(_event("content_block_stop", index=block.index))

    def _open(self, block: _Block, out: list[bytes], content: dict[str, Any] | Raw | None = None) -> None:
        """A block begins with its first word, so that a block without any leaves no trace."""
        if block.index is None:
            block.index = self._indices
            self._indices += 1
            start = _event("content_block_start", index=block.index, content_block=content or _empty(block.start))
            out.append(start)

    def _end(self, ended: ir.Ended, out: list[bytes]) -> None:
        for block in self._blocks.values():
            block.waiting += [] if block.ended else [ir.BlockEnded(block.start.block)]
            block.ended = True
        self._drain(out)
        delta = response.stop(self._finished, "".join(self._refusal), ended)
        out.append(_event("message_delta", delta=delta, usage=usage.write_delta(self._usage)))
        out.append(_event("message_stop"))


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


def _piece(kind: str, field: str) -> bytes:
    """The event that there is one of for every word, with holes for the block's index and for the words as JSON: a
    template takes a tenth of the time."""
    start = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":'
    return start + compact(kind) + b"," + compact(field) + b":%b}}\n\n"


_TEXT = _piece("text_delta", "text")
_THINKING = _piece("thinking_delta", "thinking")
_JSON = _piece("input_json_delta", "partial_json")
_SIGNATURE = _piece("signature_delta", "signature")
_SAID = {
    ("text", "text"): _TEXT,
    ("reasoning", "text"): _THINKING,
    ("reasoning", "summary"): _THINKING,
    ("tool_call", "arguments"): _JSON,
}
"""A block's kind and the channel of its delta -> how that is said; anything else is not."""


def _event(kind: str, **fields: Any) -> bytes:
    return sse.render(compact({"type": kind, **fields}), kind)
