"""Answers of each vendor with one word or one count changed: what the reference's rows are played with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from reference_kit import CHAT, GEMINI, MESSAGES, RESPONSES, Json

TEXT = "Hello"
CALL: Mapping[str, Json] = {
    CHAT: {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    RESPONSES: {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}", "status": "completed"},
    MESSAGES: {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
    GEMINI: {"functionCall": {"name": "f", "args": {}}},
}  # fmt: skip
COUNTS: Mapping[str, Json] = {
    CHAT: {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    RESPONSES: {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12},
    MESSAGES: {"input_tokens": 7, "output_tokens": 5},
    GEMINI: {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12},
}


def event(value: Json) -> bytes:
    """One event of a stream, named where its vendor names it."""
    named = b"event: %b\n" % value["type"].encode() if "type" in value else b""
    return named + b"data: " + msgspec.json.encode(value) + b"\n\n"


def gemini(parts: Sequence[Json], word: str | None = None, usage: Json | None = None) -> Json:
    """One object of a Gemini answer; the whole of it is such an object, too."""
    ended = {} if word is None else {"finishReason": word}
    counted = {"usageMetadata": usage} if usage else {}
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **ended}], **counted}


def chunk(delta: Json, word: str | None = None) -> Json:
    """A chunk of a streamed completion."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": word}]}


def response(status: str, output: Sequence[Json], **more: Any) -> Json:
    """A response object."""
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m"}
    return {**head, "status": status, "output": list(output), **more}


def answer(source: str, word: str | None, *, call: bool = False, usage: Json | None = None, **more: Any) -> Json:
    """A whole answer that says Hello, maybe calls, and ends with ``word``."""
    usage = COUNTS[source] if usage is None else usage
    if source == GEMINI:
        parts: list[Json] = [{"text": TEXT}, *([CALL[source]] if call else [])]
        return gemini(parts, word, usage) | more
    if source == MESSAGES:
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "stop_sequence": None}
        content = [{"type": "text", "text": TEXT}, *([CALL[source]] if call else [])]
        return {**head, "content": content, "stop_reason": word, "usage": usage, **more}
    if source == RESPONSES:
        part = {"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}
        item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        ended = {"incomplete_details": {"reason": word}} if word not in ("completed", "failed", "cancelled") else {}
        status = "incomplete" if ended else str(word)
        return response(status, [item, *([CALL[source]] if call else [])], usage=usage, **ended, **more)
    message = {"role": "assistant", "content": TEXT, **({"tool_calls": [CALL[source]]} if call else {})}
    choice = {"index": 0, "message": message, "finish_reason": word}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice], "usage": usage, **more}


def frames(source: str, word: str | None, *, usage: Json | None = None, details: Any = None) -> list[bytes]:
    """The same answer without a call, as a stream."""
    usage = COUNTS[source] if usage is None else usage
    if source == GEMINI:
        return [event(gemini([{"text": "Hel"}])), event(gemini([{"text": "lo"}], word, usage))]
    if source == MESSAGES:
        return [event(one) for one in _claude(word, usage, details)]
    if source == RESPONSES:
        final = answer(source, word, usage=usage)
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        deltas = [
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []} for piece in ("Hel", "lo")
        ]
        created = {"type": "response.created", "response": response("in_progress", [])}
        return [event(one) for one in (created, *deltas, {"type": f"response.{final['status']}", "response": final})]
    said: Sequence[Json] = [chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({}, word)]
    return [*map(event, said), event({**chunk({}), "choices": [], "usage": usage}), b"data: [DONE]\n\n"]


def _claude(word: str | None, usage: Json, details: Any) -> list[Json]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "content": []}
    deltas = [{"type": "text_delta", "text": piece} for piece in ("Hel", "lo")]
    ended = {"stop_reason": word, "stop_sequence": None, "stop_details": details}
    return [
        {"type": "message_start", "message": {**head, "stop_reason": None, "usage": {**usage, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": usage},
        {"type": "message_stop"},
    ]
