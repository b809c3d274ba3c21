"""The PostgreSQL ledger: the loop puts a row into the spool, and a thread drains it into the database (D3).

*Committed* means spool or database. Rows that come together are stored together, each once, however often a drain is
cut short: they go from the spool when the database has them, and it takes each key once.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import structlog
from psycopg import Connection

from proxy.ledger import postgres_rollups, postgres_rows
from proxy.ledger.address import shown
from proxy.ledger.amending import Amendment, Amendments
from proxy.ledger.opening import claim
from proxy.ledger.postgres_schema import connect, migrate, told
from proxy.ledger.postgres_shelf import SPOOLS
from proxy.ledger.record import UsageRecord, storable
from proxy.ledger.schema import SPOOL, LedgerError, worker_file
from proxy.ledger.spool import Spool, spools
from proxy.ledger.waiting import Waiting

_BATCH = 500
"""Rows stored in one transaction."""
_GATHER = 0.05
"""Seconds between two drains, so that rows that come together are stored together."""
_BACK_OFF = (0.2, 5.0)
"""Seconds until the database is tried again, at first and at the most."""
_SILENCE = 5.0
"""Seconds after which a database that does not answer is in trouble."""
_LEAVE = 3.0
"""Seconds that an end waits for a database that does not answer: the rows are in the spool."""
_SLICE = 1.0
"""Seconds that sums and pruning may take at one time."""
_SUM_EVERY = 60.0
_FORGET_EVERY = 3600.0
_LATE = 300
"""Seconds that an hour is over before it is summed: most of the calls that began in it have ended."""
_BITE = 1000
"""Rows deleted in one transaction."""

_log = structlog.get_logger("ledger")


def _uncounted(state: str, rows: int) -> None:
    """Nobody asked for the counts."""


class Ledger:
    """See proxy.ledger.writing.Ledger.

    ``count(state, rows)`` hears of every row: ``spooled``, then ``replayed``; or ``held`` and ``lost``.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        worker: int | None = None,
        workers: int = 0,
        count: Callable[[str, int], None] = _uncounted,
        fsync: bool = False,
        hold: int = 20_000,
    ) -> None:
        """``folder``: where the spool is. ``workers``: how many there are; the first of them drains the spools of those
        that were before, 0: nobody does. ``hold``: rows kept in memory if the disk is full. A database that is away, or
        refuses us, is tried again and again. Raises LedgerError for a newer schema, and for another's spool."""
        name = worker_file(folder / f"{SPOOLS}.db", worker)
        self.retention = math.inf
        self._url = url
        self._folder = folder
        self._workers = workers if not worker else 0
        self._count = count
        self._amendments = Amendments()
        self._spool = Spool(name.with_suffix(SPOOL), fsync=fsync)
        self._waiting = Waiting(self._spool, count, hold)
        self._slot = claim(name)
        self._trouble: str | None = None
        self._asked: float | None = None
        """When the database was asked what it has not answered."""
        self._again = _BACK_OFF[0]
        self._sum_at = self._forget_at = 0.0
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._first()

    @property
    def trouble(self) -> str | None:
        """Why rows do not reach the database now; None when they do."""
        asked = self._asked
        silent = time.monotonic() - asked if asked is not None else 0.0
        return f"no answer for {silent:.0f} s" if silent > _SILENCE else self._trouble

    def write(self, records: Sequence[UsageRecord]) -> None:
        """Put the rows into the spool before returning. Never waits and never raises."""
        try:
            why = self._waiting.put(records)
        except (UnicodeEncodeError, OverflowError):
            why = self._waiting.put([storable(record) for record in records])
        if why is not None:
            self._trouble = why
        if not self._wake.is_set():
            self._wake.set()

    def amend(self, request_id: str, attempt: int, reasoning_tokens: int) -> None:
        """Raise a row's split from ``estimated`` to ``counted``, soon: the thread does it, wherever the row waits.
        Never waits and never raises; a count that is lost with the process leaves the estimate."""
        self._amendments.put(request_id, attempt, reasoning_tokens)

    def replay(self) -> int:
        """Move what waits into the database, each row once; returns how many rows were new to it. Raises psycopg.Error
        and LedgerError while the database is away."""
        self._waiting.release()
        self._connected()
        return self._waiting.drain(self._store, _BATCH)

    def prune(self, before: int) -> int:
        """Delete rows that started before ``before`` (milliseconds since 1970), in small bites; returns how many."""
        return self._prune(before, math.inf)[0]

    def fold(self, now: float, seconds: float = math.inf) -> bool:
        """Sum the hours and days that were over at ``now`` (seconds since 1970); whether there was time for all."""
        return postgres_rollups.fold(self._connected(), int((now - _LATE) // 3600), seconds)

    def maintain(self) -> None:
        """One round of the thread: drain what waits; sum hours and forget old rows, where no other worker does."""
        try:
            self.replay()
            self._amendments.settle(self._amended)
            if not self._waiting.holds:
                self._trouble = None
            self._again = _BACK_OFF[0]
            self._look_after(time.time())
        except (psycopg.Error, OSError, LedgerError) as error:
            self._failed(error)
        finally:
            self._asked = None

    def start(self) -> None:
        """Begin to drain, in a thread of our own."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """A last drain, then let go. Rows that still wait stay in the spool for the next start."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_LEAVE)
            if self._thread.is_alive():
                _log.warning("ledger.left", why=self.trouble)
                return
        if self._trouble is None:
            self.maintain()
        self._let_go()
        self._spool.close()
        os.close(self._slot)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
            self.maintain()
            self._closing.wait(_GATHER if self._trouble is None else self._again)

    def _first(self) -> None:
        """A look at the database before anything is served."""
        try:
            self._connected()
        except LedgerError:
            os.close(self._slot)
            raise
        except psycopg.Error as error:
            self._failed(error)

    def _connected(self) -> Connection:
        self._asked = time.monotonic()
        if self._connection is None or self._connection.closed:
            connection = connect(self._url)
            try:
                migrate(connection, self._url)
            except (psycopg.Error, LedgerError):
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _store(self, records: Sequence[UsageRecord]) -> int:
        new = postgres_rows.add(self._connected(), records)
        self._count("replayed", new)
        return new

    def _amended(self, amendment: Amendment) -> bool:
        return postgres_rows.amend(self._connected(), amendment)

    def _failed(self, error: Exception) -> None:
        """The database is away, or says no: let go, and try again later."""
        why = told(error, self._url) if isinstance(error, psycopg.Error) else str(error)
        if why != self._trouble:
            _log.warning("ledger.away", url=shown(self._url), why=why, rows="wait in the spool")
        self._trouble = why
        self._again = min(self._again * 2, _BACK_OFF[1])
        self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look_after(self, now: float) -> None:
        """What is due, by the one worker of all that may; where there is too little time, it goes on a round later."""
        if now < min(self._sum_at, self._forget_at):
            return
        connection = self._connected()
        try:
            with postgres_rollups.caring(connection) as ours:
                if not ours or self.fold(now, _SLICE):
                    self._sum_at = now + _SUM_EVERY
                if now >= self._forget_at and (not ours or self._forget(now)):
                    self._forget_at = now + _FORGET_EVERY
            self._adopt()
        except psycopg.Error as error:
            if connection.closed:
                raise
            # Somebody else holds what it needs: rows are drained all the same.
            _log.warning("ledger.upkeep", why=told(error, self._url))
            self._sum_at = now + _SUM_EVERY

    def _forget(self, now: float) -> bool:
        """Drop the rows that are older than ``retention``."""
        return self.retention == math.inf or self._prune(int((now - self.retention) * 1000), _SLICE)[1]

    def _prune(self, before: int, seconds: float) -> tuple[int, bool]:
        deleted, deadline = 0, time.monotonic() + seconds
        while bite := postgres_rows.prune(self._connected(), before, _BITE):
            deleted += bite
            if time.monotonic() > deadline:
                return deleted, False
        return deleted, True

    def _adopt(self) -> None:
        """Drain the spools of workers that are no more."""
        own = self._folder / f"{SPOOLS}{SPOOL}"
        used = {worker_file(own, number) for number in range(self._workers)} if self._workers > 1 else {own}
        for path in set(spools(self._folder, SPOOLS)) - used if self._workers else ():
            try:
                slot = claim(path.with_suffix(".db"))
            except LedgerError:  # somebody has it after all
                continue
            try:
                Waiting(Spool(path), self._count, 0).drain(self._store, _BATCH)
            finally:
                os.close(slot)
