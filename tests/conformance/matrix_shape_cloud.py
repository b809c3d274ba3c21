"""Anthropic Messages and Gemini as their upstreams write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from matrix_words import Call, Json, Says, Sent, data, typed
from scripted import Answer, stream, whole

SIGNATURE = "EqQBCkgIAhABGAIiQ-signed-by-anthropic"
THOUGHT_SIGNATURE = "c2lnbmVkLWJ5LWdvb2dsZQ=="
_STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}

# --- Anthropic -----------------------------------------------------------------------------------------------------


def anthropic(body: Json, says: Says, streamed: bool) -> Answer:
    """What Anthropic answers to ``body``."""
    return stream(*anthropic_events(body, says)) if streamed else whole(_message(body, says))


def _message(body: Json, says: Says) -> Json:
    blocks = [block for block, _ in _blocks(body, says)]
    return {**_claude_head(body), "content": blocks, **_stop(says), "usage": _claude_usage(says)}


def _claude_head(body: Json) -> Json:
    return {"id": "msg_up", "type": "message", "role": "assistant", "model": body["model"]}


def _stop(says: Says) -> Json:
    refused = {"type": "refusal", "category": None, "explanation": says.refusal} if says.refusal else None
    reason = "tool_use" if says.calls else "refusal" if says.refusal else _STOPS[says.end]
    return {"stop_reason": reason, "stop_sequence": None, "stop_details": refused}


def _claude_usage(says: Says) -> Json:
    counts = says.counts
    return {
        "input_tokens": counts.fresh,
        "cache_creation_input_tokens": counts.written,
        "cache_read_input_tokens": counts.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": counts.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": counts.output,
        "output_tokens_details": {"thinking_tokens": counts.thought},
        "service_tier": "standard",
    }


def shows(body: Json) -> bool:
    """Are summaries of the thinking asked for?"""
    return bool((body.get("thinking") or {}).get("display") == "summarized")


def _blocks(body: Json, says: Says) -> Iterator[tuple[Json, list[Json]]]:
    """Blocks, each with the deltas that build it."""
    if says.thoughts:
        shown = says.thoughts if shows(body) else ()
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": thought} for thought in shown]
        deltas.append({"type": "signature_delta", "signature": SIGNATURE})
        yield {"type": "thinking", "thinking": "".join(shown), "signature": SIGNATURE}, deltas
    if says.pieces:
        spoken: list[Json] = [{"type": "text_delta", "text": piece} for piece in says.pieces]
        yield {"type": "text", "text": says.text, "citations": None}, spoken
    for call in says.calls:
        text = json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))
        halves: list[Json] = [{"type": "input_json_delta", "partial_json": half} for half in ("", text[:5], text[5:])]
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}, halves


_EMPTY: dict[str, Json] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}


def anthropic_events(body: Json, says: Says) -> list[bytes]:
    """The events of a stream, a ping after the start."""
    usage = {**_claude_usage(says), "output_tokens": 1, "output_tokens_details": None}
    opened = {**_claude_head(body), "content": [], **dict.fromkeys(("stop_reason", "stop_sequence")), "usage": usage}
    told = [typed({"type": "message_start", "message": opened}), typed({"type": "ping"})]
    for index, (block, deltas) in enumerate(_blocks(body, says)):
        start: Json = {"type": "content_block_start", "content_block": {**block, **_EMPTY[block["type"]]}}
        grown: list[Json] = [{"type": "content_block_delta", "delta": delta} for delta in deltas]
        told += [typed({**event, "index": index}) for event in (start, *grown, {"type": "content_block_stop"})]
    counted = {
        name: count for name, count in _claude_usage(says).items() if name not in ("cache_creation", "service_tier")
    }
    told.append(typed({"type": "message_delta", "delta": _stop(says), "usage": counted}))
    return [*told, typed({"type": "message_stop"})]


def anthropic_error(kind: str, message: str) -> Json:
    """The body of an error, and the data of an error event."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"}


def anthropic_sent(body: Json) -> Sent:
    """The turns before, as they reached Anthropic."""
    contents = [message["content"] for message in body["messages"]]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    calls = [Call(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    results = [(block["tool_use_id"], _text(block["content"])) for block in blocks if block["type"] == "tool_result"]
    states = [block["signature"] for block in blocks if block["type"] == "thinking"]
    return Sent(tuple(calls), tuple(results), tuple(states))


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


# --- Gemini --------------------------------------------------------------------------------------------------------


def gemini(body: Json, says: Says, streamed: bool) -> Answer:
    """What Gemini answers to ``body``."""
    if streamed:
        return stream(*gemini_events(body, says))
    if says.refusal:
        return whole(_blocked(says))
    return whole(_candidate(list(_parts(body, says)), says))


def thinks(body: Json) -> bool:
    """Are summaries of the thoughts asked for?"""
    return bool(((body.get("generationConfig") or {}).get("thinkingConfig") or {}).get("includeThoughts"))


def gemini_events(body: Json, says: Says) -> list[bytes]:
    """The events of a stream, each with the usage so far."""
    if says.refusal:
        return [data(_blocked(says))]
    parts = list(_parts(body, says))
    told = [_candidate([part], says, over=False) for part in parts[:-1]]
    return [*map(data, told), data(_candidate(parts[-1:], says))]


def _head(says: Says, *, over: bool) -> Json:
    counts = says.counts
    usage = {"promptTokenCount": counts.input, "cachedContentTokenCount": counts.cached}
    if over:
        usage |= {"candidatesTokenCount": counts.visible, "thoughtsTokenCount": counts.thought}
    usage["totalTokenCount"] = counts.input + (counts.output if over else 0)
    return {"usageMetadata": usage, "modelVersion": "gemini-3.1-pro", "responseId": "resp-up"}


def _candidate(parts: list[Json], says: Says, *, over: bool = True) -> Json:
    reason = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}[says.end]
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    return {"candidates": [candidate | ({"finishReason": reason} if over else {})], **_head(says, over=over)}


def _blocked(says: Says) -> Json:
    """The prompt itself is declined, without a word."""
    return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_head(says, over=False)}


def _parts(body: Json, says: Says) -> Iterator[Json]:
    for thought in says.thoughts if thinks(body) else ():
        yield {"text": thought, "thought": True}
    for piece in says.pieces:
        yield {"text": piece}
    for index, call in enumerate(says.calls):
        signed = {"thoughtSignature": THOUGHT_SIGNATURE} if says.thoughts and index == 0 else {}
        yield {"functionCall": {"name": call.name, "args": call.arguments}, **signed}
    if says.thoughts and not says.calls:
        yield {"text": "", "thoughtSignature": THOUGHT_SIGNATURE}


def gemini_error(code: int, status: str, message: str) -> Json:
    """The body of an error, and the data of an error event."""
    return {"error": {"code": code, "message": message, "status": status}}


def gemini_sent(body: Json) -> Sent:
    """The turns before, as they reached Gemini; without ids, calls and results are known by their name."""
    parts = [part for content in body["contents"] for part in content["parts"]]
    called = [part["functionCall"] for part in parts if "functionCall" in part]
    answered = [part["functionResponse"] for part in parts if "functionResponse" in part]
    calls = [Call(call.get("id", call["name"]), call["name"], call["args"]) for call in called]
    results = [(result.get("id", result["name"]), result["response"]["output"]) for result in answered]
    states = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
    return Sent(tuple(calls), tuple(results), tuple(states))
