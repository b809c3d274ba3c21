"""An Anthropic upstream that only keeps prompt prefixes, by the vendor's rules (platform.claude.com, prompt caching).

A request is a row of blocks: tools, system, messages. A breakpoint (``cache_control`` on a block, or at the top level:
on the last block that can have one) keeps the prefix up to it, if that has ``minimum`` tokens. A later request reads the
longest kept prefix that ends at one of its breakpoints or at most ``LOOKBACK`` blocks before it. One changed byte in a
block makes another prefix. What is read, written and neither is told in the answer's usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate
from typing import Any, TypeAlias

from scripted import Answer, Asked, stream, whole

Json: TypeAlias = dict[str, Any]
LOOKBACK = 20
MARKS = 4
_NEVER_LAST = ("thinking", "redacted_thinking")


@dataclass(frozen=True)
class Reading:
    """The tokens of one request: together they are its input."""

    read: int
    written: int
    rest: int

    @property
    def input(self) -> int:
        return self.read + self.written + self.rest


@dataclass(frozen=True)
class _Block:
    text: bytes
    """What is compared: the whole block, its role, but no breakpoint."""
    marked: bool
    last: bool
    """May the automatic breakpoint stand here?"""

    @property
    def tokens(self) -> int:
        return max(len(self.text) // 4, 1)


@dataclass
class Simulator:
    """The upstream: give it to ``scripted.Upstream.reply``. ``calls``: how many answers call the tool before one ends."""

    minimum: int = 1024
    calls: int = 19
    kept: set[bytes] = field(default_factory=set)
    readings: list[Reading] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Answer:
        body = asked.body
        marks = list(_marks(body))
        if len(marks) > MARKS:
            message = "A maximum of 4 blocks with cache_control may be provided."
            return whole({"type": "error", "error": {"type": "invalid_request_error", "message": message}}, 400)
        reading = self._reading(body)
        self.readings.append(reading)
        return _stream(reading, self._says(body)) if body.get("stream") else whole(_whole(reading, self._says(body)))

    @property
    def share(self) -> float:
        """Of all input tokens so far, those that were read from the cache."""
        return sum(each.read for each in self.readings) / sum(each.input for each in self.readings)

    def _reading(self, body: Json) -> Reading:
        blocks = _blocks(body)
        sums = list(accumulate(block.tokens for block in blocks))
        hashes = list(accumulate((block.text for block in blocks), lambda a, b: sha256(a + b).digest(), initial=b""))[
            1:
        ]
        places = _places(body, blocks)
        found = [at for place in places for at in range(max(place - LOOKBACK, 0), place + 1) if hashes[at] in self.kept]
        read = sums[max(found)] if found else 0
        upto = max((sums[place] for place in places if sums[place] >= self.minimum), default=0)
        self.kept.update(hashes[place] for place in places if sums[place] >= self.minimum)
        return Reading(read, max(upto - read, 0), sums[-1] - max(upto, read))

    def _says(self, body: Json) -> list[Json]:
        """Thought (where that was asked for), then a call of the first tool, or the end."""
        number = sum(message["role"] == "assistant" for message in body["messages"])
        thinking = {"type": "thinking", "thinking": f"thought {number}", "signature": f"signature-{number}"}
        thought = [thinking] if "thinking" in body or "output_config" in body else []
        if number >= self.calls or not body.get("tools"):
            return [*thought, {"type": "text", "text": "All done."}]
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": body["tools"][0]["name"]}
        return [*thought, {"type": "text", "text": f"Step {number}."}, {**call, "input": {"path": f"src/{number}.py"}}]


def _marks(value: Any) -> Iterator[Any]:
    """Every breakpoint, wherever it stands but in a tool's schema or arguments."""
    if isinstance(value, list):
        for part in value:
            yield from _marks(part)
    elif isinstance(value, Mapping):
        if value.get("cache_control"):
            yield value["cache_control"]
        for name, part in value.items():
            if name not in ("input_schema", "input", "cache_control"):
                yield from _marks(part)


def _blocks(body: Json) -> list[_Block]:
    found = [_block("tool", tool) for tool in body.get("tools", [])]
    found += [_block("system", part) for part in _parts(body.get("system", []))]
    # The vendor drops the messages' cache, not that of tools and system, when these change.
    found += [_block("settings", {name: body.get(name) for name in ("tool_choice", "thinking")}, last=False)]
    for message in body["messages"]:
        found += [_block(message["role"], part) for part in _parts(message["content"])]
    return found


def _parts(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _block(role: str, part: Json, *, last: bool = True) -> _Block:
    bare = {name: value for name, value in part.items() if name != "cache_control"}
    text = json.dumps([role, bare], ensure_ascii=False).encode()
    may = last and part.get("type") not in _NEVER_LAST and part.get("text") != ""
    return _Block(text, bool(part.get("cache_control")), may)


def _places(body: Json, blocks: list[_Block]) -> list[int]:
    places = [at for at, block in enumerate(blocks) if block.marked]
    if body.get("cache_control"):
        places.append(max(at for at, block in enumerate(blocks) if block.last))
    return places


def _usage(reading: Reading) -> dict[str, int]:
    return {
        "input_tokens": reading.rest,
        "cache_creation_input_tokens": reading.written,
        "cache_read_input_tokens": reading.read,
    }


def _whole(reading: Reading, content: list[Json]) -> Json:
    reason = "tool_use" if content[-1]["type"] == "tool_use" else "end_turn"
    head = {"id": "msg_up", "type": "message", "role": "assistant", "model": "claude-up", "stop_reason": reason}
    return {**head, "stop_sequence": None, "content": content, "usage": {**_usage(reading), "output_tokens": 20}}


def _stream(reading: Reading, content: list[Json]) -> Answer:
    message = _whole(reading, content)
    fresh = {**message, "content": [], "stop_reason": None}
    events: list[Json] = [{"type": "message_start", "message": fresh}]
    for index, block in enumerate(content):
        first, *deltas = _told(block)
        events.append({"type": "content_block_start", "index": index, "content_block": first})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    events += [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}, {"type": "message_stop"}]
    return stream(*(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events))


def _told(block: Json) -> list[Json]:
    match block["type"]:
        case "text":
            return [{**block, "text": ""}, {"type": "text_delta", "text": block["text"]}]
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            return [
                {"type": "thinking", "thinking": "", "signature": ""},
                thought,
                {"type": "signature_delta", "signature": block["signature"]},
            ]
    return [{**block, "input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
