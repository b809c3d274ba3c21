"""The stock engine: connections serve again, and those of an origin that nobody asks any more are let go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from proxy.upstream import lanes, stock
from proxy.upstream.seam import OURS, Outgoing
from proxy.upstream.stock import StockEngine

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class Origin:
    """A server; ``open`` counts its connections."""

    def __init__(self) -> None:
        self.url = ""
        self.open = 0
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await reader.readline():
                while (await reader.readline()).strip():
                    pass
                writer.write(ANSWER)
        finally:
            self.open -= 1
            self.closed.set()
            writer.close()


@asynccontextmanager
async def origin() -> AsyncIterator[Origin]:
    made = Origin()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        yield made


async def get(engine: StockEngine, url: str) -> None:
    answer = await engine.send(Outgoing(url, [], b"", connect_timeout=5.0, cargo=OURS, method="GET"))
    assert b"".join([chunk async for chunk in answer.chunks()]) == b"{}"
    await answer.close()
    await answer.close()


async def left_behind(wait: Callable[[], None]) -> None:
    engine = StockEngine()
    async with origin() as old, origin() as new:
        await get(engine, old.url)
        await get(engine, old.url)
        assert old.open == 1
        wait()
        await get(engine, new.url)
        await asyncio.wait_for(old.closed.wait(), 5)
        assert (old.open, new.open) == (0, 1)
        await engine.close()
        await asyncio.wait_for(new.closed.wait(), 5)


def test_an_origin_that_a_reload_has_left_behind_keeps_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait() -> None:
        for room in (lanes, stock):
            monkeypatch.setattr(room, "IDLE_SECONDS", -1.0)

    asyncio.run(left_behind(wait))
