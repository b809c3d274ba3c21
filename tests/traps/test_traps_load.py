"""Traps of time and of many at once, through the public door: G69, G70 of the list (G68: tests/faults/test_hang_up.py)."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from checker import check_chat, parse_sse
from heard import heard
from live import Live, serving
from road import FOUR, Road, build
from road import body as question
from scripted import Answer, Asked, stream
from vendors import DONE, Call, Says, chunk, data, events

PACE = 0.05
TOKENS = 30
"""One token every PACE seconds: far longer in all than any limit of ``HURRIED`` but less than its ``idle`` between two."""
HURRIED = "timeouts: {connect: 500ms, first_byte: 500ms, idle: 500ms, total: 500ms}"


async def _slow(scope: Any, receive: Any, send: Any) -> None:
    """A reasoning model at its own pace, or one that never says a word."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    async for event in _words() if "/talks/" in scope["path"] else _nothing():
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _words() -> AsyncIterator[bytes]:
    for n in range(TOKENS):
        await asyncio.sleep(PACE)
        yield data(chunk({"content": f"{n} "}))
    yield data(chunk({}, "stop"))
    yield DONE


async def _nothing() -> AsyncIterator[bytes]:
    await asyncio.sleep(3600)
    yield b""


def test_g69_a_slow_stream_lives_and_a_dead_one_is_found_out() -> None:
    with serving(_slow) as url:
        text = "\n".join(
            [
                "version: 1",
                "retries: {attempts: 1}",
                "backends:",
                *(
                    f"  {n}: {{provider: vllm, model: m, base_url: '{url}/{n}/v1', {HURRIED}}}"
                    for n in ("talks", "mute")
                ),
                "aliases: {talks: {use: [talks]}, mute: {use: [mute]}}",
            ]
        )
        with Live(text) as live:
            status, told = live.call(
                "POST", "/v1/chat/completions", json.dumps(question("chat", "talks", stream=True)).encode()
            )
            assert status == 200
            chunks = parse_sse(told.encode())
            check_chat(chunks, include_usage=False)
            said = "".join(choice["delta"].get("content") or "" for one in chunks for choice in one["choices"])
            assert said.split() == [str(n) for n in range(TOKENS)]
            status, told = live.call(
                "POST", "/v1/chat/completions", json.dumps(question("chat", "mute", stream=True)).encode()
            )
            assert status == 504
            assert "0.5 s" in told["error"]["message"]


# --- G70 -----------------------------------------------------------------------------------------------------------

STREAMS = 50


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("backend", FOUR)
def test_g70_fifty_streams_side_by_side_share_nothing(road: Road, backend: str, api: str) -> None:
    """Each has a sentinel of its own, half of them call tools; all answers stand open at the same time."""
    together = threading.Barrier(STREAMS)

    def says(n: int) -> Says:
        mark = f"sentinel-{n:03}"
        calls = (Call("keep", {"mark": mark}, f"call_{n:03}"),) if n % 2 else ()
        return Says((f"{mark} ", "and ", f"{mark}"), calls, input=100 + n, output=10 + n)

    def reply(asked: Asked) -> Answer:
        n = int(asked.raw.split(b"stream-")[1][:3])
        told = events(_dialect(asked.path), says(n))
        gate = threading.Event()
        threading.Thread(target=lambda: (together.wait(20), gate.set()), daemon=True).start()
        half = len(told) // 2
        return stream(*told[:half], gate, *told[half:])

    road.upstream.reply = reply
    tool = {"name": "keep", "parameters": {"type": "object", "properties": {"mark": {"type": "string"}}}}
    tools = [{"type": "function", **tool}] if api == "responses" else [{"type": "function", "function": tool}]

    def ask(n: int) -> None:
        text = f"stream-{n:03}"
        spoken = {"input": text} if api == "responses" else {"messages": [{"role": "user", "content": text}]}
        asked = question(api, backend, stream=True, tools=tools, **spoken)
        got = road.post(api, asked)
        assert got.status_code == 200, got.text
        exact = backend == "gpt" and api == "responses"
        told = heard(api, got.content, stream=True, asked=None if exact else asked)
        assert told.text == says(n).text
        assert told.calls == [(call.name, call.arguments) for call in says(n).calls]
        assert (told.usage["input"], told.usage["output"]) == (100 + n, 10 + n)
        foreign = [other for other in range(STREAMS) if other != n and f"sentinel-{other:03}".encode() in got.content]
        assert not foreign

    with ThreadPoolExecutor(STREAMS) as pool:
        list(pool.map(ask, range(STREAMS)))


def _dialect(path: str) -> str:
    """What the upstream was asked in."""
    if "generateContent" in path or "streamGenerateContent" in path:
        return "google_gemini"
    return {"messages": "anthropic_messages", "responses": "openai_responses"}.get(
        path.rpartition("/")[2], "openai_chat"
    )
