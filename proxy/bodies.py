"""A request's body: taken in, bounded while it arrives, and decoded, bounded by what comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from litestar.types import Receive

from adapters import ir
from proxy import encodings
from proxy.call import Rejected
from proxy.line import ClientGone

LARGE = 512 * 1024
"""Bytes of a body whose reading holds up everybody else for milliseconds."""

T = TypeVar("T")


class InTurn:
    """Work on large bodies is done one at a time, beside the loop: eight requests of 20 MB that came together, or one
    of a million small parts, would otherwise stop every stream for as long as they take (trap G71)."""

    def __init__(self) -> None:
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="large")

    async def __call__(self, body: bytes, work: Callable[[], T]) -> T:
        """What ``work`` returns. A small body does not wait."""
        if len(body) < LARGE:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._desk, work)

    def close(self) -> None:
        """Nothing new is begun."""
        self._desk.shutdown(wait=False, cancel_futures=True)


async def received(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The whole body as it was sent, at most ``limit`` bytes. Raises Rejected (413, and 415 for an encoding that is not
    known here, both before the body is read), ClientGone."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise Rejected(_too_large(limit))
    _encoding(headers)
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise ClientGone
        size += len(event["body"])
        if size > limit:
            raise Rejected(_too_large(limit))
        parts.append(event["body"])
        if not event["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def decoded(body: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """``body`` without its Content-Encoding, at most ``limit`` bytes; other calls go on between its pieces. Raises
    Rejected (413, 400)."""
    encoding = _encoding(headers)
    if not encoding:
        return body
    decoder, plain = encodings.Decoder(encoding), bytearray()
    try:
        async for piece in encodings.pieces(decoder, body):
            plain += piece
            if len(plain) > limit:
                raise Rejected(_too_large(limit))
        decoder.end()
    except encodings.Garbled:
        message = f"The request body is not valid {encoding}, as its Content-Encoding says, or it is cut off."
        raise Rejected(ir.Failure("invalid", 400, message, code="invalid_encoding")) from None
    return bytes(plain)


def _encoding(headers: Mapping[str, str]) -> str:
    try:
        return encodings.named(headers.get("content-encoding", ""))
    except encodings.Unsupported:
        known = ", ".join(encodings.SUPPORTED)
        message = f"This Content-Encoding is not supported: send the body plain, or with one of {known}, once."
        raise Rejected(ir.Failure("invalid", 415, message, code="unsupported_encoding")) from None


def _too_large(limit: int) -> ir.Failure:
    message = f"The request body is larger than {limit} bytes (server.max_body)."
    return ir.Failure("too_large", 413, message, code="request_too_large")
