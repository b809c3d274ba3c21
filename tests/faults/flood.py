"""An upstream that streams as much as it is let, as fast as it is read: the model's name is how many MiB, then what.

``50-end`` ends as an answer does, ``1-stall`` says no more.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
from chaos import word
from looped import looped

_EVENT = word("x" * 16_000)
EVENTS = 64
"""In a MiB, roughly."""
_END = word("", "stop") + b"data: [DONE]\n\n"


@dataclass
class Sent:
    """One answer: its events that the proxy has taken, and when it hung up (monotonic seconds)."""

    model: str
    events: int = 0
    gone: float | None = None


@dataclass
class Flood:
    url: str = ""
    sent: list[Sent] = field(default_factory=list)


@contextmanager
def flood() -> Iterator[Flood]:
    """The upstream on a free loopback port, in a thread of its own; ``url`` has no path."""
    room, loop = Flood(), asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    room.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await _answer(room, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it hung up, or we end
        finally:
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, sock=listener))
    with looped(loop, server):
        yield room


async def _answer(room: Flood, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    sent = Sent(msgspec.json.decode(await reader.readexactly(length))["model"])
    room.sent.append(sent)
    size, _, then = sent.model.partition("-")
    try:
        await _stream(sent, writer, int(size) * EVENTS)
        if then == "stall":
            await reader.read()
    finally:
        sent.gone = time.monotonic()
    writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(_END), _END))


async def _stream(sent: Sent, writer: asyncio.StreamWriter, events: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT)
    for _ in range(events):
        writer.write(chunk)
        await writer.drain()
        sent.events += 1
