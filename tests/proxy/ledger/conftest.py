"""Rows to write and a ledger to write them to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_kit import Home, Postgres, Sqlite, emptied
from services import Server, postgres_server

from proxy.ledger.record import UsageRecord
from proxy.ledger.sqlite import Ledger

NOON = 1_795_176_000_123


def record(request_id: str = "r1", **changes: Any) -> UsageRecord:
    values: dict[str, Any] = {
        "request_id": request_id,
        "started_at": NOON,
        "api": "chat",
        "outcome": "ok",
        "alias": "auto",
        "policy": "hybrid",
        "cls": "simple",
        "backend": "oss",
        "stream": True,
        "status": 200,
    }
    return UsageRecord(**values | changes)


class Counts(dict[str, int]):
    """Hears what became of rows."""

    def __call__(self, state: str, rows: int) -> None:
        if rows:
            self[state] = self.get(state, 0) + rows


@pytest.fixture(name="record")
def record_fixture() -> Callable[..., UsageRecord]:
    return record


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "turnout.db"


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def ledger(book: Path, counts: Counts) -> Iterator[Ledger]:
    opened = Ledger(book, count=counts)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with postgres_server() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A book that nobody has written to, in each of its homes."""
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    url = request.getfixturevalue("server").url
    emptied(url)
    return Postgres(url, tmp_path)
