"""The book in PostgreSQL, as it is read: at one moment, whatever is written meanwhile."""

# ruff: noqa: S608 - every name in these statements is our own

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg import Connection

from proxy.ledger import postgres_rows
from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.ledger.shelf import Key
from proxy.ledger.spans import Piece, Span
from proxy.ledger.sums import LEVELS, Ask, Folded, Known, Query, Words, filtered, of_rows, of_sums, pieces

_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_SELECT = f"SELECT {_NAMES} FROM turnout_usage WHERE "
_LOOKED_AT = 50_000
"""Of the newest rows, where a bounded look is enough."""
_OUTPUTS = f"""SELECT started_at, output_tokens FROM (
 SELECT alias, outcome, attempt, parent_id, output_tokens, started_at FROM turnout_usage
 ORDER BY started_at DESC LIMIT {_LOOKED_AT}
) newest WHERE alias = %s AND outcome = 'ok' AND attempt > 0 AND parent_id IS NULL AND output_tokens IS NOT NULL
LIMIT %s"""
_ORDER = "ORDER BY started_at, request_id, attempt"
_NEWEST = "ORDER BY started_at DESC, request_id DESC, attempt DESC LIMIT %s"
_SOME = 2000
"""Rows that are in memory at one time."""
_FIELDS = UsageRecord.__struct_fields__
WORDS = Words(
    mark="%s",
    rows="turnout_usage",
    tables={level: f"turnout_{level}" for level in LEVELS},
    column=lambda name: f'"{name}"',
    tag=lambda name: ("tags::json ->> %s", name),
    number={"hours": "hour", "caller_hours": "hour", "caller_days": "day"},
    within=lambda level, start, end: (
        "day >= %s AND day < %s" if level == "caller_days" else "hour >= %s AND hour < %s",
        [start, end],
    ),
)


class PostgresSource:
    """See proxy.ledger.shelf.Source. All is read in one transaction, which its shelf has begun."""

    def __init__(self, connection: Connection, *, summed: bool) -> None:
        """``summed``: there are tables of sums."""
        self._connection = connection
        self._summed = summed

    def here(self, keys: Sequence[Key]) -> set[Key]:
        return postgres_rows.here(self._connection, keys)

    def find(self, request_id: str) -> list[UsageRecord]:
        own = Query(f"{_SELECT} request_id = %s", (request_id,)), Query(f"{_SELECT} parent_id = %s", (request_id,))
        return [_record(values) for query in own for values in self._execute(query)]

    def read(self, since: int, until: int, filters: Mapping[str, Any]) -> Iterator[UsageRecord]:
        query = _started(since, until, filters)
        with self._connection.cursor(name="rows") as cursor:
            cursor.itersize = _SOME
            cursor.execute(f"{_SELECT}{query.text} {_ORDER}", query.values)
            for values in cursor:
                yield _record(values)

    def newest(self, most: int, since: int, until: int, filters: Mapping[str, Any]) -> list[UsageRecord]:
        query = _started(since, until, filters)
        found = self._execute(Query(f"{_SELECT}{query.text} {_NEWEST}", (*query.values, most)))
        return [_record(values) for values in reversed(found)]

    def fold(self, ask: Ask, since: int, until: int, into: Folded) -> None:
        if ask.timezone != "UTC":
            since, until = self._bounds(since, until)
        for span, piece in pieces(ask, since, until, self._known()):
            into.gather(self._execute(_folding(ask, span, piece)), span)

    def outputs(self, alias: str, most: int) -> list[tuple[int, int]]:
        return [(int(at), int(tokens)) for at, tokens in self._execute(Query(_OUTPUTS, (alias, most)))]

    def _known(self) -> Known | None:
        if not self._summed:
            return None
        stale = self._execute(Query("SELECT hour FROM turnout_stale UNION SELECT hour FROM turnout_folding"))
        folded = self._execute(Query("SELECT day FROM turnout_folded"))
        return Known({int(hour) for (hour,) in stale}, {int(day) for (day,) in folded})

    def _bounds(self, since: int, until: int) -> tuple[int, int]:
        """The time within which there are rows."""
        [(first, last)] = self._execute(Query("SELECT min(started_at), max(started_at) FROM turnout_usage"))
        return (since, since) if first is None else (max(since, first), min(until, last + 1))

    def _execute(self, query: Query) -> list[Any]:
        return self._connection.execute(query.text, query.values).fetchall()


def _folding(ask: Ask, span: Span, piece: Piece) -> Query:
    if piece.source != "rows":
        return of_sums(WORDS, ask, span, piece)
    return of_rows(WORDS, ask, span, _started(piece.start, piece.end, {}))


def _started(since: int, until: int, filters: Mapping[str, Any]) -> Query:
    conditions, values = filtered(WORDS, filters)
    return Query(f"started_at >= %s AND started_at < %s{conditions}", (since, until, *values))


def _record(values: Sequence[Any]) -> UsageRecord:
    return UsageRecord(**dict(zip(_FIELDS, values, strict=True)))
