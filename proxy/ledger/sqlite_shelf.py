"""The book's shelves in SQLite: each worker's file with its spool."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import apsw

from proxy.ledger.opening import told, transaction
from proxy.ledger.record import UsageRecord, storable
from proxy.ledger.rows import Rows
from proxy.ledger.schema import SPOOL, VERSION, LedgerError, files
from proxy.ledger.shelf import Key
from proxy.ledger.spool import spools, waiting
from proxy.ledger.sqlite_source import SqliteSource, reading

_BITE = 100
"""Rows that are replaced while the file is held: a few milliseconds, in which its worker's rows go to the spool."""
_PATIENCE = 5000
"""Milliseconds that we wait for the file, which its worker holds for a moment at a time."""


class SqliteShelf:
    """See proxy.ledger.shelf.Shelf."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def waiting(self) -> Iterator[UsageRecord]:
        return waiting(self._database.with_suffix(SPOOL))

    @contextmanager
    def reading(self) -> Iterator[SqliteSource | None]:
        if not self._database.exists():
            yield None
            return
        with reading(self._database) as source:
            yield source

    def replace(self, records: Mapping[Key, UsageRecord], late: Collection[Key]) -> set[Key]:
        if not self._database.exists():
            return set()
        done: set[Key] = set()
        with _writing(self._database) as connection:
            rows, left = Rows(connection), iter(records.items())
            while bite := list(islice(left, _BITE)):
                with transaction(connection):
                    for key, record in bite:
                        row = storable(record)
                        # What is on its way from the spool will find its place taken.
                        if rows.replace(row) or (key in late and rows.put(row)):
                            done.add(key)
        return done


def shelves_of(path: Path) -> list[SqliteShelf]:
    """``path``: what ``ledger.url`` says; the files of several workers lie beside it."""
    late = (spool.with_suffix(path.suffix) for spool in spools(path.parent, path.stem))
    return [SqliteShelf(database) for database in sorted({path, *late, *files(path)})]


@contextmanager
def _writing(database: Path) -> Iterator[apsw.Connection]:
    """A connection beside that of the worker. Raises LedgerError; a transaction that is open then is undone."""
    try:
        connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(_PATIENCE)
            have = int(connection.pragma("user_version"))
            if have != VERSION:
                raise LedgerError(f"{database}: has schema {have}, not {VERSION}: start this Turnout on it first")
            yield connection
        finally:
            connection.close()
    except apsw.Error as error:
        raise LedgerError(f"{database}: {told(error)}: see that it can be written, and try again") from error
