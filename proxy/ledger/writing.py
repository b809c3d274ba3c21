"""The book as it is written, by one worker. One interface, two homes: proxy.ledger.sqlite and proxy.ledger.postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from proxy.ledger.record import UsageRecord


class Ledger(Protocol):
    """``write`` and ``amend`` are called by the loop and never wait; a thread does the rest."""

    retention: float
    """Seconds that a row is kept; a reload may change it."""

    @property
    def trouble(self) -> str | None:
        """Why rows do not reach the database now; None when they do."""
        ...

    def write(self, records: Sequence[UsageRecord]) -> None:
        """Commit the rows, in the database or in the spool, before returning. Never waits and never raises."""
        ...

    def amend(self, request_id: str, attempt: int, reasoning_tokens: int) -> None:
        """Raise a row's split from ``estimated`` to ``counted``, soon and wherever the row waits. Never waits and never
        raises; a count that is lost with the process leaves the estimate."""
        ...

    def replay(self) -> int:
        """Move what waits into the database, each row once; returns how many rows were new to it."""
        ...

    def prune(self, before: int) -> int:
        """Delete rows that started before ``before`` (milliseconds since 1970), in small bites; returns how many."""
        ...

    def maintain(self) -> None:
        """One round of the thread."""
        ...

    def start(self) -> None:
        """Begin to maintain, in a thread of our own."""
        ...

    def close(self) -> None:
        """A last round, then let go. Rows that still wait stay in the spool for the next start."""
        ...
