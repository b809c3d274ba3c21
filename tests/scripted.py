"""A raw upstream on loopback that answers exactly the bytes a test gives it, and keeps all that it was sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

PATIENCE = 20.0
"""Seconds that a gate may stay shut before the upstream goes on regardless."""


@dataclass(frozen=True)
class Asked:
    """One request. ``headers`` have lower-case names; ``head`` is the raw head, with the names as they came."""

    path: str
    headers: Mapping[str, str]
    raw: bytes
    head: bytes

    @property
    def body(self) -> Any:
        """The JSON that came."""
        return msgspec.json.decode(self.raw)


@dataclass(frozen=True)
class Answer:
    """``parts`` go out one HTTP chunk each; an Event among them is a gate: nothing further leaves before it is set."""

    parts: Sequence[bytes | threading.Event] = ()
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def whole(value: Any, status: int = 200, **headers: str) -> Answer:
    """One JSON body."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Answer([body], status, headers={name.replace("_", "-"): text for name, text in headers.items()})


def stream(*parts: bytes | threading.Event) -> Answer:
    """An event stream."""
    return Answer(parts, kind="text/event-stream")


Reply: TypeAlias = Callable[[Asked], Answer]


class Upstream:
    """``reply`` is asked for every request; ``asked`` are the requests so far. ``url`` has no path."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.reply: Reply = lambda _: whole({"error": {"message": "no script"}}, 500)
        self.url = ""

    def script(self, *answers: Answer) -> None:
        """These answers, in this order, and forget what was asked so far. The last one goes on for ever."""
        self.asked.clear()
        rest = list(answers)
        self.reply = lambda _: rest.pop(0) if len(rest) > 1 else rest[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await _read(reader)
                self.asked.append(asked)
                await _write(writer, self.reply(asked))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the proxy has closed its connection, as it may
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(first.split(" ")[1], headers, raw, head)


async def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    fields = {"content-type": answer.kind, "transfer-encoding": "chunked", **answer.headers}
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    for part in answer.parts:
        if isinstance(part, threading.Event):
            await asyncio.to_thread(part.wait, PATIENCE)
        elif part:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


@contextmanager
def scripted() -> Iterator[Upstream]:
    """The upstream on a free port, in a thread of its own."""
    upstream = Upstream()
    started, loop = threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()

    async def run() -> None:
        async with await asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=1 << 24) as server:
            upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            started.set()
            await ended.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def live() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    assert started.wait(PATIENCE), "the scripted upstream did not start"
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(PATIENCE)
