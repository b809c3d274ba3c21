"""Speaks Anthropic Messages: the whole message, and the events that build it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proxy.demo import messages_read
from proxy.demo import messages_wire as wire
from proxy.demo.base import Ask, Json, encode, seal, sse
from proxy.demo.brain import Answer, ToolCall, think
from proxy.demo.messages_turns import SEAL
from proxy.demo.tokens import fragments, pieces

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def whole(ask: Ask) -> Json:
    """The answer as one ``message``."""
    request, asked = messages_read.prompt(ask)
    answer = think(asked)
    content = list(_blocks(ask, request, answer))
    return {**_head(ask), "content": content, **_stop(answer), "usage": _usage(ask, answer, answer.tokens.output)}


def frames(ask: Ask) -> Iterator[bytes]:
    """The answer as events, a ping after the first block's start."""
    request, asked = messages_read.prompt(ask)
    return _frames(ask, request, think(asked))


def count_tokens(ask: Ask) -> Json:
    """The answer of ``/v1/messages/count_tokens``."""
    return {"input_tokens": messages_read.count(ask)}


def broken() -> bytes:
    """The event that tells of an error in the midst of a stream."""
    return _event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def _frames(ask: Ask, request: wire.MessagesRequest, answer: Answer) -> Iterator[bytes]:
    empty: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    usage = _usage(ask, answer, min(1, answer.tokens.output))
    yield _event({"type": "message_start", "message": {**_head(ask), **empty, "usage": usage}})
    for index, block in enumerate(_blocks(ask, request, answer)):
        yield from _block_events(block, index)
    yield _event({"type": "message_delta", "delta": _stop(answer), "usage": _final_usage(answer)})
    yield _event({"type": "message_stop"})


def _block_events(block: Json, index: int) -> Iterator[bytes]:
    empty, deltas = _OPENERS[block["type"]]
    yield _event({"type": "content_block_start", "index": index, "content_block": {**block, **empty}})
    if index == 0:
        yield _event({"type": "ping"})
    for delta in deltas(block):
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _text_deltas(block: Json) -> Iterator[Json]:
    for piece in pieces(block["text"]):
        yield {"type": "text_delta", "text": piece}


def _thinking_deltas(block: Json) -> Iterator[Json]:
    for piece in pieces(block["thinking"]):
        yield {"type": "thinking_delta", "thinking": piece}
    yield {"type": "signature_delta", "signature": block["signature"]}


def _input_deltas(block: Json) -> Iterator[Json]:
    yield {"type": "input_json_delta", "partial_json": ""}
    if block["input"]:
        for part in fragments(encode(block["input"]).decode()):
            yield {"type": "input_json_delta", "partial_json": part}


_OPENERS: dict[str, tuple[Json, Callable[[Json], Iterator[Json]]]] = {
    "text": ({"text": ""}, _text_deltas),
    "thinking": ({"thinking": "", "signature": ""}, _thinking_deltas),
    "tool_use": ({"input": {}}, _input_deltas),
}


def _event(data: Json) -> bytes:
    return sse(data, data["type"])


def _head(ask: Ask) -> Json:
    return {"id": ask.id("msg_01"), "type": "message", "role": "assistant", "model": ask.model}


def _stop(answer: Answer) -> Json:
    reason = "stop_sequence" if answer.stop is not None else _STOPS[answer.finish]
    return {"stop_reason": reason, "stop_sequence": answer.stop, "stop_details": None}


def _blocks(ask: Ask, request: wire.MessagesRequest, answer: Answer) -> Iterator[Json]:
    if answer.reasoning:
        default = "summarized" if isinstance(request.thinking, wire.Enabled) else "omitted"
        display = getattr(request.thinking, "display", None) or default
        thinking = answer.reasoning if display == "summarized" else ""
        yield {"type": "thinking", "thinking": thinking, "signature": seal(SEAL, thinking)}
    if answer.text:
        yield {"type": "text", "text": answer.text}
    for index, call in enumerate(answer.calls):
        yield _call(ask, call, index)


def _call(ask: Ask, call: ToolCall, index: int) -> Json:
    return {"type": "tool_use", "id": ask.id("toolu_01", index), "name": call.tool.name, "input": call.arguments}


def _usage(ask: Ask, answer: Answer, output: int) -> Json:
    hour = b'"ttl":"1h"' in encode(ask.body)
    written = answer.tokens.written
    split = {"ephemeral_5m_input_tokens": 0 if hour else written, "ephemeral_1h_input_tokens": written if hour else 0}
    usage = {**_final_usage(answer), "output_tokens": output, "cache_creation": split}
    return {**usage, "service_tier": "standard", "inference_geo": "global"}


def _final_usage(answer: Answer) -> Json:
    tokens = answer.tokens
    return {
        "input_tokens": tokens.prompt - tokens.cached - tokens.written,
        "cache_creation_input_tokens": tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "output_tokens": tokens.output,
        "output_tokens_details": {"thinking_tokens": tokens.reasoning},
    }
