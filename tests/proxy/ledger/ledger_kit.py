"""Two homes of the book, and rows for it: one kit for what must hold in SQLite and in PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import apsw
import psycopg
from hypothesis import strategies as st

from proxy.ledger import postgres, sqlite
from proxy.ledger.book import Book, open_book
from proxy.ledger.record import UsageRecord
from proxy.ledger.writing import Ledger

NOON = 1_795_176_000_123
"""2026-11-20T12:00:00.123Z."""
HOUR = 3_600_000
DAY = 24 * HOUR


def uuid7(millis: int, low: int = 0) -> str:
    """An id of our own kind, of a call that began then."""
    text = f"{millis << 80 | 7 << 76 | (low & 0xFFF) << 64 | 2 << 62 | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def row(low: int = 0, at: int = NOON, **values: Any) -> UsageRecord:
    """A row in its place, unless ``request_id`` says otherwise."""
    known: dict[str, Any] = {"request_id": uuid7(at, low), "started_at": at, "api": "chat", "outcome": "ok"}
    return UsageRecord(**{**known, "alias": "auto", "backend": "oss", **values})


class Folds(Ledger, Protocol):
    """What both homes have beside their interface."""

    def fold(self, now: float, seconds: float = ...) -> bool: ...


class Home(Protocol):
    """A book and those who write it."""

    url: str
    folder: Path

    def open(self, worker: int | None = None, workers: int = 0) -> Folds:
        """Somebody who writes it."""
        ...

    def stored(self) -> list[tuple[str, int]]:
        """The keys in the databases, the spools left out."""
        ...

    def run(self, statement: str) -> None:
        """Change the database behind everybody's back."""
        ...


def book(home: Home) -> Book:
    return open_book(home.url, home.folder)


class Sqlite:
    """In files of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "turnout.db"
        self.url = f"sqlite:///{self.path}"

    def open(self, worker: int | None = None, workers: int = 0) -> sqlite.Ledger:
        return sqlite.Ledger(self.path, worker=worker, workers=workers)

    def stored(self) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for path in self.folder.glob("turnout*.db"):
            found += _read(path, "SELECT request_id, attempt FROM usage")
        return sorted(found)

    def run(self, statement: str) -> None:
        connection = apsw.Connection(str(self.path))
        connection.execute(statement)
        connection.close()


class Postgres:
    """In tables of its own, which are gone before the next test."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def open(self, worker: int | None = None, workers: int = 0) -> postgres.Ledger:
        return postgres.Ledger(self.url, self.folder, worker=worker, workers=workers)

    def stored(self) -> list[tuple[str, int]]:
        with psycopg.connect(self.url) as connection:
            return sorted(connection.execute("SELECT request_id, attempt FROM turnout_usage").fetchall())

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.replace("usage", "turnout_usage"))


def emptied(url: str) -> None:
    """A database without any table."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


def _read(path: Path, statement: str) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(statement))
    finally:
        connection.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else holds the SQLite file."""
    other = apsw.Connection(str(path))
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def values(*told: Any) -> st.SearchStrategy[Any]:
    """One of these, or unknown."""
    return st.sampled_from([*told, None])


@st.composite
def rows(draw: st.DrawFn, hours: int = 60) -> UsageRecord:
    """A row of the days around NOON: most in their places, some odd, many alike."""
    at = NOON + draw(st.integers(-hours * HOUR, hours * HOUR))
    away = draw(st.sampled_from([0, 0, 0, 500, -900, 1200, 90_000]))
    low = draw(st.integers(0, 2**20))
    return row(
        request_id=draw(st.sampled_from([uuid7(at - away, low), f"foreign-{low}"])),
        started_at=at,
        attempt=draw(st.sampled_from([1, 1, 1, 2, 0, 40])),
        parent_id=draw(values(uuid7(at))),
        tenant=draw(st.sampled_from(["ops", "interns"])),
        key_id=draw(values("k1", "k2")),
        alias=draw(values("auto", "gpt-4o")),
        cls=draw(values("simple")),
        backend=draw(values("oss", "claude")),
        outcome=draw(st.sampled_from(["ok", "error", "fallback", "denied"])),
        stream=draw(st.booleans()),
        input_tokens=draw(values(0, 7, 2**50)),
        cached_tokens=draw(values(3)),
        cache_write_tokens=draw(values(2)),
        output_tokens=draw(values(11)),
        reasoning_tokens=draw(values(5)),
        reasoning_source=draw(values("estimated")),
        cost_nano_usd=draw(values(0, 1_234_567, 2**50, -5)),
        machine_ms=draw(values(0.5, 12.3456)),
        baseline=draw(values("openai/gpt-5.6")),
        baseline_nano_usd=draw(values(99, 2**50)),
        user=draw(values("u")),
        tags=draw(values('{"feature":"search"}', '{"feature":"chat","a.b":"x"}')),
        trace=draw(values("a trace that is told of many calls", "another one, of many calls as well")),
    )


def distinct(records: Sequence[UsageRecord]) -> list[UsageRecord]:
    """Each key once: the first."""
    found: dict[tuple[str, int], UsageRecord] = {}
    for record in records:
        found.setdefault((record.request_id, record.attempt), record)
    return list(found.values())
