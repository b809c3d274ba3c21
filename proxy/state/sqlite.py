"""The store in SQLite: one file that all workers share, written in a thread, never on the loop (decision D13)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from proxy.state.store import StoreFailed, Turn

FILE = "state.db"
_BUSY_MS = 2000
_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS turns (
    tenant TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, previous TEXT,
    input BLOB NOT NULL, response BLOB NOT NULL, PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    tenant TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, state BLOB NOT NULL, PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
"""
_RAWS = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_ROW = "SELECT id, tenant, created, previous, input, response FROM turns WHERE tenant = ? AND id = ?"

T = TypeVar("T")


class SqliteStore:
    """See proxy.state.store.Store."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = apsw.Connection(str(path))
        self._db.set_busy_timeout(_BUSY_MS)
        for _ in self._db.execute(_SCHEMA):
            pass

    async def keep_turn(self, turn: Turn) -> None:
        row = (turn.tenant, turn.id, turn.created, turn.previous, msgspec.json.encode(turn.input), turn.response)
        await self._run(lambda: self._write("INSERT OR REPLACE INTO turns VALUES (?,?,?,?,?,?)", [row]))

    async def turn(self, tenant: str, id: str) -> Turn | None:  # noqa: A002 - the wire's own word
        return await self._run(lambda: self._turn(tenant, id))

    async def thread(self, tenant: str, id: str) -> list[Turn] | None:  # noqa: A002
        return await self._run(lambda: self._thread(tenant, id))

    async def forget_turn(self, tenant: str, id: str) -> bool:  # noqa: A002
        sql = "DELETE FROM turns WHERE tenant = ? AND id = ?"
        return await self._run(lambda: self._write(sql, [(tenant, id)])) > 0

    async def keep_calls(self, tenant: str, states: Mapping[str, bytes]) -> None:
        now = int(time.time())
        rows = [(tenant, id, now, state) for id, state in states.items()]  # noqa: A001
        await self._run(lambda: self._write("INSERT OR REPLACE INTO calls VALUES (?,?,?,?)", rows))

    async def calls(self, tenant: str, ids: Sequence[str]) -> dict[str, bytes]:
        marks = ",".join("?" * len(ids))
        sql = f"SELECT id, state FROM calls WHERE tenant = ? AND id IN ({marks})"  # noqa: S608 - question marks only
        return await self._run(lambda: dict(self._db.execute(sql, (tenant, *ids))))

    def close(self) -> None:
        self._db.close()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(self._locked, work)
        except apsw.Error as error:
            raise StoreFailed(str(error)) from error

    def _locked(self, work: Callable[[], T]) -> T:
        with self._lock:
            return work()

    def _write(self, sql: str, rows: Sequence[tuple[object, ...]]) -> int:
        with self._db:
            self._db.executemany(sql, rows)
        return int(self._db.changes())

    def _turn(self, tenant: str, id: str) -> Turn | None:  # noqa: A002
        row = next(self._db.execute(_ROW, (tenant, id)), None)
        if row is None:
            return None
        id_, tenant_, created, previous, items, response = row
        return Turn(
            id=id_, tenant=tenant_, created=created, previous=previous, input=_RAWS.decode(items), response=response
        )

    def _thread(self, tenant: str, id: str) -> list[Turn] | None:  # noqa: A002
        turns: list[Turn] = []
        at: str | None = id
        while at is not None:
            turn = self._turn(tenant, at)
            if turn is None:
                return None
            turns.append(turn)
            at = turn.previous
        return turns[::-1]
