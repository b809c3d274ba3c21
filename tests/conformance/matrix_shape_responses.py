"""OpenAI's Responses API as its upstream writes it: the whole response, and the events that build it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from matrix_words import DONE, Call, Json, Says, Sent, typed
from scripted import Answer, stream, whole

_STEMS = {"summary_text": "reasoning_summary_text"}
STATE = "gAAAA-encrypted-by-openai"
_ECHO = ("instructions", "metadata", "previous_response_id", "max_output_tokens", "max_tool_calls", "safety_identifier",
         "prompt_cache_key", "user", "text", "reasoning", "tool_choice", "parallel_tool_calls", "store", "temperature",
         "top_p", "service_tier", "truncation", "background", "top_logprobs")  # fmt: skip


def answer(body: Json, says: Says, streamed: bool) -> Answer:
    """What OpenAI answers to ``body``."""
    final = response(body, says)
    return stream(*events(body, final)) if streamed else whole(final)


def response(body: Json, says: Says) -> Json:
    """The response object at its end."""
    items = list(_items(body, says))
    if says.end != "stop":
        items[-1]["status"] = "incomplete"
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(says.end)
    return {
        **_opened(body),
        "status": "incomplete" if reason else "completed",
        "completed_at": None if reason else 1_790_000_001,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": items,
        "usage": _usage(says),
    }


def _opened(body: Json) -> Json:
    defaults: Json = {
        "instructions": None, "metadata": {}, "parallel_tool_calls": True, "tool_choice": "auto", "temperature": 1.0,
        "top_p": 1.0, "truncation": "disabled", "store": True, "text": {"format": {"type": "text"}},
    }  # fmt: skip
    echo = {name: body[name] for name in _ECHO if body.get(name) is not None}
    head = {"id": "resp_up", "object": "response", "created_at": 1_790_000_000, "status": "in_progress"}
    empty = dict.fromkeys(("error", "incomplete_details", "usage", "completed_at"))
    tools = [{"strict": True, **tool} for tool in body.get("tools") or []]
    return {**head, **empty, "model": body["model"], "output": [], **defaults, **echo, "tools": tools}


def _usage(says: Says) -> Json:
    counts = says.counts
    return {
        "input_tokens": counts.input,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.written},
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.thought},
        "total_tokens": counts.input + counts.output,
    }


def shows(body: Json) -> bool:
    """Is a summary of the reasoning asked for?"""
    return bool((body.get("reasoning") or {}).get("summary"))


def _items(body: Json, says: Says) -> Iterator[Json]:
    if says.thoughts:
        shown = [{"type": "summary_text", "text": "".join(says.thoughts)}] if shows(body) else []
        sealed = STATE if "reasoning.encrypted_content" in (body.get("include") or []) else None
        yield {"id": "rs_up", "type": "reasoning", "summary": shown, "encrypted_content": sealed, "status": "completed"}
    parts: list[Json] = []
    if says.pieces:
        parts.append({"type": "output_text", "text": says.text, "annotations": [], "logprobs": []})
    if says.refusal:
        parts.append({"type": "refusal", "refusal": says.refusal})
    if parts:
        yield {"id": "msg_up", "type": "message", "role": "assistant", "status": "completed", "content": parts}
    for index, call in enumerate(says.calls):
        text = json.dumps(call.arguments, ensure_ascii=False)
        named = {"call_id": call.id, "name": call.name, "arguments": text}
        yield {"id": f"fc_up{index}", "type": "function_call", "status": "completed", **named}


def events(body: Json, final: Json) -> list[bytes]:
    """The events of a stream, ``[DONE]`` last."""
    opened = _opened(body)
    told = [{"type": f"response.{name}", "response": opened} for name in ("created", "in_progress")]
    for index, item in enumerate(final["output"]):
        told += _item(index, item)
    told.append({"type": f"response.{final['status']}", "response": final})
    return [*(typed({**event, "sequence_number": number}) for number, event in enumerate(told)), DONE]


def _item(index: int, item: Json) -> Iterator[Json]:
    empty = {name: type(item[name])() for name in ("content", "summary", "arguments") if name in item}
    place = {"output_index": index}
    yield {"type": "response.output_item.added", **place, "item": {**item, **empty, "status": "in_progress"}}
    place["item_id"] = item["id"]
    for number, part in enumerate(item.get("summary") or ()):
        yield from _part("reasoning_summary_part", part["type"], place | {"summary_index": number}, part)
    for number, part in enumerate(item.get("content") or ()):
        yield from _part("content_part", part["type"], place | {"content_index": number}, part)
    if "arguments" in item:
        yield from _texts(
            "function_call_arguments", "arguments", item["arguments"], place, named={"name": item["name"]}
        )
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part(frame: str, kind: str, place: Json, part: Json) -> Iterator[Json]:
    field = "refusal" if kind == "refusal" else "text"
    yield {"type": f"response.{frame}.added", **place, "part": {**part, field: ""}}
    more: Json = {"logprobs": []} if kind == "output_text" else {}
    yield from _texts(_STEMS.get(kind, kind), field, part[field], place, more)
    yield {"type": f"response.{frame}.done", **place, "part": part}


def _texts(
    kind: str, field: str, text: str, place: Json, more: Json | None = None, named: Json | None = None
) -> Iterator[Json]:
    for half in (text[:6], text[6:]):
        yield {"type": f"response.{kind}.delta", **place, "delta": half, **(more or {})}
    yield {"type": f"response.{kind}.done", **place, field: text, **(more or {}), **(named or {})}


# --- errors, and what it was told ----------------------------------------------------------------------------------


def failed(body: Json) -> Json:
    """A response that failed, as a whole answer."""
    error = {"code": "server_error", "message": "The server had an error while processing your request."}
    return {**_opened(body), "status": "failed", "error": error}


def error_event(number: int, body: Json) -> bytes:
    """The event of a failure: flat ``error`` if it is the first, ``response.failed`` once there is a response."""
    if number == 0:
        return typed({"type": "error", "param": None, "sequence_number": 0, **failed(body)["error"]})
    return typed({"type": "response.failed", "response": failed(body), "sequence_number": number})


def sent(body: Json) -> Sent:
    """The turns before, as they reached OpenAI."""
    items = [item for item in body["input"] if isinstance(item, dict)] if isinstance(body["input"], list) else []
    calls = [
        Call(item["call_id"], item["name"], json.loads(item["arguments"]))
        for item in items
        if item.get("type") == "function_call"
    ]
    results = [(item["call_id"], _text(item["output"])) for item in items if item.get("type") == "function_call_output"]
    states = [item["encrypted_content"] for item in items if item.get("type") == "reasoning"]
    return Sent(tuple(calls), tuple(results), tuple(states))


def _text(output: Any) -> str:
    return output if isinstance(output, str) else "".join(part["text"] for part in output)
