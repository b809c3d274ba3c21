"""The engine on paper behind a socket: OpenAI chat as a stream, and vLLM's gauges, which can be made to fail."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from live import serving
from vllm_engine import Engine, Request

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Gauges = Literal["ok", "hang", "error", "garbage", "frozen"]

TICK = 0.01


class Sim:
    """An ASGI application. ``gauges`` says how its metrics endpoint behaves; ``readings`` counts who asked."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.gauges: Gauges = "ok"
        self.readings = 0
        self.used: list[tuple[float, float]] = []
        """Monotonic time, share of the seats in use."""
        self._frozen = ""
        self._ticking: asyncio.Task[None] | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if self._ticking is None:
            self._ticking = asyncio.get_running_loop().create_task(self._tick())
        if scope["path"] == "/metrics":
            await self._metrics(send)
        elif scope["path"] == "/v1/chat/completions":
            await self._chat(receive, send)
        else:
            await _answer(send, 404, b"")

    async def _tick(self) -> None:
        self.engine.now = time.monotonic()
        while True:
            await asyncio.sleep(TICK)
            self.engine.step(time.monotonic())
            self.used.append((self.engine.now, len(self.engine.running) / self.engine.seats))

    async def _metrics(self, send: Send) -> None:
        self.readings += 1
        page = self.engine.metrics()
        match self.gauges:
            case "hang":
                await asyncio.sleep(30)
            case "error":
                await _answer(send, 500, b"down")
                return
            case "garbage":
                page = 'vllm:num_requests_running{x="} NaN\n\xff\x00 vllm:num_requests_waiting -1\n' * 2_000
            case "frozen":
                page = self._frozen or page
            case "ok":
                self._frozen = page
        await _answer(send, 200, page.encode("latin-1"))

    async def _chat(self, receive: Receive, send: Send) -> None:
        asked = await _body(receive)
        tokens = len(asked["messages"][-1]["content"]) // 4
        request = self.engine.submit(tokens, asked.get("max_tokens") or 50)
        try:
            if asked.get("stream"):
                await self._stream(request, send)
            else:
                await self._until(lambda: request.ended is not None)
                usage = _usage(request)
                await _answer(send, 200, msgspec.json.encode({**_chunk({}, "stop"), "usage": usage}))
        finally:
            if request.ended is None:
                self.engine.drop(request)

    async def _stream(self, request: Request, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._until(lambda: request.first is not None)
        await _event(send, _chunk({"role": "assistant", "content": "word "}))
        await self._until(lambda: request.ended is not None)
        await _event(send, _chunk({"content": "end"}, "stop"))
        await _event(send, {**_chunk({}), "choices": [], "usage": _usage(request)})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(TICK)


class Cloud:
    """A fast upstream that is never full: its first token after ``start`` seconds."""

    def __init__(self, start: float = 0.1) -> None:
        self.start = start
        self.asked = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.asked += 1
        await _body(receive)
        await asyncio.sleep(self.start)
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _event(send, _chunk({"role": "assistant", "content": "cloudy"}))
        await _event(send, _chunk({}, "stop"))
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "message": {"role": "assistant", "content": "word"}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _usage(request: Request) -> dict[str, int]:
    total = request.tokens + request.output
    return {"prompt_tokens": request.tokens, "completion_tokens": request.output, "total_tokens": total}


async def _event(send: Send, value: dict[str, Any]) -> None:
    data = b"data: " + msgspec.json.encode(value) + b"\n\n"
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _answer(send: Send, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> Any:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return msgspec.json.decode(body)


@contextmanager
def simulated(engine: Engine, cloud: Cloud) -> Iterator[tuple[Sim, str, str]]:
    """Both on loopback: the engine, its URL and the cloud's."""
    sim = Sim(engine)
    with contextlib.ExitStack() as stack:
        yield sim, stack.enter_context(serving(sim)), stack.enter_context(serving(cloud))


def config(local: str, cloud: str, target: str | None, more: str = "") -> str:
    """A proxy.yaml with the engine as ``oss``, the cloud as ``cloud`` and the alias ``auto`` over both."""
    aim = f", ttft_target: {target}" if target else ""
    return f"""version: 1
backends:
  oss:   {{provider: vllm, base_url: "{local}/v1", model: m, local: true{more}}}
  cloud: {{provider: openai, dialect: openai_chat, base_url: "{cloud}/v1", model: gpt-5.2, credential: sk-simulated-cloud}}
guards:
  - {{when: {{data_class: restricted}}, only: {{local: true}}}}
aliases:
  auto: {{policy: spread{aim}}}
policies:
  spread: {{rules: [{{use: [oss, cloud]}}]}}
"""
