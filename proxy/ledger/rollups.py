"""Sums the hours and days of one SQLite file, in its ledger's thread, and without holding the file for long (D17).

An hour in which a row was added, changed or deleted is *stale*, by triggers: it is read from its rows. To be summed it
is *folding* first, which counts as stale, too; if it is touched meanwhile it is stale again. A day is *folded* when all
of its hours were; an hour that is summed again makes it unfolded.
"""

# ruff: noqa: S608 - every name in these statements is our own

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

from proxy.ledger.opening import transaction
from proxy.ledger.spans import HOUR, Span
from proxy.ledger.sqlite_source import SqliteSource, summed
from proxy.ledger.sums import LEVELS, MEASURES, Ask, Level, Query, gathered

_CHUNK = 100
"""Lines put in while the file is held: about a millisecond."""
_LINES = 24
"""Bits of a line's id below its hour or day."""
_DUE = "SELECT hour FROM stale WHERE hour < ?1 UNION SELECT hour FROM folding WHERE hour < ?1 ORDER BY hour"
_UNSETTLED = "SELECT 1 FROM (SELECT hour FROM stale UNION ALL SELECT hour FROM folding) WHERE hour / 24 = ?"
_PUT = {
    level: f"""INSERT INTO {level} VALUES ({",".join("?" * (1 + len(columns) + len(MEASURES)))})"""
    for level, columns in LEVELS.items()
}


class Rollups:
    """``connection`` and ``lock``: the one that writes, and who may use it now."""

    def __init__(self, path: Path, connection: Callable[[], apsw.Connection], lock: threading.Lock) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock

    def fold(self, until: int, seconds: float) -> bool:
        """Sum what is due of the hours before ``until`` (hours since 1970), oldest first; whether there was time for
        all. Raises apsw.Error."""
        deadline = time.monotonic() + seconds
        reader = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            for hour in [hour for (hour,) in reader.execute(_DUE, (until,))]:
                self._hour(reader, int(hour))
                if time.monotonic() > deadline:
                    return False
            for day in self._days(reader, until // 24):
                self._day(reader, day)
                if time.monotonic() > deadline:
                    return False
        finally:
            reader.close()
        return True

    def _hour(self, reader: apsw.Connection, hour: int) -> None:
        with self._writing() as execute:
            execute("INSERT OR IGNORE INTO folding VALUES (?)", (hour,))
            execute("DELETE FROM stale WHERE hour = ?", (hour,))
            execute("DELETE FROM folded WHERE day = ?", (hour // 24,))
            execute("DELETE FROM caller_days WHERE id >= ? AND id < ?", _ids(hour // 24))
        source = SqliteSource(reader, self._path)
        span = Span(hour * HOUR, (hour + 1) * HOUR)
        self._pour("caller_hours", hour, source.lines(Ask(LEVELS["caller_hours"]), span, span.since, span.until))
        self._pour("hours", hour, summed(reader.execute, partial(_again, "hours", hour, hour + 1)))
        with self._writing() as execute:
            execute("DELETE FROM folding WHERE hour = ?", (hour,))

    def _day(self, reader: apsw.Connection, day: int) -> None:
        self._pour("caller_days", day, summed(reader.execute, partial(_again, "caller_days", day * 24, day * 24 + 24)))
        with self._writing() as execute:
            execute("INSERT OR IGNORE INTO folded VALUES (?)", (day,))

    def _days(self, reader: apsw.Connection, until: int) -> Iterator[int]:
        """Days that have sums of hours, of which none is stale, and no sum of their own."""
        day = -1
        while True:
            start = (day + 1) * 24 << _LINES
            line: Any
            [(line,)] = reader.execute("SELECT min(id) FROM caller_hours WHERE id >= ?", (start,)).fetchall()
            if line is None or (day := (line >> _LINES) // 24) >= until:
                return
            known = reader.execute("SELECT 1 FROM folded WHERE day = ?", (day,)).fetchall()
            if not known and not reader.execute(_UNSETTLED, (day,)).fetchall():
                yield day

    def _pour(self, level: Level, number: int, lines: Iterable[Any]) -> None:
        """Lines in the place of those that this hour or day had. Nobody reads them yet."""
        start, end = _ids(number)
        with self._writing() as execute:
            execute(f"DELETE FROM {level} WHERE id >= ? AND id < ?", (start, end))
        left = iter(lines)
        while chunk := list(islice(left, _CHUNK)):
            with self._writing() as execute:
                for at, (_, *values) in enumerate(chunk, start):
                    execute(_PUT[level], (at, *values))
            start += len(chunk)

    @contextmanager
    def _writing(self) -> Iterator[Callable[..., apsw.Cursor]]:
        with self._lock, transaction(connection := self._connection()):
            yield connection.execute


def _ids(number: int) -> tuple[int, int]:
    """The ids of the lines of an hour or day, the end excluded."""
    return number << _LINES, number + 1 << _LINES


def _again(level: Level, start: int, end: int, sums: str) -> Query:
    """The sums of hours, summed again."""
    columns = ", ".join(f'"{name}"' for name in LEVELS[level])
    keys = ", ".join(str(number + 2) for number in range(len(LEVELS[level])))
    text = f"SELECT 0, {columns}, {gathered(sums)} FROM caller_hours WHERE id >= ? AND id < ? GROUP BY {keys}"
    return Query(text, (start << _LINES, end << _LINES))
