"""Idle connections of one origin, the warmest on top: a lane is one httpx2 transport that holds one connection.

httpcore2 looks at every connection of a pool at each request and each close, so one pool for all costs more the more
calls are in flight (measured at 32: a third of a call). A stack of one-connection pools makes that constant.
"""

from __future__ import annotations

import time
from collections import deque

import httpx2

_IDLE_SECONDS = 30.0
"""A connection that was idle for longer is closed: servers and balancers drop theirs at 60 s and more."""
_LIMITS = httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE_SECONDS)


class Lanes:
    """The lanes of one origin. No cap: concurrency is bounded by policy, where it can be told (``max_parallel``)."""

    def __init__(self, tls: object, proxy: str | None) -> None:
        self._tls = tls
        self._proxy = proxy
        self._idle: deque[tuple[float, httpx2.AsyncHTTPTransport]] = deque()

    def take(self) -> httpx2.AsyncHTTPTransport:
        """The lane that was used last, or a new one."""
        if self._idle:
            return self._idle.pop()[1]
        return httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=_LIMITS, proxy=self._proxy)  # type: ignore[arg-type]

    async def give(self, lane: httpx2.AsyncHTTPTransport) -> None:
        """Back on the stack; those that lay at its bottom for too long are closed."""
        now = time.monotonic()
        self._idle.append((now, lane))
        while self._idle[0][0] < now - _IDLE_SECONDS:
            await self._idle.popleft()[1].aclose()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop()[1].aclose()
