"""Back-pressure towards backends: what a slow client does not take is not read, but left with the backend."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import cast


@cache
def hold_back() -> None:
    """Have anyio's sockets, which httpcore2 uses, stop after each read. anyio itself stops only when its reader is
    awake again, and until then the event loop reads on: up to thirty-two times 256 KiB."""
    from anyio._backends import _asyncio as backend

    class Held(backend.StreamProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self._transport = cast(asyncio.ReadTransport, transport)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._transport.pause_reading()

    backend.StreamProtocol = Held  # type: ignore[misc]  # the name is looked up at each connection
