"""The invariants of a streamed chat completion; ``checker.py`` is the door to all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from checker_words import check_usage, must

Event = dict[str, Any]

FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}


class _Choice:
    def __init__(self) -> None:
        self.finish: str | None = None
        self.tools: list[Event] = []


def check_chat(chunks: Sequence[Event], *, include_usage: bool, done: bool = True) -> None:
    """Every chunk of one streamed chat completion. ``done``: False where it must end with an error instead."""
    must(chunks, "the stream is empty")
    body = list(chunks)
    if not done:
        must("error" in body[-1], "the stream broke off without an error")
        must(body.pop()["error"].get("message"), "an error without a message")
    must(not any("error" in chunk for chunk in body), "an error in the midst of the stream")
    for field in ("id", "created", "model", "object"):
        must(len({chunk.get(field) for chunk in body}) <= 1, f"{field} changes between chunks")
    for chunk in body:
        must(chunk["object"] == "chat.completion.chunk", f"object is {chunk['object']!r}")
        must(chunk.get("id") and isinstance(chunk["created"], int), "a chunk without an id or a time")
    _check_usage_chunk(body, include_usage=include_usage and done)
    choices: dict[int, _Choice] = {}
    for chunk in body:
        for choice in chunk["choices"]:
            _see_choice(choices, choice)
    finished = [choice.finish for choice in choices.values()]
    must(None not in finished if done else None in finished or not finished, f"finish reasons are {finished}")
    must(choices or not done, "no choice was told")
    for choice in choices.values():
        _check_calls(choice)


def _check_usage_chunk(chunks: Sequence[Event], *, include_usage: bool) -> None:
    told = [index for index, chunk in enumerate(chunks) if chunk.get("usage") is not None]
    empty = [index for index, chunk in enumerate(chunks) if not chunk["choices"]]
    wanted = [len(chunks) - 1] if include_usage else []
    must(told == wanted, f"usage on chunks {told}, expected on {wanted} of {len(chunks)}")
    must(empty == wanted, f"empty choices on chunks {empty}, expected on {wanted} of {len(chunks)}")
    for index in told:
        read, written = ("prompt_tokens", "cached_tokens"), ("completion_tokens", "reasoning_tokens")
        check_usage(chunks[index]["usage"], read, written)


def _see_choice(choices: dict[int, _Choice], told: Mapping[str, Any]) -> None:
    index, delta = told["index"], told["delta"]
    first = index not in choices
    choice = choices.setdefault(index, _Choice())
    must(choice.finish is None, f"choice {index} goes on after its finish_reason")
    must(
        (delta.get("role") == "assistant") if first else not delta.get("role"), f"choice {index}: role first, and once"
    )
    for call in delta.get("tool_calls") or []:
        _see_call(choice, call)
    if told.get("finish_reason") is not None:
        must(told["finish_reason"] in FINISHES, f"finish_reason {told['finish_reason']!r} is not one of OpenAI's")
        choice.finish = told["finish_reason"]


def _see_call(choice: _Choice, call: Mapping[str, Any]) -> None:
    index, field = call["index"], "custom" if "custom" in call else "function"
    inner = call.get(field) or {}
    text = inner.get("arguments") or inner.get("input") or ""
    if index == len(choice.tools):
        # The SDK's chunk type has no word for a custom call, whose type may therefore be left out.
        typed = call.get("type") == field or (field == "custom" and "type" not in call)
        must(call.get("id") and typed and inner.get("name"), f"call {index}: id, type, name come first")
        must(all(call["id"] != other["id"] for other in choice.tools), f"two calls have the id {call['id']}")
        choice.tools.append({"id": call["id"], "type": field, "text": text})
        return
    must(0 <= index < len(choice.tools), f"call index {index} where {len(choice.tools)} is next")
    must(not call.get("id") and not inner.get("name"), f"call {index}: id and name are told once")
    choice.tools[index]["text"] += text


def _check_calls(choice: _Choice) -> None:
    if choice.finish in {"stop", "tool_calls"}:
        must((choice.finish == "tool_calls") == bool(choice.tools), f"{choice.finish} with {len(choice.tools)} calls")
    for call in choice.tools:
        if call["type"] == "function" and choice.finish in {"stop", "tool_calls"}:
            try:
                json.loads(call["text"])
            except ValueError:
                must(False, f"the arguments of {call['id']} are not JSON: {call['text']!r}")
