"""The book as it is read: by the command line, the admin pages and budgets. One interface, two homes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from proxy.ledger.record import UsageRecord
from proxy.ledger.totals import Total


class Book(Protocol):
    """Rows that still wait in a spool are read with those in the database. Every method may take seconds and is not for
    the loop. Times are milliseconds since 1970, ``until`` exclusive. Raises LedgerError where it cannot be read."""

    def rows(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[UsageRecord]:
        """The newest ``limit`` rows, oldest first. ``filters``: column -> value. Raises KeyError for no column."""
        ...

    def each(
        self, *, since: int | None = None, until: int | None = None, filters: Mapping[str, Any] | None = None
    ) -> Iterator[UsageRecord]:
        """Rows as they are read, oldest first, a few at a time in memory. Raises KeyError for no column."""
        ...

    def find(self, request_id: str) -> list[UsageRecord]:
        """Every attempt of one call, in order, and its helper calls after it."""
        ...

    def totals(
        self,
        by: Sequence[str] = ("day",),
        *,
        since: int | None = None,
        until: int | None = None,
        filters: Mapping[str, Any] | None = None,
        timezone: str = "UTC",
    ) -> dict[tuple[str, ...], Total]:
        """The rows folded by ``hour``, ``day``, ``month``, ``tag:NAME`` or any column. Raises KeyError for anything
        else."""
        ...

    def spent(self, *, since: int, team: str | None = None, key: str | None = None, local: Collection[str] = ()) -> int:
        """Nano-dollars that are known of all attempts of a team (a tenant), or of one key; those of the backends
        ``local`` are left out."""
        ...

    def outputs(self, alias: str, most: int) -> list[int]:
        """The output tokens of the newest ``most`` answers under this alias, the oldest of them first."""
        ...

    def rewrite(self, records: Sequence[UsageRecord]) -> int:
        """Put these rows in the place of those with their request id and attempt; returns how many there were. Small
        transactions, while Turnout writes; what it writes meanwhile is kept, and every total follows."""
        ...

    def close(self) -> None: ...


def open_book(url: str, folder: Path | None = None) -> Book:
    """The book at ``ledger.url``. ``folder``: where spools lie that are not beside a file (PostgreSQL's); None: where
    ``turnout serve`` keeps them when it is started here. Nothing is made, and a book that is not there is empty. Raises
    LedgerError for a URL that names none."""
    from proxy.ledger.address import folder_of, is_postgres
    from proxy.ledger.reader import Reader

    if is_postgres(url):
        from proxy.ledger.postgres_shelf import PostgresShelf

        shelf = PostgresShelf(url, folder or folder_of(url))
        return Reader(lambda: [shelf])
    from proxy.ledger.schema import path_of
    from proxy.ledger.sqlite_shelf import shelves_of

    path = path_of(url)
    return Reader(lambda: shelves_of(path))
