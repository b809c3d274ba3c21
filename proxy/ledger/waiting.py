"""Where the rows of one worker wait for the database: in its spool; while the disk takes nothing, in memory, up to a
bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import structlog

from proxy.ledger.record import UsageRecord
from proxy.ledger.spool import Spool, read

_log = structlog.get_logger("ledger")


class Waiting:
    """``put`` is called by the loop, ``drain`` by a thread. ``count(state, rows)`` hears of ``spooled``, ``held`` and
    ``lost`` rows."""

    def __init__(self, spool: Spool, count: Callable[[str, int], None], hold: int) -> None:
        """``hold``: rows kept in memory if the disk is full."""
        self._spool = spool
        self._count = count
        self._hold = hold
        self._held: deque[UsageRecord] = deque()

    @property
    def holds(self) -> bool:
        """Are there rows in memory alone?"""
        return bool(self._held)

    def put(self, records: Sequence[UsageRecord]) -> str | None:
        """Keep the rows; the answer is why not all of them are on the disk. Raises UnicodeEncodeError or OverflowError
        for what cannot be written at all, and nothing else."""
        try:
            self._spool.append(records)
        except OSError as error:
            why = f"spool: {error}"
            self._keep(records, why)
            return why
        self._count("spooled", len(records))
        return None

    def drain(self, store: Callable[[Sequence[UsageRecord]], int], some: int) -> int:
        """Have all that waits stored, ``some`` rows at a time, oldest first; a file goes when all of it is. What
        ``store`` raises is raised, and nothing lost. Returns the sum of what it answers: rows that were new."""
        self.release()
        new = sum(self._file(path, store, some) for path in self._spool.aside())
        self._spool.rotate()
        return new + sum(self._file(path, store, some) for path in self._spool.aside())

    def release(self) -> None:
        """Rows in memory go to the spool as soon as the disk takes them, whatever the database does."""
        rows = [self._held.popleft() for _ in range(len(self._held))]
        if not rows:
            return
        try:
            self._spool.append(rows)
        except OSError:
            self._held.extendleft(reversed(rows))

    def _keep(self, records: Sequence[UsageRecord], why: str) -> None:
        room = max(self._hold - len(self._held), 0)
        self._held.extend(records[:room])
        self._count("held", len(records[:room]))
        if lost := records[room:]:
            self._count("lost", len(lost))
            _log.error("ledger.lost", rows=len(lost), first=lost[0].request_id, why=why)

    def _file(self, path: Path, store: Callable[[Sequence[UsageRecord]], int], some: int) -> int:
        torn = new = 0
        lines = read(path)
        while chunk := list(islice(lines, some)):
            rows = [row for row in chunk if isinstance(row, UsageRecord)]
            torn += len(chunk) - len(rows)
            new += store(rows) if rows else 0
        if torn:
            _log.warning("ledger.spool_torn", file=str(path), lines=torn)
            path.rename(path.with_name(path.name + ".bad"))
        else:
            path.unlink()
        return new
