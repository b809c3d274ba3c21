"""The two homes that a store has: state.db in a folder, and a real Redis that is emptied first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from services import Server

from proxy.state.remote import open_redis
from proxy.state.sqlite import SqliteStore

Home: TypeAlias = Callable[[Path, Server], AbstractAsyncContextManager[Any]]


def homes(in_file: Callable[[SqliteStore], Any], in_server: Callable[[Any], Any]) -> tuple[Home, Home]:
    """``in_file`` and ``in_server`` make the store under test at its SQLite desk, and over its Redis client."""

    @asynccontextmanager
    async def in_sqlite(folder: Path, _: Server) -> AsyncIterator[Any]:
        desk = SqliteStore(folder / "state.db")
        yield in_file(desk)
        desk.close()

    @asynccontextmanager
    async def in_redis(_: Path, server: Server) -> AsyncIterator[Any]:
        client = open_redis(server.url)
        await client.flushall()
        store = in_server(client)
        yield store
        await store.close()

    return in_sqlite, in_redis


def within(home: Home, folder: Path, server: Server, test: Callable[[Any], Awaitable[None]]) -> None:
    """Run ``test`` with the store at this home."""

    async def run() -> None:
        async with home(folder, server) as store:
            await test(store)

    asyncio.run(run())
