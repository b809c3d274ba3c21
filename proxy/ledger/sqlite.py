"""The SQLite ledger: rows are committed inline on the loop, and whatever cannot be is spooled and replayed by a thread.

The loop never waits here. The connection refuses to wait (``busy_timeout=0``), and while the thread uses it the loop
does not ask for it but spools the row: *committed* means database or spool (D3).
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw
import structlog

from proxy.ledger.amending import Amendment, Amendments
from proxy.ledger.opening import BROKEN, checkpoint, claim, open_database, told, transaction
from proxy.ledger.record import UsageRecord, storable
from proxy.ledger.rollups import Rollups
from proxy.ledger.rows import Rows
from proxy.ledger.schema import SPOOL, LedgerError, check_sqlite, worker_file
from proxy.ledger.spool import Spool
from proxy.ledger.upkeep import Upkeep, ownerless
from proxy.ledger.waiting import Waiting

_AMEND = (
    "UPDATE usage SET reasoning_tokens = ?, reasoning_source = 'counted'"
    " WHERE id = ? AND reasoning_source = 'estimated'"
)
_CHUNK = 100
"""Rows replayed while the connection is held: about a millisecond."""
_SLICE = 0.2
"""Seconds of a round that sums, pruning and shrinking may take, each: meanwhile the loop's rows go to the spool."""
_SUM_EVERY = 60.0
_LATE = 300
"""Seconds that an hour is over before it is summed: most of the calls that began in it have ended."""
_HOUR = 3600.0

_log = structlog.get_logger("ledger")


def _uncounted(state: str, rows: int) -> None:
    """Nobody asked for the counts."""


class Ledger:
    """See proxy.ledger.writing.Ledger.

    ``count(state, rows)`` hears of every row: ``written`` | ``spooled`` | ``held`` | ``replayed`` | ``lost``.
    """

    def __init__(
        self,
        path: Path,
        *,
        worker: int | None = None,
        workers: int = 0,
        count: Callable[[str, int], None] = _uncounted,
        fsync: bool = False,
        hold: int = 20_000,
    ) -> None:
        """``workers``: how many there are; the first of them looks after the files of those that were before. 0: nobody
        does. ``hold``: rows kept in memory if the disk is full. Raises LedgerError when the file cannot be used."""
        check_sqlite()
        self.path = worker_file(path, worker)
        self.retention = math.inf
        self.trouble: str | None = None
        """Why the last row could not be committed to the database; None when it was."""
        self._sum_at = self._forget_at = self._shrink_at = 0.0
        """When hours are summed, old rows forgotten and room given back again: seconds since 1970."""
        self._book = path
        self._workers = workers if not worker else 0
        self._count = count
        self._amendments = Amendments()
        self._spool = Spool(self.path.with_suffix(SPOOL), fsync=fsync)
        self._waiting = Waiting(self._spool, count, hold)
        self._connection = threading.Lock()
        self._slot = claim(self.path)
        try:
            self._db = open_database(self.path)
        except LedgerError:
            os.close(self._slot)
            raise
        self._rows = Rows(self._db)
        self._rollups = Rollups(self.path, lambda: self._db, self._connection)
        self._upkeep = Upkeep(lambda: self._db, self._connection)
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
        return self._waiting.drain(self._store, _CHUNK)

    def prune(self, before: int) -> int:
        """Delete rows that started before ``before`` (milliseconds since 1970), in small bites; returns how many."""
        return self._upkeep.prune(before, math.inf)[0]

    def fold(self, now: float, seconds: float = math.inf) -> bool:
        """Sum the hours and days that were over at ``now`` (seconds since 1970); whether there was time for all."""
        return self._rollups.fold(int((now - _LATE) // _HOUR), seconds)

    def maintain(self) -> None:
        """One round of the thread: replay what waits, keep the write-ahead log short, sum hours, forget old rows."""
        try:
            self.replay()
            self._amendments.settle(self._amended)
            checkpoint(self.path)
            if not self._waiting.holds:
                self.trouble = None
            self._look_after(time.time())
        except (apsw.Error, OSError, LedgerError) as error:
            self._broken = self._broken or isinstance(error, BROKEN)
            self.trouble = told(error)
            _log.warning("ledger.maintain", path=str(self.path), why=self.trouble)

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
        self._spool.close()
        os.close(self._slot)

    def _run(self, every: float) -> None:
        while not self._closing.wait(every):
            self.maintain()

    def _write(self, records: Sequence[UsageRecord]) -> None:
        if not self._broken and self._connection.acquire(blocking=False):
            try:
                self._insert(records)
            except apsw.Error as error:
                self._broken = isinstance(error, BROKEN)
                self.trouble = told(error)
            else:
                self.trouble = None
                self._count("written", len(records))
                return
            finally:
                self._connection.release()
        self.trouble = self._waiting.put(records) or self.trouble

    def _insert(self, records: Sequence[UsageRecord]) -> None:
        if len(records) == 1:
            self._rows.put(records[0])
            return
        with self._all_or_none():
            for record in records:
                self._rows.put(record)

    def _store(self, records: Sequence[UsageRecord]) -> int:
        with self._connection, self._all_or_none():
            new = sum(self._rows.put(storable(record)) for record in records)
        self._count("replayed", new)
        return new

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        try:
            with transaction(self._db):
                yield
        except BaseException:
            self._rows.forget()
            raise

    def _amended(self, amendment: Amendment) -> bool:
        with self._connection:
            at = self._rows.find(amendment.request_id, amendment.attempt)
            if at is not None:
                self._db.execute(_AMEND, (amendment.reasoning_tokens, at))
        return at is not None

    def _look_after(self, now: float) -> None:
        """What is due; where there is too little time for it, it goes on in the next round."""
        if now >= self._sum_at and self.fold(now, _SLICE):
            self._sum_at = now + _SUM_EVERY
        if now >= self._forget_at and self._forget(now):
            self._forget_at = now + _HOUR
        if now >= self._shrink_at and self._upkeep.shrink(_SLICE):
            self._shrink_at = now + _HOUR

    def _forget(self, now: float) -> bool:
        """Drop the rows that are older than ``retention``, also those of workers that are no more."""
        before = int((now - self.retention) * 1000) if self.retention < math.inf else 0
        for path in ownerless(self._book, self._workers) if self._workers else ():
            with suppress(LedgerError):  # somebody has it after all
                left = Ledger(path, count=self._count)
                left.prune(before)
                left.close()
        deleted, all_of_them = self._upkeep.prune(before, _SLICE)
        if deleted:
            self._shrink_at = 0.0
        return all_of_them

    def _mend(self) -> None:
        """The file broke under us: put it aside and begin a new one."""
        with self._connection:
            self._db.close()
            self._db = open_database(self.path, broken=True)
            self._rows = Rows(self._db)
            self._broken = False
