"""One SQLite file of the book, as it is read: at one moment, whatever is written meanwhile, and of any version."""

# ruff: noqa: S608 - every name in these statements is our own

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from proxy.ledger import place
from proxy.ledger.opening import told
from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.ledger.schema import PLACED, VERSION, LedgerError
from proxy.ledger.shelf import Key, order
from proxy.ledger.spans import Span
from proxy.ledger.sums import LEVELS, Ask, Folded, Known, Query, Words, filtered, of_rows, of_sums, pieces
from proxy.ledger.texts import REPEATED
from proxy.ledger.texts import told as text_of

_PATIENCE = 2000
"""Milliseconds that a reader, which is never on the loop, waits for a file."""
_LOOKED_AT = 50_000
"""Of the newest rows, where a bounded look is enough."""
_FIELDS = dict(zip(COLUMNS, UsageRecord.__struct_fields__, strict=True))
_LOOKED_FOR = "alias, outcome, attempt, parent_id, output_tokens, started_at"
_ANSWERED = "alias = ? AND outcome = 'ok' AND attempt > 0 AND parent_id IS NULL AND output_tokens IS NOT NULL"


class Part(Struct, frozen=True):
    """Rows that lie together. ``key``: what they lie in the order of; ``floor``: no later one has started before."""

    where: Query
    key: str
    floor: str


@contextmanager
def reading(path: Path) -> Iterator[SqliteSource]:
    """The file from its first read on as it was then. Raises LedgerError for one that cannot be read."""
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        connection = apsw.Connection(f"file:{quoted}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            connection.set_busy_timeout(_PATIENCE)
            connection.execute("BEGIN")
            yield SqliteSource(connection, path)
        finally:
            connection.close()
    except apsw.Error as error:
        raise LedgerError(f"{path}: {told(error)}: see that it can be read and is a ledger") from error


class SqliteSource:
    """See proxy.ledger.shelf.Source."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        """Raises LedgerError for a newer schema."""
        self._execute = connection.execute
        have = int(connection.pragma("user_version"))
        if have > VERSION:
            raise LedgerError(f"{path}: written by a newer Turnout (schema {have}): read it with that version")
        there = {row[1] for row in self._execute("PRAGMA table_info(usage)")}
        self._columns = [name for name in COLUMNS if name in there]
        self._placed = have >= PLACED
        self.words = _words(self._columns, placed=self._placed)
        columns = ", ".join(map(self.words.column, self._columns))
        self._select = f"SELECT {{}}, {columns} FROM {self.words.rows} WHERE {{}}"

    def here(self, keys: Sequence[Key]) -> set[Key]:
        return {key for key in keys if self._has(*key)}

    def find(self, request_id: str) -> list[UsageRecord]:
        if not self._columns:
            return []
        wheres = (*self._of_call(request_id), Query("parent_id = ?", (request_id,)))
        return [row for where in wheres for _, row in self._records(where)]

    def read(self, since: int, until: int, filters: Mapping[str, Any]) -> Iterator[UsageRecord]:
        conditions, values = filtered(self.words, filters)
        return heapq.merge(
            *(
                _settled(self._records(Query(part.where.text + conditions, (*part.where.values, *values)), part))
                for part in self._parts(since, until)
            ),
            key=order,
        )

    def newest(self, most: int, since: int, until: int, filters: Mapping[str, Any]) -> list[UsageRecord]:
        if most <= 0:
            return []
        conditions, values = filtered(self.words, filters)
        for part in self._parts(since, until):
            query = f"SELECT {part.floor} FROM {self.words.rows} WHERE {part.where.text}{conditions}"
            last: list[Any] = self._execute(
                f"{query} ORDER BY {part.key} DESC LIMIT 1 OFFSET ?", (*part.where.values, *values, most - 1)
            ).fetchall()
            since = max([since, *(floor for (floor,) in last)])
        return list(self.read(since, until, filters))[-most:]

    def fold(self, ask: Ask, since: int, until: int, into: Folded) -> None:
        if ask.timezone != "UTC":
            since, until = self._bounds(since, until)
        for span, piece in pieces(ask, since, until, self._known()):
            if piece.source == "rows":
                into.gather(self.lines(ask, span, piece.start, piece.end), span)
            else:
                into.gather(summed(self._execute, partial(of_sums, self.words, ask, span, piece)), span)

    def lines(self, ask: Ask, span: Span, since: int, until: int) -> list[Any]:
        """What the rows of a part of a span sum up to; two lines may be of one kind."""
        parts = self._parts(since, until)
        return [
            line
            for part in parts
            for line in summed(self._execute, partial(of_rows, self.words, ask, span, part.where))
        ]

    def outputs(self, alias: str, most: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for part in self._parts(0, place.LAST):
            newest = f"SELECT {_LOOKED_FOR} FROM usage WHERE {part.where.text} ORDER BY {part.key} DESC"
            query = f"SELECT started_at, output_tokens FROM ({newest} LIMIT {_LOOKED_AT}) WHERE {_ANSWERED} LIMIT ?"
            found += self._execute(query, (*part.where.values, alias, most))
        return found

    def _has(self, request_id: str, attempt: int) -> bool:
        for where in self._of_call(request_id):
            query = f"SELECT 1 FROM usage WHERE {where.text} AND attempt = ?"
            if self._execute(query, (*where.values, attempt)).fetchall():
                return True
        return False

    def _known(self) -> Known | None:
        if not self._placed:
            return None
        stale: list[Any] = self._execute("SELECT hour FROM stale UNION SELECT hour FROM folding").fetchall()
        folded: list[Any] = self._execute("SELECT day FROM folded").fetchall()
        return Known({hour for (hour,) in stale}, {day for (day,) in folded})

    def _bounds(self, since: int, until: int) -> tuple[int, int]:
        """The time within which there are rows."""
        found: list[Any] = []
        for part in self._parts(since, until):
            query = f"SELECT started_at FROM usage WHERE {part.where.text} ORDER BY {part.key}"
            ends = self._execute(f"{query} LIMIT 1", part.where.values).fetchall()
            ends += self._execute(f"{query} DESC LIMIT 1", part.where.values).fetchall()
            found += [started for (started,) in ends]
        if not found:
            return since, since
        return max(since, min(found) - 2 * place.SLACK), min(until, max(found) + 2 * place.SLACK)

    def _parts(self, since: int, until: int) -> list[Part]:
        if not self._columns:
            return []
        started = Query("started_at >= ? AND started_at < ?", (since, until))
        if not self._placed:
            return [Part(started, "started_at", "started_at")]
        placed = Query(f"id >= ? AND id < ? AND {started.text}", (place.first(since), place.end(until), since, until))
        return [
            Part(placed, "id", f"{place.MOMENT} - {place.SLACK}"),
            Part(Query(f"id < 0 AND {started.text}", started.values), "started_at", "started_at"),
        ]

    def _of_call(self, request_id: str) -> list[Query]:
        if not self._columns:
            return []
        if not self._placed:
            return [Query("request_id = ?", (request_id,))]
        odd = Query("id < 0 AND request_id = ?", (request_id,))
        places = place.of_call(request_id)
        return [odd] if places is None else [Query("id >= ? AND id < ? AND request_id = ?", (*places, request_id)), odd]

    def _records(self, where: Query, part: Part | None = None) -> Iterator[tuple[int, UsageRecord]]:
        """Rows, each after its floor."""
        query = self._select.format(part.floor if part else 0, where.text) + (f" ORDER BY {part.key}" if part else "")
        fields = [_FIELDS[name] for name in self._columns]
        for floor, *values in self._execute(query, where.values):
            row = dict(zip(fields, values, strict=True))
            row["stream"] = bool(row["stream"])
            yield floor, UsageRecord(**row)


def summed(execute: Callable[..., apsw.Cursor], query: Callable[[str], Query]) -> list[Any]:
    """The lines of a query that adds up with the function that it is given: exactly, or else, where no integer holds a
    sum, nearly."""
    try:
        exact = query("sum")
        return execute(exact.text, exact.values).fetchall()
    except apsw.SQLError as error:
        if "overflow" not in str(error):
            raise
    rough = query("total")
    return execute(rough.text, rough.values).fetchall()


def _settled(rows: Iterable[tuple[int, UsageRecord]]) -> Iterator[UsageRecord]:
    """Rows that come nearly in order, in order."""
    held: list[tuple[tuple[int, str, int], UsageRecord]] = []
    for floor, row in rows:
        heapq.heappush(held, (order(row), row))
        while held and held[0][0][0] < floor:
            yield heapq.heappop(held)[1]
    for _, row in sorted(held, key=lambda each: each[0]):
        yield row


def _words(columns: Sequence[str], *, placed: bool) -> Words:
    def column(name: str) -> str:
        return text_of(name) if placed and name in REPEATED else f'"{name}"'

    missing = [f'NULL AS "{name}"' for name in COLUMNS if name not in columns]
    rows = f"(SELECT *, {', '.join(missing)} FROM usage)" if missing else "usage"
    return Words(
        mark="?",
        rows=rows,
        tables={level: level for level in LEVELS},
        column=column,
        tag=lambda name: ("json_extract(tags, ?)", f'$."{name}"'),
        number=dict.fromkeys(LEVELS, "(id >> 24)"),
        within=lambda _, start, end: ("id >= ? AND id < ?", [start << 24, end << 24]),
    )
