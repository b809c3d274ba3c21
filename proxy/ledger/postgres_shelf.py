"""The book's shelf in PostgreSQL: the database, with the spools of the workers on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import psycopg
from psycopg import Connection, IsolationLevel

from proxy.ledger import postgres_rows
from proxy.ledger.address import shown
from proxy.ledger.postgres_schema import VERSION, connect, newer, told, version
from proxy.ledger.postgres_source import PostgresSource
from proxy.ledger.record import UsageRecord
from proxy.ledger.schema import LedgerError
from proxy.ledger.shelf import Key
from proxy.ledger.spool import spools, waiting

SPOOLS = "turnout"
"""What the spools are called, in the folder that is the state's."""
_BITE = 100
"""Rows that are replaced in one transaction."""
_LONGEST = 600
"""Seconds that a reader's statement may take."""


class PostgresShelf:
    """See proxy.ledger.shelf.Shelf."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder

    def waiting(self) -> Iterator[UsageRecord]:
        held = [waiting(spool) for spool in spools(self._folder, SPOOLS)]
        return (row for rows in held for row in rows)

    @contextmanager
    def reading(self) -> Iterator[PostgresSource | None]:
        with self._connected() as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction():
                have = version(connection)
                yield PostgresSource(connection, summed=have > 1) if have else None

    def replace(self, records: Mapping[Key, UsageRecord], late: Collection[Key]) -> set[Key]:
        done: set[Key] = set()
        with self._connected() as connection:
            if (have := version(connection)) != VERSION:
                raise LedgerError(
                    f"{shown(self._url)}: has schema {have}, not {VERSION}: start this Turnout on it first"
                )
            left = iter(records.values())
            while bite := list(islice(left, _BITE)):
                done |= postgres_rows.replace(connection, bite, late)
        return done

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection of our own. Raises LedgerError."""
        try:
            with connect(self._url, statement_seconds=_LONGEST) as connection:
                if (have := version(connection)) > VERSION:
                    raise newer(self._url, have)
                yield connection
        except psycopg.Error as error:
            raise LedgerError(f"{shown(self._url)}: {told(error, self._url)}") from error
