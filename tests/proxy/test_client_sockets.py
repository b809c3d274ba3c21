"""The client's side of the wire, as uvicorn and uvloop set it up for a worker."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
import uvloop

from proxy.http import Protocol
from proxy.worker import Server


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_g09_small_events_do_not_wait_for_the_next_ones() -> None:
    """TCP_NODELAY is set on every accepted connection (by the event loop), so that Nagle holds nothing back."""
    found: list[int] = []

    class Watched(Protocol):
        def connection_made(self, transport: Any) -> None:  # type: ignore[override]
            super().connection_made(transport)
            accepted = transport.get_extra_info("socket")
            found.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config = uvicorn.Config(_application, http=Watched, loop="none", ws="none", lifespan="off", log_config=None)
            server = Server(config)
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve(sockets=[listener]))
                while not server.started:
                    await asyncio.sleep(0)
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 204 ")
                writer.close()
                server.should_exit = True

    uvloop.run(run())
    assert found == [1]
