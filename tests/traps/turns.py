"""A client's side of a tool loop: what it sends back of an answer, in chat, Responses and Messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from checker import parse_sse
from vendors import Json

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
QUESTION = "Weather in Rome and Oslo?"


def opening(api: str) -> Json:
    """The first turn: a question, a tool, and reasoning asked for."""
    if api == "responses":
        tool: Json = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}
        include = {"store": False, "include": ["reasoning.encrypted_content"]}
        asks = {"reasoning": {"effort": "medium", "summary": "auto"}, **include}
        return {"input": [{"role": "user", "content": QUESTION}], "tools": [tool], **asks}
    messages = [{"role": "user", "content": QUESTION}]
    if api == "messages":
        tool = {"name": "weather", "input_schema": PARAMETERS}
        return {"messages": messages, "tools": [tool], "max_tokens": 4000, "output_config": {"effort": "medium"}}
    tool = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
    return {"messages": messages, "tools": [tool], "reasoning_effort": "medium"}


def next_turn(api: str, asked: Json, answer: Json, *, keep: Callable[[Json], Json] = lambda turn: turn) -> Json:
    """``asked``, gone on: the assistant's turn (each of its items or messages through ``keep``) and its results."""
    field = "input" if api == "responses" else "messages"
    return {**asked, field: [*asked[field], *_ECHO[api](answer, keep)]}


def read(api: str, body: bytes, *, stream: bool) -> Json:
    """The whole answer, however it came."""
    if not stream:
        found: Json = json.loads(body)
        return found
    return _READ[api](parse_sse(body, done=api != "messages"))


def _of_responses(events: list[Json]) -> Json:
    told: Json = events[-1]["response"]
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert items == told["output"]
    return told


def _of_chat(chunks: list[Json]) -> Json:
    message: Json = {"role": "assistant", "content": None}
    calls: dict[int, Json] = {}
    for delta in (choice["delta"] for chunk in chunks for choice in chunk["choices"]):
        for name in ("content", "reasoning_content"):
            if delta.get(name):
                message[name] = (message.get(name) or "") + delta[name]
        for piece in delta.get("tool_calls") or ():
            call = calls.setdefault(piece["index"], {"id": piece.get("id"), "type": "function", "function": {}})
            for name, text in piece["function"].items():
                call["function"][name] = call["function"].get(name, "") + text
    return {"choices": [{"message": {**message, "tool_calls": list(calls.values())}}]}


def _of_messages(events: list[Json]) -> Json:
    blocks: list[Json] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            for name, text in event["delta"].items():
                if name not in ("type", "citation"):
                    blocks[-1][name] = blocks[-1].get(name, "") + text
    for block in blocks:
        if "partial_json" in block:
            block["input"] = json.loads(block.pop("partial_json") or "{}")
    return {"content": blocks}


_READ: Mapping[str, Callable[[list[Json]], Json]] = {
    "chat": _of_chat,
    "responses": _of_responses,
    "messages": _of_messages,
}


def _echo_responses(answer: Json, keep: Callable[[Json], Json]) -> list[Json]:
    calls = [item["call_id"] for item in answer["output"] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": id_, "output": f"result of {id_}"} for id_ in calls]
    return [*map(keep, answer["output"]), *results]


def _echo_chat(answer: Json, keep: Callable[[Json], Json]) -> list[Json]:
    message = keep(answer["choices"][0]["message"])
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"result of {call['id']}"}
        for call in message["tool_calls"]
    ]
    return [message, *results]


def _echo_messages(answer: Json, keep: Callable[[Json], Json]) -> list[Json]:
    turn = keep({"role": "assistant", "content": answer["content"]})
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": f"result of {block['id']}"}
        for block in turn["content"]
        if block["type"] == "tool_use"
    ]
    return [turn, {"role": "user", "content": results}]


_ECHO: Mapping[str, Callable[[Json, Callable[[Json], Json]], list[Json]]] = {
    "chat": _echo_chat,
    "responses": _echo_responses,
    "messages": _echo_messages,
}


def plain(turn: Json) -> Json:
    """An SDK's minimum: of a chat message role, content and tool_calls alone; other dialects keep what they got."""
    if "tool_calls" not in turn:
        return turn
    return {name: turn[name] for name in ("role", "content", "tool_calls")}


def without_nulls(value: Any) -> Any:
    """What an SDK sends of what it received: nothing that was null."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value
