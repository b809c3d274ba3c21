"""A Messages answer -> hub events, streamed or whole: one machine for both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from adapters import failures, ir
from adapters.anthropic_messages import errors, usage
from adapters.anthropic_messages.wire import (
    ANSWER,
    ANY,
    BLOCK,
    EVENT,
    FAMILY,
    PLAIN,
    STOP_REASONS,
    Answer,
    Block,
    Delta,
    Event,
)
from adapters.sse import Frame
from adapters.usage import OBJECT

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_EVENTS = frozenset(
    (
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    )
)
_DELTAS = frozenset(("text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta"))


class _Open(Struct):
    """A content block that has begun."""

    block: int
    kind: ir.BlockKind
    first: Block
    raw: Raw
    signature: str = ""
    json: list[str] = []
    content: str | None = None


class Reader:
    """Frames in, hub events out (adapters.dialect.Reader)."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._blocks = 0
        self._calls = False
        self._usage: dict[str, Any] = {}
        self._stop: Delta | None = None
        self._over = False

    def read(self, frame: Frame) -> Iterable[ir.Event]:
        """One frame -> its events; what is no event of this dialect is a failure, what is merely new is passed over."""
        if self._over or frame.data.strip() == b"[DONE]":
            return []
        try:
            event = EVENT.decode(frame.data)
        except _UNREADABLE:
            return self._strange(frame)
        try:
            return list(self._event(event))
        except _UNREADABLE:
            return self._fail(failures.bad_response("an event that is not Anthropic's"))

    def end(self) -> Iterable[ir.Event]:
        """Without ``message_stop`` the answer was cut."""
        return [] if self._over else self._fail(failures.interrupted())

    def whole(self, answer: Answer) -> Iterator[ir.Event]:
        """A whole message, as the events of its stream."""
        yield from self._started(answer.id, answer.model)
        for index, block in enumerate(answer.content):
            yield from self._start(index, block)
            yield from self._end_block(index)
        yield from self._tell_usage(answer.usage)
        self._stop = Delta(
            stop_reason=answer.stop_reason, stop_sequence=answer.stop_sequence, stop_details=answer.stop_details
        )
        yield from self._finish()

    def _strange(self, frame: Frame) -> list[ir.Event]:
        if frame.event == "error":
            return self._fail(errors.read_text(frame.data))
        try:
            told = ANY.decode(frame.data)
        except _UNREADABLE:
            return self._fail(failures.bad_response("an event that is not JSON"))
        if isinstance(told, Mapping):
            if told.get("error"):
                return self._fail(errors.read_event(told["error"]))
            if _is_new(told):
                return []
        return self._fail(failures.bad_response("an event that is not Anthropic's"))

    def _fail(self, failure: ir.Failure) -> list[ir.Event]:
        self._over = True
        return [ir.Failed(failure)]

    def _event(self, event: Event) -> Iterator[ir.Event]:
        match event.type:
            case "content_block_delta" if event.delta is not None:
                yield from self._delta(event.index, event.delta)
            case "content_block_start" if bytes(event.content_block):
                yield from self._start(event.index, event.content_block)
            case "content_block_stop":
                yield from self._end_block(event.index)
            case "message_start":
                message = event.message
                yield from self._close_all()
                yield from self._started(message.id if message else None, message.model if message else None)
                yield from self._tell_usage(message.usage if message else Raw())
            case "message_delta":
                if event.delta is not None and event.delta.stop_reason is not None:
                    self._stop = event.delta
                yield from self._tell_usage(event.usage)
            case "message_stop":
                yield from self._finish()
            case "error":
                yield from self._fail(errors.read_event(event.error))

    def _started(self, id: str | None, model: str | None) -> Iterator[ir.Event]:  # noqa: A002 - the wire's own word
        yield ir.Started(id, model)

    def _tell_usage(self, raw: Raw) -> Iterator[ir.Event]:
        told = usage.decode(raw)
        if told and isinstance(told, Mapping):
            self._usage = usage.merged(self._usage, told)
            yield ir.UsageReported(usage.read(self._usage))
        elif told:
            yield ir.UsageReported(ir.Usage(flaws=(OBJECT,)))

    def _start(self, index: int, raw: Raw) -> Iterator[ir.Event]:
        """A block begins; whole answers and some servers put its content here already."""
        yield from self._end_block(index)
        block = BLOCK.decode(raw)
        opened = _Open(self._blocks, _kind(block), block, raw)
        self._blocks += 1
        self._open[index] = opened
        self._calls = self._calls or opened.kind == "tool_call"
        yield ir.BlockStarted(opened.block, opened.kind, opened.block, meta=_meta(opened))
        if opened.kind == "text":
            yield from _said(opened.block, "text", block.text)
            for citation in block.citations or []:
                yield ir.Annotated(opened.block, annotation(citation))
        elif opened.kind == "reasoning":
            yield from _said(opened.block, "summary", block.thinking)
            opened.signature = block.signature or ""

    def _delta(self, index: int, delta: Delta) -> Iterator[ir.Event]:
        opened = self._open.get(index)
        if opened is None:
            return
        match delta.type:
            case "text_delta" if opened.kind == "text":
                yield from _said(opened.block, "text", delta.text)
            case "thinking_delta" if opened.kind == "reasoning":
                yield from _said(opened.block, "summary", delta.thinking)
            case "signature_delta":
                opened.signature += delta.signature or ""
            case "input_json_delta" if delta.partial_json:
                opened.json.append(delta.partial_json)
                if opened.kind == "tool_call":
                    yield ir.Delta(opened.block, "arguments", delta.partial_json)
            case "citations_delta" if delta.citation is not None and opened.kind == "text":
                yield ir.Annotated(opened.block, annotation(delta.citation))
            case "compaction_delta" if isinstance(delta.content, str):
                opened.content = (opened.content or "") + delta.content

    def _end_block(self, index: int) -> Iterator[ir.Event]:
        opened = self._open.pop(index, None)
        if opened is None:
            return
        if opened.kind == "tool_call" and not opened.json:
            yield ir.Delta(opened.block, "arguments", _arguments(opened.first.input))
        yield ir.BlockEnded(opened.block, self._state(opened), _whole(opened) if opened.kind == "server_tool" else None)

    def _state(self, opened: _Open) -> ir.VendorState | None:
        if opened.first.type == "redacted_thinking" and opened.first.data:
            return ir.VendorState(FAMILY, "redacted", opened.first.data)
        if opened.signature and opened.kind == "reasoning":
            return ir.VendorState(FAMILY, "signature", opened.signature)
        return None

    def _close_all(self) -> Iterator[ir.Event]:
        """A second ``message_start`` in one stream begins anew: its indices mean new blocks."""
        for index in list(self._open):
            yield from self._end_block(index)

    def _finish(self) -> Iterator[ir.Event]:
        yield from self._close_all()
        stop = self._stop or Delta()
        if stop.stop_reason == "refusal":
            yield from self._refusal(stop.stop_details)
        word = stop.stop_reason
        yield ir.Finished(0, self._reason(word), word, known=word is None or word in STOP_REASONS)
        sequence = stop.stop_sequence
        self._over = True
        yield ir.Ended({"stop_sequence": Raw(msgspec.json.encode(sequence))} if sequence is not None else {})

    def _refusal(self, details: Any) -> Iterator[ir.Event]:
        words = details.get("explanation") if isinstance(details, Mapping) else None
        if isinstance(words, str) and words:
            yield ir.BlockStarted(self._blocks, "refusal", self._blocks)
            yield ir.Delta(self._blocks, "text", words)
            yield ir.BlockEnded(self._blocks)

    def _reason(self, told: str | None) -> ir.FinishReason:
        """``tool_calls`` if and only if a tool was called (G25)."""
        reason = STOP_REASONS.get(told or "", "stop")
        if reason in ("stop", "tool_calls"):
            return "tool_calls" if self._calls else "stop"
        return reason


def read_response(body: bytes) -> list[ir.Event]:
    """A whole answer as the events of a stream; what is not a message becomes ir.Failed."""
    try:
        return list(Reader().whole(ANSWER.decode(body)))
    except _UNREADABLE:
        pass
    try:
        told = ANY.decode(body)
    except _UNREADABLE:
        return [ir.Failed(failures.bad_response("a body that is not JSON"))]
    if isinstance(told, Mapping) and told.get("error"):
        return [ir.Failed(errors.read_event(told["error"]))]
    return [ir.Failed(failures.bad_response("a body that is not an Anthropic message"))]


def annotation(citation: Mapping[str, Any]) -> ir.Annotation:
    """A citation; one of a web page is OpenAI's ``url_citation``, any other keeps the vendor's word."""
    url, title = citation.get("url"), citation.get("title") or citation.get("document_title")
    kind = "url_citation" if isinstance(url, str) else str(citation.get("type"))
    return ir.Annotation(
        kind,
        url if isinstance(url, str) else None,
        title if isinstance(title, str) else None,
        raw=citation,
    )


def _is_new(told: Mapping[str, Any]) -> bool:
    """An event or a delta of a type that we do not know: to be passed over (G05)."""
    kind, delta = told.get("type"), told.get("delta")
    if not isinstance(kind, str):
        return False
    if kind == "content_block_delta" and isinstance(delta, Mapping):
        return isinstance(delta.get("type"), str) and delta["type"] not in _DELTAS
    return kind not in _EVENTS


def _kind(block: Block) -> ir.BlockKind:
    match block.type:
        case "text":
            return "text"
        case "thinking" | "redacted_thinking":
            return "reasoning"
        case "tool_use":
            return "tool_call"
    return "server_tool"


def _meta(opened: _Open) -> dict[str, Any]:
    if opened.kind == "tool_call":
        return {"id": opened.first.id or "", "name": opened.first.name or ""}
    if opened.kind == "server_tool":
        return {"type": opened.first.type, "family": FAMILY, "raw": opened.raw}
    return {}


def _said(block: int, channel: ir.Channel, text: str | None) -> Iterator[ir.Event]:
    if text:
        yield ir.Delta(block, channel, text)


def _arguments(given: Raw) -> str:
    """A call without arguments is ``{}`` (G10)."""
    if bytes(given) in (b"", b"null"):
        return "{}"
    return msgspec.json.format(bytes(given), indent=-1).decode()


def _whole(opened: _Open) -> Raw:
    """The block as it is in a whole answer: its input or content arrives in pieces."""
    if opened.content is not None:
        return Raw(msgspec.json.encode({**PLAIN.decode(opened.raw), "content": opened.content}))
    text = "".join(opened.json).encode()
    try:
        ANY.decode(text)
    except _UNREADABLE:
        return opened.raw
    return Raw(msgspec.json.encode({**PLAIN.decode(opened.raw), "input": Raw(text)}))
