"""The store in SQLite: one file that all workers share, used by a thread of its own, never by the loop (D13)."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec
import structlog

from policies.sticky import Answered
from proxy.ledger.opening import AWAY, checkpoint, told, transaction
from proxy.state.opening import BUSY_MS, VERSION, alone, open_store
from proxy.state.store import MOST_TURNS, StoreFailed, ThreadTooLong, Turn

FILE = "state.db"
_SHORT_MS = 50
"""How long a write may wait for others while the file could not be written a moment ago."""
_HOUR = 3600.0
_DAY = 24 * _HOUR
"""How long a thread without stored turns is known: far longer than any vendor keeps its prompt."""
_COLUMNS = "t.id, t.tenant, t.created, t.previous, t.input, t.response, t.home, t.data_class, t.call"
_ONE = f"SELECT {_COLUMNS} FROM turns t WHERE tenant = ? AND id = ? AND created >= ?"  # noqa: S608 - our own words
_HOLDING = """FROM turns t WHERE tenant = ?1 AND created >= ?3 AND id IN
 (SELECT turn FROM items WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2)))"""
_WITH = f"SELECT {_COLUMNS} {_HOLDING} ORDER BY created, rowid"
_SIZE_WITH = f"SELECT coalesce(sum(size), 0) {_HOLDING}"
_BACK = """WITH RECURSIVE back(key, previous, size, depth) AS (
 SELECT rowid, previous, size, 1 FROM turns WHERE tenant = ?1 AND id = ?2 AND created >= ?3
 UNION ALL
 SELECT t.rowid, t.previous, back.size + t.size, depth + 1 FROM back
  JOIN turns t ON t.tenant = ?1 AND t.id = back.previous AND t.created >= ?3
  WHERE depth <= ?4 AND back.size <= ?5)"""
_THREAD = f"""{_BACK} SELECT {_COLUMNS}, depth, back.size
 FROM back JOIN turns t ON t.rowid = key ORDER BY depth DESC"""  # noqa: S608
_KEEP = """INSERT OR REPLACE INTO turns (tenant, id, created, previous, size, input, response, home, data_class, call)
 VALUES (?,?,?,?,?,?,?,?,?,?)"""
_NAME = "INSERT OR REPLACE INTO items VALUES (?,?,?)"
_FORGET = "DELETE FROM turns WHERE tenant = ? AND id = ?"
_KEEP_CALLS = "INSERT OR REPLACE INTO calls VALUES (?,?,?,?)"
_CALLS = """SELECT id, state FROM calls
 WHERE tenant = ? AND created >= ? AND id IN (SELECT value FROM json_each(?))"""
_MARK = "INSERT OR REPLACE INTO marks (tenant, id, created, data_class) VALUES (?,?,?,?)"
_MARKED = """SELECT data_class FROM marks
 WHERE tenant = ? AND created >= ? AND id IN (SELECT value FROM json_each(?))"""
_ANY_MARK = "SELECT 1 FROM marks LIMIT 1"
_KEEP_THREAD = "INSERT OR REPLACE INTO threads (tenant, id, created, home) VALUES (?,?,?,?)"
_HOME = "SELECT home FROM threads WHERE tenant = ? AND id = ? AND created >= ?"
_PRUNED = {"turns": math.inf, "calls": math.inf, "marks": math.inf, "threads": _DAY}
"""table -> seconds that its rows are kept at the most, whatever ``retention`` says."""
_BITE = "DELETE FROM {0} WHERE rowid IN (SELECT rowid FROM {0} WHERE created < ? LIMIT 100)"

_RAWS = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_ANSWERED = msgspec.json.Decoder(Answered)
_log = structlog.get_logger("state")
Row = tuple[str, str, int, str | None, bytes, bytes, bytes | None, str, str | None]

T = TypeVar("T")


class SqliteStore:
    """See proxy.state.store.Store."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time, shared: bool = True) -> None:
        """Raises StoreFailed when the file cannot be used. ``clock``: seconds since 1970. ``shared``: others write to
        it, too."""
        self.retention = math.inf
        self.trouble: str | None = None
        self._path = path
        self._clock = clock
        self._db = open_store(path)
        self._shared = shared
        self.has_marks = self._any_mark()
        self._desk = ThreadPoolExecutor(1, thread_name_prefix="state")
        """All that touches the connection queues here, so that no job waits for a lock in a shared thread pool."""
        self._closing = threading.Event()
        self._helper: threading.Thread | None = None
        self._prune_at = 0.0

    async def keep_turn(self, turn: Turn, items: Collection[str] = ()) -> None:
        await self._run(lambda: self._keep(turn, items))

    async def turn(self, tenant: str, id: str) -> Turn | None:  # noqa: A002 - the wire's own word
        found = await self._run(lambda: self._turns(_ONE, (tenant, id, self._oldest())))
        return found[0] if found else None

    async def turns_with(self, tenant: str, items: Collection[str], *, most: int) -> list[Turn]:
        names = msgspec.json.encode(list(items)).decode()
        return await self._run(lambda: self._with(tenant, names, most))

    async def thread(self, tenant: str, id: str, *, most: int) -> list[Turn] | None:  # noqa: A002
        return await self._run(lambda: self._thread(tenant, id, most))

    async def forget_turn(self, tenant: str, id: str) -> bool:  # noqa: A002
        return await self._run(lambda: self._write(_FORGET, [(tenant, id)])) > 0

    async def keep_calls(self, tenant: str, states: Mapping[str, bytes]) -> None:
        now = int(self._clock())
        rows = [(tenant, id_, now, state) for id_, state in states.items()]
        await self._run(lambda: self._write(_KEEP_CALLS, rows))

    async def calls(self, tenant: str, ids: Sequence[str]) -> dict[str, bytes]:
        names = msgspec.json.encode(ids).decode()
        return await self._run(lambda: dict(self._db.execute(_CALLS, (tenant, self._oldest(), names))))

    async def mark(self, tenant: str, ids: Collection[str], data_class: Collection[str]) -> None:
        self.has_marks = True
        await self._run(lambda: self._mark(tenant, list(ids), data_class))

    async def marked(self, tenant: str, ids: Sequence[str]) -> frozenset[str]:
        if not self.has_marks and not self._shared:
            return frozenset()
        return await self._run(lambda: self._marks(tenant, ids))

    async def keep_thread(self, tenant: str, names: Sequence[bytes], last: Answered) -> None:
        told = msgspec.json.encode(last)
        rows = [(tenant, name, int(last.at), told) for name in names]
        await self._run(lambda: self._write(_KEEP_THREAD, rows))

    async def thread_home(self, tenant: str, names: Sequence[bytes]) -> Answered | None:
        return await self._run(lambda: self._home(tenant, names))

    async def look(self) -> None:
        """``maintain`` does so."""

    def prune(self) -> int:
        """Drop what is older than ``retention``, in small bites between which calls have their turn; returns how much.
        Raises apsw.Error."""
        return sum(self._bites(_BITE.format(table), most) for table, most in _PRUNED.items())

    def maintain(self) -> None:
        """One round of the thread: keep the write-ahead log short, and once an hour drop what is too old."""
        try:
            if self.trouble is not None:
                with suppress(apsw.Error):
                    self._desk.submit(self._try).result()
            checkpoint(self._path)
            self.has_marks = self.has_marks or self._desk.submit(self._any_mark).result()
            now = self._clock()
            if now >= self._prune_at:
                self._prune_at = now + _HOUR
                self.prune()
        except (apsw.Error, OSError) as error:
            _log.warning("state.maintain", path=str(self._path), why=told(error))

    def start(self, every: float = 1.0) -> None:
        """Begin to maintain, every so many seconds, in a thread of our own."""
        self._helper = threading.Thread(target=self._maintaining, args=(every,), name="state-maintain", daemon=True)
        self._helper.start()

    def close(self) -> None:
        """Let go of the file, once all that was asked for is done."""
        self._closing.set()
        if self._helper is not None:
            self._helper.join()
        self._desk.shutdown()
        # The last to leave folds the log back into the file: nobody may open it at that moment.
        with alone(self._path):
            self._db.close()

    async def do(self, work: Callable[[apsw.Connection], T]) -> T:
        """What another room of this file reads or writes, at the same desk. Raises StoreFailed."""
        return await self._run(lambda: work(self._db))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closing.is_set():
            raise StoreFailed("closed: Turnout is leaving")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._desk, self._patient(work))
        except (apsw.Error, msgspec.MsgspecError) as error:
            if isinstance(error, AWAY):
                self._suffer(told(error))
            raise StoreFailed(told(error)) from error

    def _patient(self, work: Callable[[], T]) -> Callable[[], T]:
        """``work``, which waits for another writer no longer than ``BUSY_MS`` from now on, its time in the queue
        included: behind a file that stays locked each would otherwise wait for all that came before it, too."""
        asked = time.monotonic()

        def job() -> T:
            waited = int((time.monotonic() - asked) * 1000)
            patience = BUSY_MS if self.trouble is None else _SHORT_MS
            self._db.set_busy_timeout(max(patience - waited, 0))
            return work()

        return job

    def _try(self) -> None:
        """Can it be written again? Raises apsw.Error."""
        self._db.set_busy_timeout(_SHORT_MS)
        with transaction(self._db):
            self._db.pragma("user_version", VERSION)
        self.trouble = None
        _log.info("state.back", path=str(self._path))

    def _suffer(self, why: str) -> None:
        if self.trouble is None:
            mend = "see that its disk has room and takes what is written; state.away.stored says what holds meanwhile"
            _log.error("state.away", path=str(self._path), why=why, mend=mend)
        self.trouble = why

    def _oldest(self, most: float = math.inf) -> int:
        """When the oldest row was made that is still found; seconds since 1970. ``most``: seconds."""
        retention = min(self.retention, most)
        return 0 if retention == math.inf else int(self._clock() - retention)

    def _home(self, tenant: str, names: Sequence[bytes]) -> Answered | None:
        oldest = self._oldest(_DAY)
        for name in names:
            found = self._db.execute(_HOME, (tenant, name, oldest)).fetchone()
            if found is not None:
                return _ANSWERED.decode(found[0])
        return None

    def _keep(self, turn: Turn, items: Collection[str]) -> None:
        said = msgspec.json.encode(turn.input)
        size = len(said) + len(turn.response)
        home = None if turn.home is None else msgspec.json.encode(turn.home)
        classes = _told(turn.data_class)
        row = (turn.tenant, turn.id, turn.created, turn.previous, size, said, turn.response, home, classes, turn.call)
        with transaction(self._db):
            self._db.execute(_KEEP, row)
            self._db.executemany(_NAME, [(turn.tenant, name, turn.id) for name in items])

    def _any_mark(self) -> bool:
        return self._db.execute(_ANY_MARK).fetchone() is not None

    def _mark(self, tenant: str, ids: Sequence[str], data_class: Collection[str]) -> None:
        now = int(self._clock())
        with transaction(self._db):
            rows = [(tenant, id_, now, _told({*data_class, *self._marks(tenant, [id_])})) for id_ in ids]
            self._db.executemany(_MARK, rows)

    def _marks(self, tenant: str, ids: Sequence[str]) -> frozenset[str]:
        found = self._db.execute(_MARKED, (tenant, self._oldest(), msgspec.json.encode(ids).decode()))
        return frozenset(label for (told,) in found for label in _classes(told))

    def _write(self, sql: str, rows: Sequence[tuple[object, ...]]) -> int:
        with transaction(self._db):
            self._db.executemany(sql, rows)
        return int(self._db.changes())

    def _turns(self, sql: str, values: tuple[object, ...]) -> list[Turn]:
        return [_turn(row) for row in self._db.execute(sql, values)]

    def _with(self, tenant: str, names: str, most: int) -> list[Turn]:
        values = (tenant, names, self._oldest())
        if self._db.execute(_SIZE_WITH, values).get > most:
            raise ThreadTooLong
        return self._turns(_WITH, values)

    def _thread(self, tenant: str, id_: str, most: int) -> list[Turn] | None:
        rows: list[Any] = self._db.execute(_THREAD, (tenant, id_, self._oldest(), MOST_TURNS, most)).fetchall()
        if any(depth > MOST_TURNS or size > most for *_, depth, size in rows[:1]):
            raise ThreadTooLong
        turns = [_turn(row[:-2]) for row in rows]
        # The first that was found must be the thread's beginning, else one before it is gone.
        return turns if turns and turns[0].previous is None else None

    def _bites(self, bite: str, most: float) -> int:
        dropped = 0
        while not self._closing.is_set():
            some = self._desk.submit(self._patient(partial(self._write, bite, [(self._oldest(most),)]))).result()
            dropped += some
            if some == 0:
                break
        return dropped

    def _maintaining(self, every: float) -> None:
        self.maintain()
        while not self._closing.wait(every):
            self.maintain()


def _turn(row: Row) -> Turn:
    id_, tenant, created, previous, said, response, home, classes, call = row
    return Turn(
        id=id_,
        tenant=tenant,
        created=created,
        previous=previous,
        input=_RAWS.decode(said),
        response=response,
        home=None if home is None else _ANSWERED.decode(home),
        data_class=frozenset(_classes(classes)),
        call=call,
    )


def _told(classes: Collection[str]) -> str:
    return "+".join(sorted(classes))


def _classes(told: str) -> Sequence[str]:
    return told.split("+") if told else ()
