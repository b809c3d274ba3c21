"""A raw asyncio upstream, exact to the byte: it speaks chat completions and misbehaves as the model's name says. Other
faults and dialects: ``chaos_plays``."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
from looped import looped

WORDS = ["Hello", " from", " the", " chaos", " room", "."]
STEP = 0.05
"""Seconds between the words of ``slow``."""
HTML = b"<html><body><h1>It works!</h1></body></html>"
SECRET = "secret-of-the-upstream"
"""Stands in bodies that no client may see."""


@dataclass
class Seen:
    """One request, as it came in. Times are monotonic seconds; ``gone`` is when the peer closed before the answer's
    end, None when it did not."""

    model: str
    stream: bool
    connection: int
    at: float
    head: bytes = b""
    """The request line and the headers."""
    number: int = 0
    """How many came before it."""
    gone: float | None = None
    finished: bool = False
    jammed: bool = False
    """Of ``flood``: nobody takes what is sent."""


@dataclass
class Chaos:
    """What the upstream saw; ``url`` has no path."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    """Of these, how many stand now."""
    release: bool = False
    """Lets the answers of ``held`` come to their end."""
    plays: Mapping[str, Play] = field(default_factory=lambda: PLAYS)
    """model -> what it does."""
    calm: str | None = None
    """What ``mixed`` does from now on, every time."""

    def of(self, model: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.model == model]


_GEMINI = re.compile(rb"/models/([a-z0-9.-]+):(stream)?[gG]enerateContent")
"""Google's path names the model and whether it is to stream."""
Play: TypeAlias = Callable[["Wire", Seen], Awaitable[None]]


@contextmanager
def chaos(plays: Mapping[str, Play] | None = None) -> Iterator[Chaos]:
    """The upstream on a free loopback port, in a thread of its own. ``plays``: instead of PLAYS."""
    room = Chaos() if plays is None else Chaos(plays=plays)
    loop = asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    room.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = loop.run_until_complete(loop.create_server(lambda: Wire(room), sock=listener))
    with looped(loop, server):
        yield room


class Wire(asyncio.Protocol):
    """One connection: requests in, one fault each."""

    def __init__(self, room: Chaos) -> None:
        self.room = room
        self._buffer = b""
        self._now: Seen | None = None
        self._play: asyncio.Task[None] | None = None
        self.gone = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        # asyncio does this only for sockets that name their protocol, and ``create_server``'s does not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.room.connections += 1
        self.room.open += 1
        self._number = self.room.connections

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        self._begin(msgspec.json.decode(rest[:length]) if length else {}, head)

    def _begin(self, body: dict[str, Any], head: bytes) -> None:
        named = _GEMINI.search(head)
        model = named[1].decode() if named else body.get("model", "")
        stream = named[2] is not None if named else body.get("stream") is True
        seen = Seen(model, stream, self._number, time.monotonic(), head, len(self.room.seen))
        self.room.seen.append(seen)
        self._now = seen
        self._play = asyncio.get_running_loop().create_task(self._run(seen))

    async def _run(self, seen: Seen) -> None:
        await self.room.plays[seen.model](self, seen)
        seen.finished = True

    def eof_received(self) -> bool:
        self._left()
        return False

    def connection_lost(self, _: Exception | None) -> None:
        self.room.open -= 1
        self._left()

    def _left(self) -> None:
        if self._now is not None and not self._now.finished and self._now.gone is None:
            self._now.gone = time.monotonic()
        self.gone.set()

    def send(self, data: bytes) -> None:
        if not self.gone.is_set():
            self._transport.write(data)

    def close(self) -> None:
        """FIN, after what was sent."""
        self._transport.close()

    def reset(self) -> None:
        """RST."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def head(self, status: int, kind: str, length: int | None = None, *more: str) -> None:
        size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        self.send("\r\n".join([f"HTTP/1.1 {status} X", f"content-type: {kind}", size, *more, "", ""]).encode())

    def whole(self, status: int, body: bytes, kind: str = "application/json", *more: str) -> None:
        self.head(status, kind, len(body), *more)
        self.send(body)

    def chunk(self, data: bytes) -> None:
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def last(self) -> None:
        self.send(b"0\r\n\r\n")


def event(value: object) -> bytes:
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def word(text: str, finish: str | None = None) -> bytes:
    """One chat chunk."""
    delta = {"content": text} if finish is None else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({**_HEAD, "object": "chat.completion.chunk", "choices": [choice]})


_HEAD = {"id": "chatcmpl-chaos", "created": 1_800_000_000, "model": "chaos"}
_USAGE = {"prompt_tokens": 7, "completion_tokens": len(WORDS), "total_tokens": 7 + len(WORDS)}
_ROLE = event(
    {
        **_HEAD,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}],
    }
)
_END = (
    word("", "stop")
    + event({**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    + b"data: [DONE]\n\n"
)
_WHOLE = msgspec.json.encode(
    {
        **_HEAD,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(WORDS)}, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
)


def error(message: str, kind: str, code: object = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


OVERLOADED = error("The engine is overloaded", "overloaded_error", 503)


def _status(status: int, body: bytes, kind: str = "application/json", *more: str) -> Play:
    async def play(wire: Wire, seen: Seen) -> None:
        wire.whole(status, body, kind, *more)

    return play


def _stream(*parts: bytes, then: str = "end", pause: float = 0.0) -> Play:
    """The events, then: ``end`` (whole), ``eof`` (a clean end of the body without the answer's), ``fin``, ``rst``,
    ``stall``. A whole answer is cut after half its body, or delayed by as many pauses."""

    async def play(wire: Wire, seen: Seen) -> None:
        if not seen.stream:
            await _half(wire, then, pause * len(parts))
            return
        wire.head(200, "text/event-stream")
        for part in parts:
            wire.chunk(part)
            if pause:
                await asyncio.sleep(pause)
        await _then(wire, then)

    return play


async def _half(wire: Wire, then: str, pause: float) -> None:
    await asyncio.sleep(pause)
    if then in ("end", "eof"):
        wire.whole(200, _WHOLE)
        return
    wire.head(200, "application/json", len(_WHOLE))
    wire.send(_WHOLE[: len(_WHOLE) // 2])
    await asyncio.sleep(0.01)
    await _then(wire, then)


async def _then(wire: Wire, then: str) -> None:
    if then == "end":
        wire.chunk(_END)
        wire.last()
    elif then == "eof":
        wire.last()
    elif then == "fin":
        wire.close()
    elif then == "rst":
        await asyncio.sleep(0.02)  # what was sent must have arrived: a reset overtakes it
        wire.reset()
    else:
        await wire.gone.wait()


async def _reset(wire: Wire, _: Seen) -> None:
    wire.reset()


async def _close(wire: Wire, _: Seen) -> None:
    wire.close()


async def _stall(wire: Wire, _: Seen) -> None:
    await wire.gone.wait()


async def _error_first(wire: Wire, seen: Seen) -> None:
    if seen.stream:
        wire.head(200, "text/event-stream")
        wire.chunk(event(OVERLOADED))
        wire.last()
    else:
        wire.whole(200, msgspec.json.encode(OVERLOADED))


async def _endless(wire: Wire, _: Seen) -> None:
    wire.head(200, "text/event-stream")
    wire.chunk(_ROLE)
    while not wire.gone.is_set():
        wire.chunk(word("on and on "))
        await asyncio.sleep(0.01)


async def _flood(wire: Wire, seen: Seen) -> None:
    """More than anybody's buffers hold, as fast as it is taken."""
    wire.head(200, "text/event-stream")
    wire.chunk(_ROLE)
    stuck = 0
    while not wire.gone.is_set():
        if wire._transport.get_write_buffer_size() < _FULL:
            wire.chunk(word("on and on " * 1000))
            stuck = 0
        stuck += 1
        seen.jammed = stuck > _JAM
        await asyncio.sleep(0 if stuck == 1 else 0.01)


async def _held(wire: Wire, _: Seen) -> None:
    wire.head(200, "text/event-stream")
    wire.chunk(_ROLE)
    while not wire.room.release and not wire.gone.is_set():
        wire.chunk(word("still here "))
        await asyncio.sleep(0.2)
    await _then(wire, "end")


async def _frayed(wire: Wire, seen: Seen) -> None:
    """Whole but for one answer in twenty-five."""
    await PLAYS["ok" if seen.number % 25 else "cut-fin"](wire, seen)


async def _mixed(wire: Wire, seen: Seen) -> None:
    """Another fault each time."""
    model = wire.room.calm or MIXED[seen.number % len(MIXED)]
    await PLAYS[model](wire, seen)


async def _still(wire: Wire, _: Seen) -> None:
    """As ``held``, with so little to say that a thousand of them cost next to nothing."""
    wire.head(200, "text/event-stream")
    wire.chunk(_ROLE)
    while not wire.room.release and not wire.gone.is_set():
        wire.chunk(word("still here "))
        await asyncio.sleep(3.0)
    await _then(wire, "end")


def _flaky() -> Play:
    """Answers the first request of each connection and resets the second: what a pooled connection meets."""
    used: set[int] = set()

    async def play(wire: Wire, seen: Seen) -> None:
        if seen.connection in used:
            wire.reset()
        else:
            used.add(seen.connection)
            await PLAYS["ok"](wire, seen)

    return play


MIXED = ("ok", "stall", "brisk", "stall-first", "endless", "stall-mid", "ok")
"""No upstream's own fault is among them: it would open a breaker."""
_FULL = 1 << 20
_JAM = 20
"""Looks, a hundredth of a second apart."""
_WORDS = [word(text) for text in WORDS]
_BODY = msgspec.json.encode(error(f"broken: {SECRET}", "server_error"))
PLAYS: dict[str, Play] = {
    "ok": _stream(_ROLE, *_WORDS),
    "slow": _stream(_ROLE, *_WORDS, pause=STEP),
    "brisk": _stream(_ROLE, *_WORDS, pause=STEP / 10),
    "slower": _stream(_ROLE, *_WORDS, pause=4 * STEP),
    "reset": _reset,
    "close": _close,
    "stall": _stall,
    "stall-first": _stream(_ROLE, then="stall"),
    "stall-mid": _stream(_ROLE, *_WORDS[:3], then="stall"),
    "stall-end": _stream(_ROLE, *_WORDS, word("", "stop"), then="stall"),
    "cut-first-fin": _stream(_ROLE, then="fin"),
    "cut-first-rst": _stream(_ROLE, then="rst"),
    "cut-first-eof": _stream(_ROLE, then="eof"),
    "cut-fin": _stream(_ROLE, *_WORDS[:3], then="fin"),
    "cut-rst": _stream(_ROLE, *_WORDS[:3], then="rst"),
    "cut-eof": _stream(_ROLE, *_WORDS[:3], then="eof"),
    "error-first": _error_first,
    "error-mid": _stream(_ROLE, *_WORDS[:3], event(OVERLOADED), then="eof"),
    "error-field": _stream(_ROLE, *_WORDS[:3], b"error: " + msgspec.json.encode(OVERLOADED["error"]) + b"\n\n", then="eof"),
    "bad-line": _stream(_ROLE, *_WORDS[:3], b'data: {"choices": [\xff\xfe\n\n', then="eof"),
    "endless": _endless,
    "flood": _flood,
    "held": _held,
    "mixed": _mixed,
    "frayed": _frayed,
    "still": _still,
    "html": _status(200, HTML, "text/html"),
    "garbage": _status(200, b"{not json, but " + SECRET.encode()),
    "empty": _status(200, b""),
    "500": _status(500, _BODY),
    "503": _status(503, _BODY),
    "503-later": _status(503, _BODY, "application/json", "retry-after: 8"),
    "401": _status(401, _BODY),
    "400": _status(400, msgspec.json.encode(error("bad temperature", "invalid_request_error", "bad"))),
    "429": _status(429, msgspec.json.encode(error("slow down", "rate_limit_error")), "application/json", "retry-after: 30"),
    "redirect": _status(302, b"", "text/plain", "location: http://127.0.0.1:9/latest/meta-data"),
    "flaky": _flaky(),
}  # fmt: skip
"""What each model does."""
