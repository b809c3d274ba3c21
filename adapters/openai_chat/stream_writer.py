"""A chat client's stream, written: hub events in, whole chunks out."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from adapters import failures, ir
from adapters.openai_chat import usage
from adapters.openai_chat.response import PARAGRAPH, annotation, answer_id, call_id, finish_reason, is_legacy
from adapters.sse import DONE, render

_encode = msgspec.json.Encoder().encode
_FIELDS = {"text": b'"content":', "refusal": b'"refusal":'}


class _Line(Struct):
    """A block that is being shown: its chunks are ``before`` + the text as JSON + ``after``."""

    kind: ir.BlockKind
    choice: int
    before: bytes
    after: bytes
    lead: str = ""
    """Goes before the block's first text."""
    channel: str | None = None
    """Of reasoning, the channel that came first; a block's other channel would say it twice."""
    said: bool = False
    offset: int = 0
    """Characters of this choice's content that stand before this block."""


class _Choice(Struct):
    """What one choice has been told so far."""

    calls: int = 0
    reasoned: bool = False
    length: int = 0
    citations: list[dict[str, Any]] = []


class Writer:
    """One answer. Id, creation time and model are the same in every chunk (G04)."""

    def __init__(self, echo: ir.Echo) -> None:
        self._echo = echo
        self._wants_usage = bool(echo.request and echo.request.include_usage)
        self._legacy = is_legacy(echo)
        self._fields = {**_FIELDS, "reasoning": _encode(echo.reasoning_field) + b":"}
        self._usage: ir.Usage | None = None
        self._lines: dict[int, _Line] = {}
        self._choices: dict[int, _Choice] = {}
        self._after = b'}],"usage":null}\n\n' if self._wants_usage else b"}]}\n\n"
        self._over = False
        self._head = b""
        self._start(ir.Started())

    def write(self, event: ir.Event) -> list[bytes]:
        """The chunks that tell ``event``. After the end, nothing."""
        if type(event) is ir.Delta:
            return self._delta(event)
        if self._over:
            return []
        match event:
            case ir.Started():
                self._start(event)
            case ir.BlockStarted():
                return self._block(event)
            case ir.BlockEnded(block):
                return self._block_ended(block)
            case ir.Annotated(block, told):
                self._annotate(block, told)
            case ir.UsageReported(told_usage):
                self._usage = told_usage if self._usage is None else self._usage.merged(told_usage)
            case ir.Finished():
                return self._finish(event)
            case ir.Ended() | ir.Failed():
                return self._end(event)
        return []

    def _start(self, started: ir.Started) -> None:
        build = started.extras.get("system_fingerprint")
        self._head = b"".join(
            (
                b'data: {"id":',
                _encode(answer_id(started, self._echo)),
                b',"object":"chat.completion.chunk","created":%d,"model":' % self._echo.created,
                _encode(self._echo.model),
                b',"system_fingerprint":' + bytes(build) if build is not None else b"",
                b',"choices":[',
            )
        )

    def _chunk(self, choice: int, delta: bytes, finish: bytes = b"null") -> bytes:
        start = self._head + b'{"index":%d,"delta":' % choice
        return start + delta + b',"logprobs":null,"finish_reason":' + finish + self._after

    def _opening(self, choice: int) -> list[bytes]:
        """The role, once, before anything else of a choice."""
        if choice in self._choices:
            return []
        self._choices[choice] = _Choice()
        return [self._chunk(choice, b'{"role":"assistant","content":"","refusal":null}')]

    def _block(self, event: ir.BlockStarted) -> list[bytes]:
        head = self._head + b'{"index":%d,"delta":{' % event.choice
        if event.kind in self._fields:
            out = self._opening(event.choice)
            state = self._choices[event.choice]
            line = _Line(event.kind, event.choice, head + self._fields[event.kind], b"}", offset=state.length)
            line.lead = PARAGRAPH if event.kind == "reasoning" and state.reasoned else ""
        elif event.kind in ir.CALLS:
            out = self._opening(event.choice)
            line = self._call(event, head, out)
        else:
            return []
        line.after += b',"logprobs":null,"finish_reason":null' + self._after
        self._lines[event.block] = line
        return out

    def _call(self, event: ir.BlockStarted, head: bytes, out: list[bytes]) -> _Line:
        """Its first chunk has the id, the type and the name; the SDK's chunk type has no word for ``custom``."""
        state = self._choices[event.choice]
        index, state.calls = state.calls, state.calls + 1
        if self._legacy:
            return self._function(event, head, out)
        custom = event.kind == "custom_tool_call"
        name, value = (b"custom", "input") if custom else (b"function", "arguments")
        call: dict[str, Any] = {"index": index, "id": call_id(event.meta, self._echo, index)}
        call |= {} if custom else {"type": "function"}
        call[name.decode()] = {"name": str(event.meta.get("name", "")), value: ""}
        out.append(self._chunk(event.choice, _encode({"tool_calls": [call]})))
        before = head + b'"tool_calls":[{"index":%d,"%s":{"%s":' % (index, name, value.encode())
        return _Line(event.kind, event.choice, before, b"}}]}")

    def _function(self, event: ir.BlockStarted, head: bytes, out: list[bytes]) -> _Line:
        called = {"name": str(event.meta.get("name", "")), "arguments": ""}
        out.append(self._chunk(event.choice, _encode({"function_call": called})))
        return _Line(event.kind, event.choice, head + b'"function_call":{"arguments":', b"}}")

    def _delta(self, event: ir.Delta) -> list[bytes]:
        line = self._lines.get(event.block)
        if line is None or self._over or event.channel == "state":
            return []
        text = event.data
        if line.kind == "reasoning":
            if line.channel is None:
                line.channel = event.channel
            if line.channel != event.channel:
                return []
            text, line.lead = line.lead + text, ""
            self._choices[line.choice].reasoned = True
        elif line.kind == "text":
            self._choices[line.choice].length += len(text)
        line.said = line.said or bool(text)
        if event.logprobs:
            return [self._with_logprobs(line, text, event.logprobs)]
        return [line.before + _encode(text) + line.after]

    def _with_logprobs(self, line: _Line, text: str, tokens: Any) -> bytes:
        which, other = ("refusal", "content") if line.kind == "refusal" else ("content", "refusal")
        shown = b',"logprobs":' + _encode({which: tokens, other: None})
        return line.before + _encode(text) + line.after.replace(b',"logprobs":null', shown, 1)

    def _block_ended(self, block: int) -> list[bytes]:
        """A call without arguments has the empty object (G10); a text's citations follow it at once."""
        line = self._lines.pop(block, None)
        if line is None:
            return []
        if line.kind == "tool_call" and not line.said:
            return [line.before + b'"{}"' + line.after]
        return self._cite(line.choice) if line.kind == "text" else []

    def _cite(self, choice: int) -> list[bytes]:
        state = self._choices[choice]
        cited, state.citations = state.citations, []
        return [self._chunk(choice, _encode({"annotations": cited}))] if cited else []

    def _annotate(self, block: int, told: ir.Annotation) -> None:
        line = self._lines.get(block)
        shown = annotation(told, line.offset) if line is not None else None
        if line is not None and shown is not None:
            self._choices[line.choice].citations.append(shown)

    def _finish(self, event: ir.Finished) -> list[bytes]:
        out = [*self._opening(event.choice), *self._cite(event.choice)]
        state = self._choices[event.choice]
        reason = finish_reason(event.reason, calls=bool(state.calls), legacy=self._legacy)
        out.append(self._chunk(event.choice, b"{}", _encode(reason)))
        return out

    def _end(self, event: ir.Ended | ir.Failed) -> list[bytes]:
        self._over = True
        if isinstance(event, ir.Failed):
            return [render(failures.error_body(event.failure))]
        told = usage.write(self._usage) if self._wants_usage else None
        if told is None:
            return [DONE]
        return [self._head + b'],"usage":' + _encode(told) + b"}\n\n", DONE]
