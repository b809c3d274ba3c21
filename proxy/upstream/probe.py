"""One small page of a backend, whole, for those who ask how it is."""

from __future__ import annotations

import asyncio

from adapters import ir
from proxy.upstream.seam import OURS, Engine, Outgoing, UpstreamFailed

_MOST = 4 * 1024 * 1024
"""Bytes that are read of an answer; no list of models is longer."""


async def get(
    engine: Engine, url: str, headers: dict[str, str], *, seconds: float, proxy: str | None, body: bytes = b""
) -> tuple[int, bytes]:
    """Status and body. ``seconds`` bounds connecting and the whole answer, each; with a ``body`` it is a POST. Raises
    UpstreamFailed."""
    method = "POST" if body else "GET"
    outgoing = Outgoing(
        url, list(headers.items()), body, connect_timeout=seconds, cargo=OURS, proxy=proxy, method=method
    )
    try:
        async with asyncio.timeout(2 * seconds):
            answer = await engine.send(outgoing)
            try:
                body = b""
                async for chunk in answer.chunks():
                    body += chunk
                    if len(body) > _MOST:
                        break
                return answer.status, body
            finally:
                await answer.close()
    except TimeoutError:
        message = "the backend did not answer in time"
        failure = ir.Failure("timeout", 504, message, "server_error", "upstream_timeout")
        raise UpstreamFailed(failure) from None
