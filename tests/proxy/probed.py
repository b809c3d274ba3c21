"""A model server that can be bad at one thing at a time, for the probe; it speaks chat, whole answers only."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from scripted import Answer, Asked, whole


@dataclass
class Model:
    """What it can do. ``reads``: tokens (words) after which the start of a prompt is lost without a word;
    ``context``: tokens after which it refuses. ``refuses``: a field of the request that is a 400 to it."""

    tools: bool = True
    valid_arguments: bool = True
    forced: bool = True
    schema: bool = True
    sees: bool = True
    stops: bool = True
    limits: bool = True
    reads: int | None = None
    context: int | None = None
    refuses: str | None = None
    tells_usage: bool = True
    pages: dict[str, Any] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    """Requests, by their number, that end in a 500."""
    asked: int = 0

    def __call__(self, asked: Asked) -> Answer:
        if not asked.path.endswith("/chat/completions"):
            page = self.pages.get(asked.path)
            return whole(page) if page is not None else whole({"error": {"message": "no such page"}}, 404)
        self.asked += 1
        body = asked.body
        if self.asked in self.broken:
            return whole({"error": {"message": "out of memory"}}, 500)
        if self.refuses is not None and body.get(self.refuses) is not None:
            return whole({"error": {"message": f"{self.refuses} is not supported", "type": "invalid_request"}}, 400)
        words = _text(body).split()
        if self.context is not None and len(words) > self.context:
            message = f"This model's maximum context length is {self.context} tokens."
            return whole({"error": {"message": message, "code": 400}}, 400)
        return whole(self._answer(body, words))

    def _answer(self, body: Any, words: list[str]) -> Any:
        read = words if self.reads is None else words[-self.reads :]
        message, finish = self._message(body, " ".join(read))
        found = {"id": "c", "object": "chat.completion", "model": "m", "created": 1}
        found["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
        if self.tells_usage:
            found["usage"] = {"prompt_tokens": len(read), "completion_tokens": 5, "total_tokens": len(read) + 5}
        return found

    def _message(self, body: Any, read: str) -> tuple[dict[str, Any], str]:
        calls = self._calls(body, read)
        if calls:
            return {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"
        text = self._said(body, read)
        for stop in (body.get("stop") or []) if self.stops else []:
            text = text.partition(stop)[0]
        limit = body.get("max_tokens") if self.limits else None
        cut = limit is not None and limit < 64
        return {
            "role": "assistant",
            "content": " ".join(text.split()[:5]) if cut else text,
        }, "length" if cut else "stop"

    def _calls(self, body: Any, read: str) -> list[Any]:
        tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or []}
        choice = body.get("tool_choice") or "auto"
        if not tools or not self.tools or any(turn["role"] == "tool" for turn in body["messages"]):
            return []
        if choice != "auto" and not self.forced:
            return []
        if choice == "auto" and "Good morning" in read:
            return []
        name = choice["function"]["name"] if isinstance(choice, dict) else next(iter(tools))
        times = 2 if "parallel" in read and body.get("parallel_tool_calls") is not False else 1
        arguments = json.dumps(_filled(tools[name]["parameters"])) if self.valid_arguments else '{"oops": tru'
        call = {"type": "function", "function": {"name": name, "arguments": arguments}}
        return [{"id": f"call_{at}", **call} for at in range(times)]

    def _said(self, body: Any, read: str) -> str:
        if body.get("response_format"):
            return json.dumps(_filled(body["response_format"]["json_schema"]["schema"])) if self.schema else "Lisbon."
        colour = _colour(body) if self.sees else "red"
        if colour is not None and "picture" in read:
            return colour.capitalize() + "."
        if found := re.search(r"Count to (\d+)", read):
            return " ".join(map(str, range(1, int(found[1]) + 1)))
        if found := re.search(r"The code word is (\w+)", read):
            return found[1]
        results = [turn["content"] for turn in body["messages"] if turn["role"] == "tool"]
        return f"It says {results[0]}" if results else "Hello!"


def _text(body: Any) -> str:
    said = []
    for turn in body["messages"]:
        content = turn.get("content") or ""
        said += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return " ".join(said)


def _colour(body: Any) -> str | None:
    """What a seeing model sees: the pictures are the probe's own."""
    from proxy.probing.answers import _COLOURS, png

    parts = [part for turn in body["messages"] if isinstance(turn.get("content"), list) for part in turn["content"]]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    if not urls:
        return None
    import base64

    data = base64.b64decode(urls[0].partition(",")[2])
    return next((name for name, rgb in _COLOURS.items() if png(*rgb) == data), None)


def _filled(schema: Any) -> Any:
    """The smallest value that the schema takes."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: _filled(inner) for name, inner in schema.get("properties", {}).items()}
    return {"string": "x", "number": 1, "integer": 1, "boolean": True, "array": ["x"]}[schema.get("type", "string")]
