"""What the book is read from: shelves, each a database and the spools of those who write to it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from proxy.ledger.record import UsageRecord
from proxy.ledger.sums import Ask, Folded

Key: TypeAlias = tuple[str, int]
"""Request id and attempt."""


class Source(Protocol):
    """A database while it is read, as it was when the reading began. Times are milliseconds since 1970, ``until``
    exclusive."""

    def here(self, keys: Sequence[Key]) -> set[Key]:
        """Which of these rows it has."""
        ...

    def find(self, request_id: str) -> list[UsageRecord]:
        """The attempts of a call, and its helpers' rows, in no order."""
        ...

    def read(self, since: int, until: int, filters: Mapping[str, Any]) -> Iterator[UsageRecord]:
        """Rows in the order of ``key_of``, a few at a time in memory."""
        ...

    def newest(self, most: int, since: int, until: int, filters: Mapping[str, Any]) -> list[UsageRecord]:
        """The newest rows, oldest first."""
        ...

    def fold(self, ask: Ask, since: int, until: int, into: Folded) -> None:
        """Totals of its rows, from sums where there are any."""
        ...

    def outputs(self, alias: str, most: int) -> list[tuple[int, int]]:
        """(start, output tokens) of the newest answers under an alias; a look at the newest rows is enough."""
        ...


class Shelf(Protocol):
    """Every method may raise LedgerError."""

    def waiting(self) -> Iterator[UsageRecord]:
        """What waits in spools now; some may have reached the database by the time that it is read."""
        ...

    def reading(self) -> AbstractContextManager[Source | None]:
        """The database; None where there is none yet."""
        ...

    def replace(self, records: Mapping[Key, UsageRecord], late: Collection[Key]) -> set[Key]:
        """Put these rows in the place of those with their keys, also of those on their way from a spool (``late``).
        Small transactions. Which were there."""
        ...


def order(row: UsageRecord) -> tuple[int, str, int]:
    """Rows are told in this order."""
    return (row.started_at, row.request_id, row.attempt)


def key_of(row: UsageRecord) -> Key:
    """What is unique of a row."""
    return (row.request_id, row.attempt)
