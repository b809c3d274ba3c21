"""What an upstream was told of tools, read off its own dialect by eye and not by Turnout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vendors import Json


@dataclass
class Sent:
    """Tools as (name, schema), calls as (name, arguments as JSON text, unspaced), results as (call's id, text)."""

    tools: list[tuple[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    results: list[tuple[str | None, str]] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    choice: Any = None
    parallel: bool | None = None

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.tools]


def read(dialect: str, body: Json) -> Sent:
    """The tools of a request body in ``dialect``."""
    sent = Sent()
    {"anthropic_messages": _claude, "google_gemini": _gemini, "openai_chat": _chat, "openai_responses": _responses}[
        dialect
    ](sent, body)
    return sent


def text(value: Any) -> str:
    """JSON as written, without needless white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _words(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content or [] if "text" in part)


def _claude(sent: Sent, body: Json) -> None:
    for tool in body.get("tools", []):
        sent.tools.append((tool["name"], tool["input_schema"]))
        sent.descriptions.append(tool.get("description", ""))
    sent.choice = {**(body.get("tool_choice") or {})} or None
    if sent.choice is not None and "disable_parallel_tool_use" in sent.choice:
        sent.parallel = not sent.choice.pop("disable_parallel_tool_use")
    for block in _claude_blocks(body):
        if block["type"] == "tool_use":
            sent.calls.append((block["name"], text(block["input"])))
            sent.ids.append(block["id"])
        elif block["type"] == "tool_result":
            sent.results.append((block["tool_use_id"], _words(block.get("content"))))


def _claude_blocks(body: Json) -> Iterator[Json]:
    for turn in body["messages"]:
        if isinstance(turn["content"], list):
            yield from turn["content"]


def _gemini(sent: Sent, body: Json) -> None:
    for entry in body.get("tools", []):
        for tool in entry["functionDeclarations"]:
            sent.tools.append((tool["name"], tool.get("parametersJsonSchema")))
            sent.descriptions.append(tool.get("description", ""))
    sent.choice = (body.get("toolConfig") or {}).get("functionCallingConfig")
    for part in (part for content in body["contents"] for part in content["parts"]):
        if "functionCall" in part:
            sent.calls.append((part["functionCall"]["name"], text(part["functionCall"]["args"])))
            sent.ids.append(part["functionCall"].get("id"))
        elif "functionResponse" in part:
            told = part["functionResponse"]
            sent.results.append((told.get("id"), "".join(map(str, told["response"].values()))))


def _chat(sent: Sent, body: Json) -> None:
    for tool in body.get("tools", []):
        told = tool[tool["type"]]
        sent.tools.append((told["name"], told.get("parameters")))
        sent.descriptions.append(told.get("description", ""))
    sent.choice, sent.parallel = body.get("tool_choice"), body.get("parallel_tool_calls")
    for message in body["messages"]:
        for call in message.get("tool_calls") or []:
            told = call[call["type"]]
            sent.calls.append((told["name"], told.get("arguments", told.get("input"))))
            sent.ids.append(call["id"])
        if message["role"] == "tool":
            sent.results.append((message["tool_call_id"], _words(message["content"])))


def _responses(sent: Sent, body: Json) -> None:
    for tool in body.get("tools", []):
        sent.tools.append((tool["name"], tool.get("parameters")))
        sent.descriptions.append(tool.get("description", ""))
    sent.choice, sent.parallel = body.get("tool_choice"), body.get("parallel_tool_calls")
    for item in body["input"] if isinstance(body["input"], list) else []:
        kind = item.get("type", "message")
        if kind in ("function_call", "custom_tool_call"):
            sent.calls.append((item["name"], item.get("arguments", item.get("input"))))
            sent.ids.append(item["call_id"])
        elif kind.endswith("_output"):
            sent.results.append((item["call_id"], _words(item["output"])))
