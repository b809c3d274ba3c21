"""Idle connections of one origin, the warmest on top: a lane is one httpx2 transport that holds one connection.

httpcore2 looks at every connection of a pool at each request and each close, so one pool for all costs more the more
calls are in flight (measured at 32: a third of a call). A stack of one-connection pools makes that constant.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import h11
import httpx2

from proxy.upstream.pressure import hold_back

IDLE_SECONDS = 30.0
"""A connection that was idle for longer is closed: servers and balancers drop theirs at 60 s and more."""
_LIMITS = httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_SECONDS)


def held(lane: httpx2.AsyncHTTPTransport) -> object | None:
    """The connection that the lane has, to be judged by ``was_unanswered`` once it has died."""
    connections = lane._pool._connections  # noqa: SLF001 - the public list is a copy, made at every call
    return connections[0] if connections else None


def was_unanswered(connection: object | None) -> bool:
    """Was a request sent on it, and had not a byte of an answer come when it died?

    What httpcore2 raises is the same for an idle socket that its server had closed and for one that died in the midst
    of the answer's head; only the parser knows.
    """
    inner: Any = connection
    while inner is not None and not hasattr(inner, "_h11_state"):
        inner = getattr(inner, "_connection", None)
    if inner is None:
        return False
    state: h11.Connection = inner._h11_state  # noqa: SLF001 - nothing public tells
    asked = state.our_state is not h11.IDLE
    return asked and state.their_state is h11.SEND_RESPONSE and not state.trailing_data[0]


class Lanes:
    """The lanes of one origin. No cap: concurrency is bounded by policy, where it can be told (``max_parallel``)."""

    def __init__(self, tls: object, proxy: str | None) -> None:
        self._tls = tls
        self._proxy = proxy
        self._idle: deque[tuple[float, httpx2.AsyncHTTPTransport]] = deque()

    def take(self) -> httpx2.AsyncHTTPTransport | None:
        """The lane that was used last, if one is idle."""
        return self._idle.pop()[1] if self._idle else None

    def new(self) -> httpx2.AsyncHTTPTransport:
        """A lane without a connection yet."""
        hold_back()
        return httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=_LIMITS, proxy=self._proxy)  # type: ignore[arg-type]

    def give(self, lane: httpx2.AsyncHTTPTransport, now: float) -> None:
        """Back on the stack. ``now``: monotonic seconds."""
        self._idle.append((now, lane))

    async def sweep(self, now: float) -> None:
        """Close those that lie at the bottom of the stack for too long."""
        while self._idle and self._idle[0][0] < now - IDLE_SECONDS:
            await self._idle.popleft()[1].aclose()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop()[1].aclose()
