"""Content-Encoding undone: gzip, deflate, br and zstd in small pieces, so that a bomb is met before it goes off.

Source: RFC 9110, section 8.4.1; RFC 8878 and RFC 9659 (zstd, and the window that HTTP allows it).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Protocol

import brotli
from backports import zstd

PIECE = 64 * 1024
"""About as many bytes come out at once at most."""
_SLICE = 16 * 1024
"""As many go in at once."""
_STRETCH = 1 << 20
"""After as many at the latest the loop has its turn."""
_MAX_MEMBERS = 4096
"""gzip and zstd may be several in a row; without a limit, a body of empty ones costs much and gives nothing."""
_ZSTD_WINDOW: Mapping[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
"""8 MiB, all that RFC 9659 allows."""


class Unsupported(Exception):  # noqa: N818 - a fact about a header
    """An encoding, or a stack of them, that is not undone here."""


class Garbled(Exception):  # noqa: N818 - a fact about a body
    """The bytes are not what their encoding says, or end too early."""


class _Codec(Protocol):
    """One member of an encoded body."""

    def take(self, data: bytes) -> bytes:
        """What comes out of ``data`` (then of b""), a piece at a time; b"" once more input is needed, or at the end."""
        ...

    @property
    def rest(self) -> bytes | None:
        """What stands behind the member's end; None while it has not come."""
        ...


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    def take(self, data: bytes) -> bytes:
        if self._inner.eof:
            return b""  # it keeps its last tail, and would put it behind the rest a second time
        return self._inner.decompress(self._inner.unconsumed_tail + data, PIECE)

    @property
    def rest(self) -> bytes | None:
        return self._inner.unused_data if self._inner.eof else None


class _Deflate:
    """The zlib format, as the RFC has it, or the bare one that some clients send: the first two bytes tell."""

    def __init__(self) -> None:
        self._inner: _Zlib | None = None
        self._head = b""

    def take(self, data: bytes) -> bytes:
        if self._inner is None:
            self._head += data
            if len(self._head) < 2:
                return b""
            bare = self._head[0] & 0x0F != 8 or int.from_bytes(self._head[:2]) % 31
            self._inner, data = _Zlib(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS), self._head
        return self._inner.take(data)

    @property
    def rest(self) -> bytes | None:
        return self._inner.rest if self._inner is not None else None


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def take(self, data: bytes) -> bytes:
        out: bytes = self._inner.process(data, output_buffer_limit=PIECE)
        return out

    @property
    def rest(self) -> bytes | None:
        return b"" if self._inner.is_finished() else None


class _Zstd:
    def __init__(self) -> None:
        self._inner = zstd.ZstdDecompressor(options=_ZSTD_WINDOW)

    def take(self, data: bytes) -> bytes:
        return b"" if self._inner.eof else self._inner.decompress(data, PIECE)

    @property
    def rest(self) -> bytes | None:
        return self._inner.unused_data if self._inner.eof else None


_CODECS: Mapping[str, Callable[[], _Codec]] = {
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
SUPPORTED = tuple(_CODECS)
_SERIES = frozenset(("gzip", "zstd"))
"""Formats of which several may follow one another."""
_BROKEN = (zlib.error, brotli.error, zstd.ZstdError, EOFError)


def named(header: str) -> str:
    """The value of Content-Encoding -> the one encoding to undo, or "" for none. Raises Unsupported."""
    words = [word.strip().lower().removeprefix("x-") for word in header.split(",")]
    found = [word for word in words if word not in ("", "identity")]
    if len(found) > 1 or not set(found) <= _CODECS.keys():
        raise Unsupported
    return found[0] if found else ""


class Decoder:
    """Undoes one encoding. ``encoding`` is one of SUPPORTED."""

    def __init__(self, encoding: str) -> None:
        self._new = _CODECS[encoding]
        self._codec = self._new()
        self._several = encoding in _SERIES
        self._members = 1
        self._fed = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what ``data`` holds, in pieces. Raises Garbled."""
        try:
            for at in range(0, len(data), _SLICE):
                yield from self._slice(data[at : at + _SLICE])
        except _BROKEN as error:
            raise Garbled from error

    def end(self) -> None:
        """The body is over. Raises Garbled where its end is missing."""
        if self._fed and self._codec.rest is None:
            raise Garbled

    def _slice(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._codec.rest is not None:
                self._next()
            self._fed = True
            given = data
            while piece := self._codec.take(given):
                given = b""
                yield piece
            data = self._codec.rest or b""

    def _next(self) -> None:
        self._members += 1
        if not self._several or self._members > _MAX_MEMBERS:
            raise Garbled
        self._codec = self._new()


async def pieces(decoder: Decoder, data: bytes) -> AsyncIterator[bytes]:
    """``feed``, with the loop's other work between the pieces, also where much goes in and nothing comes out. Raises
    Garbled."""
    for at in range(0, len(data), _STRETCH):
        for piece in decoder.feed(data[at : at + _STRETCH]):
            yield piece
            await asyncio.sleep(0)
        await asyncio.sleep(0)
