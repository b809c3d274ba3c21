"""A client that asks as Codex CLI does, and reads as strictly (openai/codex: codex-api/src, protocol/src/models.rs)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
import msgspec
from backports import zstd
from checker import check_responses, parse_sse
from codex_items import Item, read_item, wire
from codex_tools import INSTRUCTIONS, TOOLS

Json = dict[str, Any]
Manner = Literal["codex", "verbatim", "stored"]
"""How a thread goes on: items without their ids, as Codex writes them; items as they came; ``previous_response_id``."""

SESSION = "0199a213-81c0-7800-8aa1-bbab2a035a53"
HEADERS = {
    "authorization": "Bearer k",
    "originator": "codex_cli_rs",
    "user-agent": "codex_cli_rs/0.147.0 (Debian 13.0.0; x86_64) xterm-256color",
    "version": "0.147.0",
    "session_id": SESSION,
    "thread_id": SESSION,
    "x-codex-turn-metadata": '{"turn_id":"1"}',
    "accept": "text/event-stream",
    "content-type": "application/json",
    "content-encoding": "zstd",
}
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    "OpenAI-Beta": "responses_websockets=2026-02-06",
    "originator": "codex_cli_rs",
}
_DELTAS = {
    "response.output_text.delta": "message",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
}


class _InputDetails(msgspec.Struct):
    cached_tokens: int


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int


class Usage(msgspec.Struct):
    """All that Codex reads of it."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class Completed(msgspec.Struct):
    """The end that Codex waits for."""

    id: str
    usage: Usage


@dataclass
class Answer:
    """One answer: its items as Codex holds them, and as they came."""

    headers: httpx2.Headers
    items: list[Item]
    came: list[Json]
    end: Completed


def refused_upgrade(url: str) -> tuple[int, str, float]:
    """Codex tries WebSocket first: the status, the ``Connection`` header, and the seconds until the socket closed."""
    began = time.monotonic()
    talk = HTTPConnection(urlsplit(url).netloc, timeout=20)
    talk.request("GET", "/v1/responses", headers=_UPGRADE)
    answer = talk.getresponse()
    answer.read()
    assert answer.will_close
    talk.close()
    return answer.status, answer.headers["connection"], time.monotonic() - began


@dataclass
class Codex:
    """One session. ``items``: its thread, as it goes into the next request."""

    url: str
    model: str
    manner: Manner
    http: httpx2.Client
    items: list[Json] = field(default_factory=list)
    previous: str | None = None

    def ask(self, new: list[Json]) -> Answer:
        """One streamed request; the answer joins the thread."""
        body = self._body(new)
        sent = self.http.post(
            f"{self.url}/v1/responses", content=zstd.compress(msgspec.json.encode(body)), headers=HEADERS
        )
        assert sent.status_code == 200, sent.text
        events = parse_sse(sent.content)
        check_responses(events, body)
        answer = Answer(sent.headers, *_read(events))
        self.previous = answer.end.id
        back = answer.came if self.manner == "verbatim" else [wire(item) for item in answer.items]
        self.items += [*new, *back]
        return answer

    def _body(self, new: list[Json]) -> Json:
        stored = self.manner == "stored"
        points = {"previous_response_id": self.previous} if stored and self.previous else {}
        return {
            "model": self.model,
            "instructions": INSTRUCTIONS,
            "input": new if stored else [*self.items, *new],
            "tools": TOOLS,
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "store": stored,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": SESSION,
            "text": {"verbosity": "low"},
            **points,
        }


def _read(events: list[Json]) -> tuple[list[Item], list[Json], Completed]:
    """The answer's items and its end. Raises for whatever would make Codex lose something, or ask again."""
    came: list[Json] = []
    active: Json | None = None
    for event in events:
        kind = event["type"]
        if kind == "response.output_item.added":
            assert active is None, "an item begins within another"
            active = event["item"]
            read_item(active)
        elif kind in _DELTAS:
            assert active is not None, f"{kind} without an active item"
            assert (active["id"], active["type"]) == (event["item_id"], _DELTAS[kind])
        elif kind == "response.output_item.done":
            assert active is not None, "an item ends that never began"
            active = None
            came.append(event["item"])
    assert active is None, "an item was announced and never done"
    assert events[-1]["type"] == "response.completed", events[-1]
    end = msgspec.convert(events[-1]["response"], Completed, strict=True)
    return [read_item(item) for item in came], came, end
