"""Sums the hours and days of the book in PostgreSQL, by one worker at a time. The words are those of rollups.py."""

# ruff: noqa: S608 - every name in these statements is our own

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection

from proxy.ledger.postgres_schema import CARE, CHANGES
from proxy.ledger.postgres_source import WORDS
from proxy.ledger.spans import HOUR, Span
from proxy.ledger.sums import LEVELS, Ask, Level, Query, gathered, of_rows

_DUE = """SELECT hour FROM (SELECT hour FROM turnout_stale UNION SELECT hour FROM turnout_folding) due
 WHERE hour < %s ORDER BY hour"""
_DAYS = """WITH RECURSIVE days(day) AS (
 SELECT min(hour) / 24 FROM turnout_caller_hours
 UNION ALL
 SELECT (SELECT min(hour) / 24 FROM turnout_caller_hours WHERE hour >= (days.day + 1) * 24) FROM days
 WHERE days.day IS NOT NULL
) SELECT day FROM days WHERE day < %s AND day NOT IN (SELECT day FROM turnout_folded) AND day NOT IN (
 SELECT hour / 24 FROM turnout_stale UNION SELECT hour / 24 FROM turnout_folding
)"""


@contextmanager
def caring(connection: Connection) -> Iterator[bool]:
    """Are we the one worker that sums and deletes, as long as this lasts?"""
    [(ours,)] = connection.execute("SELECT pg_try_advisory_lock(%s)", (CARE,)).fetchall()
    try:
        yield bool(ours)
    finally:
        # With a connection that is lost, so is the lock.
        if ours and not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (CARE,))


def fold(connection: Connection, until: int, seconds: float) -> bool:
    """Sum what is due of the hours before ``until`` (hours since 1970); whether there was time for all."""
    deadline = time.monotonic() + seconds
    for (hour,) in connection.execute(_DUE, (until,)).fetchall():
        _hour(connection, hour)
        if time.monotonic() > deadline:
            return False
    for (day,) in connection.execute(_DAYS, (until // 24,)).fetchall():
        _day(connection, day)
        if time.monotonic() > deadline:
            return False
    return True


def _hour(connection: Connection, hour: int) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (CHANGES,))
        connection.execute("INSERT INTO turnout_folding VALUES (%s) ON CONFLICT DO NOTHING", (hour,))
        connection.execute("DELETE FROM turnout_stale WHERE hour = %s", (hour,))
        connection.execute("DELETE FROM turnout_folded WHERE day = %s", (hour // 24,))
        connection.execute("DELETE FROM turnout_caller_days WHERE day = %s", (hour // 24,))
    span = Span(hour * HOUR, (hour + 1) * HOUR)
    rows = Query("started_at >= %s AND started_at < %s", (span.since, span.until))
    with _at_leisure(connection):
        _put(connection, "caller_hours", hour, of_rows(WORDS, Ask(("hour", *LEVELS["caller_hours"])), span, rows))
        _put(connection, "hours", hour, _again("hours", "hour", hour, hour + 1))
        connection.execute("DELETE FROM turnout_folding WHERE hour = %s", (hour,))


def _day(connection: Connection, day: int) -> None:
    with _at_leisure(connection):
        _put(connection, "caller_days", day, _again("caller_days", "hour / 24", day * 24, day * 24 + 24))
        connection.execute("INSERT INTO turnout_folded VALUES (%s) ON CONFLICT DO NOTHING", (day,))


def _put(connection: Connection, level: Level, number: int, lines: Query) -> None:
    connection.execute(f"DELETE FROM turnout_{level} WHERE {WORDS.number[level]} = %s", (number,))
    connection.execute(f"INSERT INTO turnout_{level} {lines.text}", lines.values)


def _again(level: Level, number: str, start: int, end: int) -> Query:
    """The sums of hours, summed again."""
    columns = ", ".join(f'"{name}"' for name in LEVELS[level])
    keys = ", ".join(str(at + 1) for at in range(1 + len(LEVELS[level])))
    text = f"SELECT {number}, {columns}, {gathered()} FROM turnout_caller_hours WHERE hour >= %s AND hour < %s"
    return Query(f"{text} GROUP BY {keys}", (start, end))


@contextmanager
def _at_leisure(connection: Connection) -> Iterator[None]:
    """A transaction for which nobody waits."""
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        yield
