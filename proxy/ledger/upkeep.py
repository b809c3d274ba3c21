"""What an SQLite file needs from time to time: old rows deleted, and the room that they leave given back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from proxy.ledger import place
from proxy.ledger.schema import files, worker_file
from proxy.ledger.spool import spools

_BITE = 500
"""Rows deleted while the file is held: a few milliseconds."""
_PRUNE = f"DELETE FROM usage WHERE id IN (SELECT id FROM usage WHERE {{}} AND started_at < ? LIMIT {_BITE})"  # noqa: S608
_PARTS = (_PRUNE.format("id > 0 AND id < ?"), _PRUNE.format("id < 0 AND id < ?"))
_PAGES = 100
"""Pages given back while the file is held."""
_FREE = 4096
"""Pages (of 4 KiB) that may be free, and so may a tenth of the file: the rows of the next hours need them."""


class Upkeep:
    """``connection`` and ``lock``: the one that writes, and who may use it now. ``seconds``: how long it may take.
    Raises apsw.Error."""

    def __init__(self, connection: Callable[[], apsw.Connection], lock: threading.Lock) -> None:
        self._connection = connection
        self._lock = lock

    def prune(self, before: int, seconds: float) -> tuple[int, bool]:
        """Delete rows that started before ``before`` (milliseconds since 1970): how many, and whether that is all."""
        deleted, deadline = 0, time.monotonic() + seconds
        for statement in _PARTS:
            while bite := self._changed(statement, (place.end(before), before)):
                deleted += bite
                if time.monotonic() > deadline:
                    return deleted, False
        return deleted, True

    def shrink(self, seconds: float) -> bool:
        """Give free pages back, but for those that will be needed; whether that is all. A file begun before version 4
        keeps its size, and its free pages for its rows to come."""
        deadline = time.monotonic() + seconds
        while self._spare() > 0:
            with self._lock:
                self._connection().execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
            if time.monotonic() > deadline:
                return False
        return True

    def _spare(self) -> int:
        with self._lock:
            told = [int(self._connection().pragma(name)) for name in ("auto_vacuum", "freelist_count", "page_count")]
        mode, free, pages = told
        return free - max(_FREE, pages // 10) if mode == 2 else 0

    def _changed(self, statement: str, values: tuple[Any, ...]) -> int:
        with self._lock:
            connection = self._connection()
            connection.execute(statement, values)
            return connection.changes()


def ownerless(book: Path, workers: int) -> list[Path]:
    """The files of workers that are no more, when there are so many of them now; some may have a spool alone."""
    used = {worker_file(book, number) for number in range(workers)} if workers > 1 else {book}
    waiting = (spool.with_suffix(book.suffix) for spool in spools(book.parent, book.stem))
    return sorted({*files(book), *waiting} - used)
