"""Bytes to server-sent events and back: incremental, bounded, every legal line ending, any cut.

Source: WHATWG HTML, section 9.2 "Server-sent events".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from msgspec import Struct

MAX_EVENT = 16 * 1024 * 1024
"""An event larger than this is an attack or a fault; our own limit, in bytes."""

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


_BLANK_LINE = re.compile(rb"(?:\n|\r\n|\r(?!\n))(?:\r\n|\n|\r)")
"""Two line ends, one CRLF never taken for two. Each way to begin is a plain letter, which lets the search skip ahead:
atomic groups would say the same and take twice as long."""


class Frame(Struct, frozen=True):
    """One server-sent event. ``data`` is its data lines joined by a newline; ``raw`` the bytes it came as."""

    data: bytes
    event: str | None = None
    raw: bytes = b""


class TooLong(Exception):  # noqa: N818 - a fact about the stream, told once
    """An event passed MAX_EVENT."""


class Splitter:
    """Cuts a byte stream into frames, wherever its reads happened to be cut."""

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._scanned = 0
        self._fresh = True
        self._returns = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield every event that is now whole. Raises TooLong."""
        self._buffer += data
        if self._fresh and self._buffer:
            if b"\xef\xbb\xbf".startswith(bytes(self._buffer[:3])) and len(self._buffer) < 3:
                return
            if self._buffer[:3] == b"\xef\xbb\xbf":
                del self._buffer[:3]
            self._fresh = False
        self._returns = self._returns or b"\r" in data
        while self._buffer and (cut := self._next_cut()) is not None:
            end, after = cut
            raw = bytes(self._buffer[:after])
            del self._buffer[:after]
            self._scanned = 0
            frame = parse(raw[:end], raw)
            if frame is not None:
                yield frame
        if len(self._buffer) > self._limit:
            raise TooLong

    def end(self) -> Iterator[Frame]:
        """The stream is over: an event without its blank line still counts (servers forget it)."""
        block = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        if block.strip():
            frame = parse(block, block.rstrip(b"\r\n") + b"\n\n")
            if frame is not None:
                yield frame

    def _next_cut(self) -> tuple[int, int] | None:
        """Where the next event's lines end, and where the event after it begins."""
        start = max(self._scanned - 3, 0)
        if not self._returns:
            # most servers end lines with LF alone, and a plain search takes a fifth of the time
            end = self._buffer.find(b"\n\n", start)
            self._scanned = len(self._buffer)
            return None if end < 0 else (end, end + 2)
        match = _BLANK_LINE.search(self._buffer, start)
        if match is None:
            self._scanned = len(self._buffer)
            return None
        if match[0] == b"\r\n\r" and match.end() == len(self._buffer):
            # half of a CRLF: a relay that passes bytes on must not tear an event from its last one
            self._scanned = match.start()
            return None
        return match.start(), match.end()


def parse(block: bytes, raw: bytes) -> Frame | None:
    """One event's lines -> Frame, or None when it holds no data (a comment, a lone ``event:``)."""
    data: list[bytes] = []
    event: str | None = None
    for line in block.splitlines():
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
        elif name == b"error" and value:
            # llama.cpp up to 2025 told an error in a field of its own (lc#16109)
            return Frame(value, "error", raw)
    if not data:
        return None
    return Frame(b"\n".join(data), event, raw)


def one_line(data: bytes) -> bytes:
    """JSON without line ends: raw values come as their author laid them out, and SSE ends a line with a line."""
    return msgspec.json.format(data, indent=-1) if b"\n" in data or b"\r" in data else data


def render(data: bytes, event: str | None = None) -> bytes:
    """One event of JSON, terminator included, to be written in one piece."""
    data = one_line(data)
    if event is None:
        return b"data: " + data + b"\n\n"
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
