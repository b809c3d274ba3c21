"""The client's side of one call: the status line, the bytes, keep-alives, and whether anybody still listens."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from litestar.types import Receive, Send

from adapters.sse import KEEP_ALIVE

Headers = list[tuple[bytes, bytes]]
_NAP = 1.0
"""Seconds: how often a call whose time to promise a stream has come is asked whether it can do so by now."""


class ClientGone(Exception):  # noqa: N818 - a fact, not a fault of ours
    """The client hung up."""


class Line:
    """One answer on its way out. Every method is one or two ASGI messages. ``last``: the last one on its connection, so
    that a client that keeps connections goes elsewhere."""

    def __init__(self, send: Send, *, last: bool = False) -> None:
        self._send = send
        self._last = last
        self._written_at = 0.0
        self._clock = asyncio.get_running_loop().time
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None
        self.opened = False
        self.closed = False

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer."""
        await self._start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self.close(body)

    async def open_stream(self, headers: Headers) -> None:
        """The promise of a stream: 200, to be kept from here on."""
        await self._start(
            200,
            [
                *headers,
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),
            ],
        )

    async def write(self, events: list[bytes]) -> None:
        """Whole events, one ASGI message each: a client may parse by read (Open Responses' own suite does)."""
        for event in events:
            await self._send({"type": "http.response.body", "body": event, "more_body": True})
        self._written_at = self._clock()

    async def close(self, body: bytes = b"") -> None:
        if not self.closed:
            self.closed = True
            await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def promise(
        self, group: asyncio.TaskGroup, *, after: float, every: float, headers: Callable[[], Headers | None]
    ) -> None:
        """After ``after`` seconds without a first event the 200 goes out all the same (D1; infinite: never), and from
        then on comments fill every silence of ``every`` seconds: balancers cut a stream that is mute for a minute.
        ``headers`` gives the head, or None when this call is no stream, or not yet sent to anybody."""
        if after < math.inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(after, self._begin, group, every, headers)

    def rest(self) -> None:
        """No more keep-alives."""
        if self._timer is not None:
            self._timer.cancel()
        if self._beat is not None:
            self._beat.cancel()

    def _begin(self, group: asyncio.TaskGroup, every: float, headers: Callable[[], Headers | None]) -> None:
        self._beat = group.create_task(self._keep_alive(every, headers))

    async def _keep_alive(self, every: float, headers: Callable[[], Headers | None]) -> None:
        if not self.opened:
            while (head := headers()) is None:  # noqa: ASYNC110 - nothing tells when a call is first sent to somebody
                await asyncio.sleep(_NAP)
            await self.open_stream(head)
            await self.write([KEEP_ALIVE])
        while not self.closed:
            quiet = self._clock() - self._written_at
            if quiet >= every:
                await self.write([KEEP_ALIVE])
                quiet = 0.0
            await asyncio.sleep(every - quiet)

    async def _start(self, status: int, headers: Headers) -> None:
        self.opened = True
        self._written_at = self._clock()
        if self._last:
            headers = [*headers, (b"connection", b"close")]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


async def watch(receive: Receive, line: Line) -> None:
    """Raise ClientGone when the client hangs up before its answer is whole.

    ``http.disconnect`` comes also after a whole answer, which is no hang-up. At a shutdown it must come to nobody (some
    servers say it to streams then: uvicorn PR 2829), for whoever leaves during a drain is to be noticed.
    """
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            if line.closed:
                return
            line.rest()  # before its group is shutting down, which takes no more tasks
            raise ClientGone
