"""The SQLite ledger: rows are committed inline on the loop, and whatever cannot be is spooled and replayed by a thread.

The loop never waits here. The connection refuses to wait (``busy_timeout=0``), and while the thread uses it the loop
does not ask for it but spools the row: *committed* means database or spool (D3).
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

import structlog
from msgspec.structs import astuple

from proxy.ledger.amending import Amendment, Amendments
from proxy.ledger.opening import AWAY, BROKEN, checkpoint, claim, open_database, told
from proxy.ledger.record import COLUMNS, UsageRecord, storable
from proxy.ledger.schema import SPOOL, LedgerError, check_sqlite, worker_file
from proxy.ledger.spool import Spool, read

_INSERT = f"INSERT OR IGNORE INTO usage VALUES ({','.join('?' * len(COLUMNS))})"  # noqa: S608 - question marks only
_PRUNE = (
    "DELETE FROM usage WHERE (request_id, attempt) IN"
    " (SELECT request_id, attempt FROM usage WHERE started_at < ? LIMIT 500)"
)
_AMEND = (
    "UPDATE usage SET reasoning_tokens = ?, reasoning_source = 'counted'"
    " WHERE request_id = ? AND attempt = ? AND reasoning_source = 'estimated'"
)
_CHUNK = 100
"""Rows replayed while the connection is held: about a millisecond."""
_HOUR = 3600.0

_log = structlog.get_logger("ledger")


def _uncounted(state: str, rows: int) -> None:
    """Nobody asked for the counts."""


class Ledger:
    """The book of one worker. ``write`` is called by the loop; a thread of our own replays and checkpoints.

    ``count(state, rows)`` hears of every row: ``written`` | ``spooled`` | ``held`` | ``replayed`` | ``lost``.
    """

    def __init__(
        self,
        path: Path,
        *,
        worker: int | None = None,
        count: Callable[[str, int], None] = _uncounted,
        fsync: bool = False,
        hold: int = 20_000,
    ) -> None:
        """Raises LedgerError when the file cannot be used. ``hold``: rows kept in memory if the disk is full."""
        check_sqlite()
        self.path = worker_file(path, worker)
        self.retention = math.inf
        """Seconds that a row is kept; a reload may change it."""
        self._forget_at = 0.0
        self.trouble: str | None = None
        """Why the last row could not be committed to the database; None when it was."""
        self._count = count
        self._hold = hold
        self._held: deque[UsageRecord] = deque()
        self._amendments = Amendments()
        self._spool = Spool(self.path.with_suffix(SPOOL), fsync=fsync)
        self._connection = threading.Lock()
        self._slot = claim(self.path)
        self._db = open_database(self.path)
        self._broken = False
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, records: Sequence[UsageRecord]) -> None:
        """Commit the rows, in the database or in the spool, before returning. Never waits and never raises."""
        try:
            self._write(records)
        except (UnicodeEncodeError, OverflowError):
            self._write([storable(record) for record in records])

    def amend(self, request_id: str, attempt: int, reasoning_tokens: int) -> None:
        """Raise a row's split from ``estimated`` to ``counted``, soon: the thread does it, wherever the row waits.
        Never waits and never raises; a count that is lost with the process leaves the estimate."""
        self._amendments.put(request_id, attempt, reasoning_tokens)

    def replay(self) -> int:
        """Move what waits into the database, each row once; returns how many rows were new to it."""
        if self._broken:
            self._mend()
        self._release()
        self._spool.rotate()
        return sum(self._replay_file(file) for file in self._spool.aside())

    def prune(self, before: int) -> int:
        """Delete rows that started before ``before`` (milliseconds since 1970), in small bites; returns how many."""
        deleted = 0
        while True:
            with self._connection:
                self._db.execute(_PRUNE, (before,))
                bite = self._db.changes()
            deleted += bite
            if bite == 0:
                return deleted

    def maintain(self) -> None:
        """One round of the thread: replay what waits, and keep the write-ahead log short."""
        try:
            self.replay()
            self._amendments.settle(self._amended)
            checkpoint(self.path)
            if not self._held:
                self.trouble = None
            self._forget()
        except (*AWAY, OSError, LedgerError) as error:
            self.trouble = told(error)
            _log.warning("ledger.maintain", path=str(self.path), why=self.trouble)

    def _amended(self, amendment: Amendment) -> bool:
        with self._connection:
            values = (amendment.reasoning_tokens, amendment.request_id, amendment.attempt)
            self._db.execute(_AMEND, values)
            return self._db.changes() > 0

    def _forget(self) -> None:
        """Once an hour, drop the rows that are older than ``retention``."""
        now = time.time()
        if now >= self._forget_at and self.retention < math.inf:
            self._forget_at = now + _HOUR
            self.prune(int((now - self.retention) * 1000))

    def start(self, every: float = 1.0) -> None:
        """Begin to maintain, every so many seconds, in a thread of our own."""
        self._thread = threading.Thread(target=self._run, args=(every,), name="ledger", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """A last round, then let go of the file. Rows that still wait stay in the spool for the next start."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        self.maintain()
        self._db.close()
        os.close(self._slot)

    def _run(self, every: float) -> None:
        while not self._closing.wait(every):
            self.maintain()

    def _write(self, records: Sequence[UsageRecord]) -> None:
        if not self._broken and self._connection.acquire(blocking=False):
            try:
                self._insert(records)
            except AWAY as error:
                self._broken = isinstance(error, BROKEN)
                self.trouble = told(error)
            else:
                self.trouble = None
                self._count("written", len(records))
                return
            finally:
                self._connection.release()
        self._set_aside(records)

    def _insert(self, records: Sequence[UsageRecord]) -> None:
        if len(records) == 1:
            self._db.execute(_INSERT, astuple(records[0]))
            return
        with self._db:
            self._db.executemany(_INSERT, map(astuple, records))

    def _set_aside(self, records: Sequence[UsageRecord]) -> None:
        try:
            self._spool.append(records)
        except OSError as error:
            self.trouble = f"spool: {error}"
            self._keep(records)
        else:
            self._count("spooled", len(records))

    def _keep(self, records: Sequence[UsageRecord]) -> None:
        """The disk takes nothing: memory, up to a bound, and past it a loud loss."""
        room = max(self._hold - len(self._held), 0)
        self._held.extend(records[:room])
        self._count("held", len(records[:room]))
        if lost := records[room:]:
            self._count("lost", len(lost))
            _log.error("ledger.lost", rows=len(lost), first=lost[0].request_id, why=self.trouble)

    def _release(self) -> None:
        """Rows in memory go to the spool as soon as the disk takes them."""
        rows = [self._held.popleft() for _ in range(len(self._held))]
        if not rows:
            return
        try:
            self._spool.append(rows)
        except OSError:
            self._held.extendleft(reversed(rows))

    def _replay_file(self, file: Path) -> int:
        bad = new = 0
        rows: list[UsageRecord] = []
        for row in read(file):
            if isinstance(row, UsageRecord):
                rows.append(row)
            else:
                bad += 1
        for chunk in _chunks(rows):
            with self._connection:
                before = self._db.total_changes()
                with self._db:
                    self._db.executemany(_INSERT, map(astuple, map(storable, chunk)))
                new += self._db.total_changes() - before
        self._count("replayed", new)
        if bad:
            _log.warning("ledger.spool_torn", file=str(file), lines=bad)
            file.rename(file.with_name(file.name + ".bad"))
        else:
            file.unlink()
        return new

    def _mend(self) -> None:
        """The file broke under us: put it aside and begin a new one."""
        with self._connection:
            self._db.close()
            self._db = open_database(self.path, broken=True)
            self._broken = False


def _chunks(rows: Iterable[UsageRecord]) -> Iterable[list[UsageRecord]]:
    waiting = iter(rows)
    while chunk := list(islice(waiting, _CHUNK)):
        yield chunk
