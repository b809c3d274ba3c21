"""Answers of every vendor that carry given counts, whole and streamed, as their own clients would take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from scripted import Answer, stream, whole

Json = dict[str, Any]
TEXT = ("Hel", "lo")
DONE = b"data: [DONE]\n\n"
_LATER = frozenset({"service_tier", "inference_geo", "speed", "cache_creation"})
"""What Anthropic tells in ``message_start`` alone."""


def event(value: Json) -> bytes:
    """One event of a stream, named where its vendor names it."""
    named = b"event: %b\n" % value["type"].encode() if "type" in value else b""
    return named + b"data: " + msgspec.json.encode(value) + b"\n\n"


def chat(usage: Any, *, streamed: bool, every_chunk: bool = False, reasoning: str = "", **top: Any) -> Answer:
    """``every_chunk``: growing counts stand in each of them; ``reasoning``: text in a local server's field."""
    head = {"id": "chatcmpl-1", "created": 1, "model": "m", **top}
    thought = {"reasoning": reasoning} if reasoning else {}
    if not streamed:
        message = {"role": "assistant", "content": "".join(TEXT), "refusal": None, **thought}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return whole({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    chunk = {**head, "object": "chat.completion.chunk"}
    deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": "", **thought}, None)]
    deltas += [*(({"content": piece}, None) for piece in TEXT), ({}, "stop")]
    grown = (
        {"usage": {**usage, "completion_tokens": 1, "total_tokens": usage["prompt_tokens"] + 1}} if every_chunk else {}
    )
    told = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": word, "logprobs": None}], **grown}
        for delta, word in deltas
    ]
    return stream(*map(event, told), event({**chunk, "choices": [], "usage": usage}), DONE)


def responses(
    usage: Any, *, streamed: bool, items: Sequence[Json] = (), status: str = "completed", **top: Any
) -> Answer:
    """``items`` come before the text."""
    part = {"type": "output_text", "text": "".join(TEXT), "annotations": [], "logprobs": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    head: Json = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "parallel_tool_calls": True}
    head |= {"tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None, "metadata": None}
    final = {**head, "status": status, "output": [*items, message], "usage": usage, **top}
    if status == "failed":
        final |= {"output": list(items), "error": {"code": "server_error", "message": "broken"}}
    if status == "incomplete":
        final["incomplete_details"] = {"reason": "max_output_tokens"}
    if not streamed:
        return whole(final)
    begun = {**head, "status": "in_progress", "output": [], "usage": None}
    told: list[Json] = [{"type": f"response.{name}", "response": begun} for name in ("created", "in_progress")]
    for index, item in enumerate(final["output"]):
        told.append({"type": "response.output_item.added", "output_index": index, "item": item})
        told.append({"type": "response.output_item.done", "output_index": index, "item": item})
    told.append({"type": f"response.{status}", "response": final})
    return stream(*(event({**one, "sequence_number": number}) for number, one in enumerate(told)))


def claude(usage: Any, *, streamed: bool, **top: Any) -> Answer:
    """The stream tells input with its start and everything again at its end (G38)."""
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "stop_sequence": None, **top}
    if not streamed:
        content = [{"type": "text", "text": "".join(TEXT)}]
        return whole({**head, "content": content, "stop_reason": "end_turn", "usage": usage})
    late = begun = usage
    if isinstance(usage, dict):
        late = {name: count for name, count in usage.items() if name not in _LATER}
        begun = {name: count for name, count in usage.items() if name not in ("iterations", "output_tokens_details")}
        begun |= {"output_tokens": 1}
    told: list[Json] = [
        {"type": "message_start",
         "message": {**head, "content": [], "stop_reason": None, "usage": begun}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in TEXT),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": late},
        {"type": "message_stop"},
    ]  # fmt: skip
    return stream(*map(event, told))


def gemini(usage: Any, *, streamed: bool, version: str = "gemini-3.1-pro", grounding: Json | None = None) -> Answer:
    """Cumulative counts with every frame of the stream; ``grounding`` in the last two, as Google repeats it."""
    found = {} if grounding is None else {"groundingMetadata": grounding}

    def frame(text: str, usage: Any, **more: Any) -> Json:
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}
        counted = {} if usage is None else {"usageMetadata": usage}
        return {"candidates": [candidate], "modelVersion": version, "responseId": "r", **counted}

    if not streamed:
        return whole(frame("".join(TEXT), usage, finishReason="STOP", **found))
    begun = usage
    if isinstance(usage, dict):
        begun = {name: count for name, count in usage.items() if name in ("promptTokenCount", "trafficType")}
    first, last = frame(TEXT[0], begun, **found), frame(TEXT[1], usage, finishReason="STOP", **found)
    return stream(event(first), event(last))


ANSWERS: Mapping[str, Callable[..., Answer]] = {
    "chat": chat,
    "responses": responses,
    "claude": claude,
    "gemini": gemini,
}
