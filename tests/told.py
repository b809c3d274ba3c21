"""What a recording says, read off its JSON by eye and not by Turnout: text, calls, usage and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Finish = Literal["stop", "length", "tool_calls", "content_filter"]
COUNTS = ("input", "cached", "cache_write", "output", "reasoning", "total")


@dataclass
class Told:
    """One answer. ``calls`` are (name, arguments), decoded where they are JSON. ``usage`` has the counts of COUNTS that
    were told, by OpenAI's rules: what is cached is part of the input, what is reasoned part of the output."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    finish: Finish = "stop"


def arguments(text: str | None) -> Any:
    """A call's arguments; no text at all means no arguments."""
    return json.loads(text or "{}")


def counts(**told: int | None) -> dict[str, int]:
    return {name: value for name, value in told.items() if value is not None}


# --- Anthropic Messages --------------------------------------------------------------------------------------------

_STOPS: Mapping[str, Finish] = {
    "end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls", "max_tokens": "length",
    "refusal": "content_filter", "model_context_window_exceeded": "length",
}  # fmt: skip


def anthropic_whole(body: Json) -> Told:
    blocks = body["content"]
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    calls = [(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    return Told(text, calls, _anthropic_usage(body["usage"]), _STOPS[body["stop_reason"]])


def anthropic_stream(events: Sequence[Json]) -> Told:
    blocks: list[Json] = []
    body: Json = {"content": blocks, "usage": {}}
    for event in events:
        match event["type"]:
            case "message_start":
                body["usage"] |= event["message"]["usage"]
            case "content_block_start":
                blocks.append({**event["content_block"], "json": ""})
            case "content_block_delta":
                delta = event["delta"]
                blocks[-1]["text"] = blocks[-1].get("text", "") + delta.get("text", "")
                blocks[-1]["json"] += delta.get("partial_json", "")
            case "content_block_stop" if blocks[-1]["json"]:
                blocks[-1]["input"] = arguments(blocks[-1]["json"])
            case "message_delta":
                body["stop_reason"] = event["delta"]["stop_reason"]
                body["usage"] |= event["usage"]
    return anthropic_whole(body)


def _anthropic_usage(told: Json) -> dict[str, int]:
    read, written = told.get("cache_read_input_tokens") or 0, told.get("cache_creation_input_tokens") or 0
    total = told["input_tokens"] + read + written
    thought = (told.get("output_tokens_details") or {}).get("thinking_tokens")
    output = told["output_tokens"]
    return counts(input=total, cached=read, cache_write=written, output=output, reasoning=thought, total=total + output)


# --- Gemini --------------------------------------------------------------------------------------------------------


def google_whole(body: Json) -> Told:
    return google_stream([body])


def google_stream(frames: Sequence[Json]) -> Told:
    told = Told()
    usage: Json = {}
    for frame in frames:
        usage = frame.get("usageMetadata") or usage  # each is the whole count so far
        for candidate in frame.get("candidates") or []:
            for part in (candidate.get("content") or {}).get("parts") or []:
                told.text += "" if part.get("thought") else part.get("text", "")
                if "functionCall" in part:
                    _google_call(told, part["functionCall"])
            reason = candidate.get("finishReason", "STOP")
            told.finish = {"STOP": "stop", "MAX_TOKENS": "length"}.get(reason, "content_filter")  # type: ignore[assignment]
        if (frame.get("promptFeedback") or {}).get("blockReason"):
            told.finish = "content_filter"
    if told.calls and told.finish == "stop":
        told.finish = "tool_calls"
    told.usage = _google_usage(usage)
    return told


def _google_call(told: Told, call: Json) -> None:
    if "name" in call:
        told.calls.append((call["name"], call.get("args") or {}))
    for piece in call.get("partialArgs", []):  # the recordings' paths are all of one name: $.name
        so_far, name = told.calls[-1][1], piece["jsonPath"].removeprefix("$.")
        so_far[name] = so_far.get(name, "") + piece["stringValue"]


def _google_usage(told: Json) -> dict[str, int]:
    thought = told.get("thoughtsTokenCount")
    if "promptTokenCount" not in told:
        return {}
    return counts(
        input=told["promptTokenCount"] + told.get("toolUsePromptTokenCount", 0),
        cached=told.get("cachedContentTokenCount"),
        output=told.get("candidatesTokenCount", 0) + (thought or 0),
        reasoning=thought,
        total=told.get("totalTokenCount"),
    )


# --- OpenAI chat ---------------------------------------------------------------------------------------------------


def chat_whole(body: Json) -> Told:
    message, choice = body["choices"][0]["message"], body["choices"][0]
    calls = [_chat_call(call) for call in message.get("tool_calls") or []]
    return Told(
        _chat_text(message.get("content")), calls, _chat_usage(body.get("usage")), _chat_finish(choice, bool(calls))
    )


def chat_stream(chunks: Sequence[Json]) -> Told:
    told, calls = Told(), dict[int, Json]()
    usage: Json | None = None
    for chunk in chunks:
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage") or usage
        for choice in chunk.get("choices") or []:
            told.text += _chat_text(choice["delta"].get("content"))
            for call in choice["delta"].get("tool_calls") or []:
                _grow(calls, call)
            if choice.get("finish_reason"):
                told.finish = _chat_finish(choice, bool(calls))
    told.calls = [_chat_call(call) for call in calls.values()]
    told.usage = _chat_usage(usage)
    return told


def _grow(calls: dict[int, Json], piece: Json) -> None:
    call = calls.setdefault(piece.get("index", 0), {})
    for kind in {"function", "custom"} & piece.keys():
        inner = call.setdefault(kind, {"name": "", "arguments": "", "input": ""})
        for name in inner:
            inner[name] += piece[kind].get(name) or ""


def _chat_call(call: Json) -> tuple[str, Any]:
    if "custom" in call:
        return call["custom"]["name"], call["custom"]["input"]
    return call["function"]["name"], arguments(call["function"].get("arguments"))


def _chat_text(content: Any) -> str:
    """Mistral's content may be a list of parts, thoughts among them."""
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if part["type"] == "text")
    return content or ""


def _chat_finish(choice: Json, calls: bool) -> Finish:
    reason = choice["finish_reason"]
    return "tool_calls" if calls and reason in ("stop", "tool_calls") else reason


def _chat_usage(told: Json | None) -> dict[str, int]:
    if told is None:
        return {}
    read, written = told.get("prompt_tokens_details") or {}, told.get("completion_tokens_details") or {}
    return counts(
        input=told["prompt_tokens"],
        cached=read.get("cached_tokens"),
        cache_write=read.get("cache_write_tokens"),
        # Gemini's chat endpoint tells its thoughts in the total alone.
        output=max(told["completion_tokens"], told["total_tokens"] - told["prompt_tokens"]),
        reasoning=written.get("reasoning_tokens"),
        total=told["total_tokens"],
    )


# --- OpenAI Responses ----------------------------------------------------------------------------------------------


def responses_whole(body: Json) -> Told:
    return _response(body["output"], body)


def responses_stream(events: Sequence[Json]) -> Told:
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    told = _response(items, events[-1]["response"])
    deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    if deltas:
        told.text = deltas
    return told


def _response(items: Sequence[Json], body: Json) -> Told:
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    calls = [(item["name"], arguments(item["arguments"])) for item in items if item["type"] == "function_call"]
    calls += [(item["name"], item["input"]) for item in items if item["type"] == "custom_tool_call"]
    usage = body.get("usage") or {}
    counted = usage and counts(
        input=usage["input_tokens"],
        cached=(usage.get("input_tokens_details") or {}).get("cached_tokens"),
        cache_write=(usage.get("input_tokens_details") or {}).get("cache_write_tokens"),
        output=usage["output_tokens"],
        reasoning=(usage.get("output_tokens_details") or {}).get("reasoning_tokens"),
        total=usage["total_tokens"],
    )
    return Told("".join(part.get("text", "") for part in parts), calls, counted or {}, _status(body, bool(calls)))


def _status(body: Json, calls: bool) -> Finish:
    if body["status"] == "incomplete":
        return "content_filter" if body["incomplete_details"]["reason"] == "content_filter" else "length"
    return "tool_calls" if calls else "stop"


WHOLE: Mapping[str, Callable[[Json], Told]] = {
    "anthropic_messages": anthropic_whole,
    "google_gemini": google_whole,
    "openai_chat": chat_whole,
    "openai_responses": responses_whole,
}
STREAM: Mapping[str, Callable[[Sequence[Json]], Told]] = {
    "anthropic_messages": anthropic_stream,
    "google_gemini": google_stream,
    "openai_chat": chat_stream,
    "openai_responses": responses_stream,
}
"""dialect -> how to read a recording of it."""
