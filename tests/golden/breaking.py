"""A raw upstream on loopback that sends the first k bytes of an answer and then breaks off, in one of three ways."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from looped import looped

WAYS = ("eof", "fin", "rst")
"""``eof``: the body ends, as a server ends one that has no length; ``fin``: the connection is closed in the midst of a
chunked body; ``rst``: it is reset there."""
_SETTLES = 0.03
"""Seconds: what was sent must have been read, for a reset takes along what was not."""


@dataclass(frozen=True)
class Break:
    """What goes out, and how it ends."""

    body: bytes
    way: str


@dataclass
class Breaking:
    """``breaks``: first segment of a request's path -> what is answered there. ``url`` has no path."""

    url: str = ""
    breaks: dict[str, Break] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
            told = self.breaks[head.split(b" ")[1].decode().split("/")[1]]
            await _send(writer, told)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the proxy has closed its connection, as it may
        finally:
            writer.close()


async def _send(writer: asyncio.StreamWriter, told: Break) -> None:
    framing = b"connection: close" if told.way == "eof" else b"transfer-encoding: chunked"
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + framing + b"\r\n\r\n")
    if told.body:
        writer.write(told.body if told.way == "eof" else b"%x\r\n%b\r\n" % (len(told.body), told.body))
    await writer.drain()
    if told.way == "rst":
        await asyncio.sleep(_SETTLES)
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@contextmanager
def breaking() -> Iterator[Breaking]:
    """The upstream on a free port, in a thread of its own."""
    room, loop = Breaking(), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(room.serve, "127.0.0.1", 0))
    room.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with looped(loop, server):
        yield room
