"""A file of any version before this one opens, keeps its rows and is summed; one of a later version is refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_kit import DAY, NOON, Sqlite, book, distinct, row, rows
from msgspec.structs import astuple, replace
from structlog.testing import capture_logs

from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.ledger.schema import MIGRATIONS, PLACED, VERSION, LedgerError
from proxy.ledger.totals import totals

LATER = NOON / 1000 + 40 * 86_400
ADDED = {1: COLUMNS.index("cached_from"), 2: COLUMNS.index("parts"), 3: COLUMNS.index("tags") + 1}
"""How many columns each version before 4 had."""


def written(path: Path, version: int, records: list[UsageRecord]) -> list[UsageRecord]:
    """A file as a Turnout of that version left it, and what its rows are to us."""
    columns = ADDED[version]
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    for script in MIGRATIONS[:version]:
        connection.execute(script)
    connection.pragma("user_version", version)
    for record in records:
        connection.execute(f"INSERT INTO usage VALUES ({','.join('?' * columns)})", astuple(record)[:columns])  # noqa: S608
    connection.close()
    unknown: dict[str, Any] = {"cls" if name == "class" else name: None for name in COLUMNS[columns:]}
    return sorted(
        (replace(record, **unknown) for record in records), key=lambda r: (r.started_at, r.request_id, r.attempt)
    )


@pytest.mark.parametrize("version", ADDED)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(told=st.lists(rows(), max_size=20).map(distinct))
def test_p5_a_file_of_an_older_version_keeps_its_rows(version: int, told: list[UsageRecord], tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    for path in tmp_path.glob("turnout*"):
        path.unlink()
    kept = written(home.path, version, told)
    # Before it is brought up to date, too.
    assert book(home).rows() == kept
    for by in (("day", "user"), ("key_id",), ("tag:feature",)):
        assert book(home).totals(by) == totals(kept, by)
    ledger = home.open()
    assert book(home).rows() == kept
    for _ in range(2):
        assert book(home).totals(("key_id", "day")) == totals(kept, ("key_id", "day"))
        ledger.fold(LATER)
    ledger.write(kept)
    assert len(home.stored()) == len(kept)
    ledger.close()


def test_the_move_of_an_older_file_is_told_and_done_once(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    many = [row(number, NOON + number) for number in range(50)]
    written(home.path, 3, many)
    for moved in (True, False):
        with capture_logs() as log:
            home.open().close()
        assert [(line["event"], line["rows"]) for line in log] == ([("ledger.migrating", 50)] if moved else [])
    connection = apsw.Connection(str(home.path))
    assert connection.pragma("user_version") == VERSION >= PLACED
    assert connection.execute("SELECT count(*) FROM usage WHERE id < 0").fetchall() == [(0,)]
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'before'").fetchall() == []
    connection.close()


def test_a_move_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Sqlite(tmp_path)
    kept = written(home.path, 3, [row()])
    with monkeypatch.context() as patched:

        def full(*_: object) -> bool:
            raise apsw.FullError("database or disk is full")

        patched.setattr("proxy.ledger.rows.Rows.put_values", full)
        with pytest.raises(LedgerError, match="disk is full"):
            home.open()
    assert book(home).rows() == kept
    home.open().close()
    assert book(home).rows() == kept


def test_a_newer_file_is_refused_by_reader_and_writer(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    home.open().close()
    home.run(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(LedgerError, match="newer Turnout"):
        home.open()
    with pytest.raises(LedgerError, match="newer Turnout"):
        book(home).rows()
    with pytest.raises(LedgerError, match="has schema"):
        book(home).rewrite([row()])


def test_room_that_pruning_leaves_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.ledger.upkeep._FREE", 10)
    home = Sqlite(tmp_path)
    ledger = home.open()
    for number in range(3000):
        at = NOON + number * 60_000
        ledger.write([row(number, at, facts="x" * 400)])
    full = pages(home)
    ledger.prune(NOON + 2500 * 60_000)
    assert pages(home) == full
    ledger._shrink_at = 0.0
    ledger.maintain()
    assert pages(home) < full * 0.4
    assert len(book(home).rows()) == 500
    ledger.close()


def pages(home: Sqlite) -> int:
    connection = apsw.Connection(str(home.path))
    try:
        return int(connection.pragma("page_count"))
    finally:
        connection.close()


def test_a_file_that_was_begun_before_keeps_its_size_and_says_nothing(tmp_path: Path) -> None:
    home = Sqlite(tmp_path)
    written(home.path, 2, [])
    ledger = home.open()
    ledger.maintain()
    assert ledger.trouble is None
    ledger.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_files_of_workers_that_are_no_more_are_looked_after(tmp_path: Path, workers: int) -> None:
    home = Sqlite(tmp_path)
    now = time.time_ns() // 1_000_000
    for worker in (None, 1, 5):
        ledger = home.open(worker=worker)
        for at in (now - 9 * DAY, now):
            ledger.write([row(worker or 7, at)])
        ledger.close()
    ours = home.open(worker=0 if workers > 1 else None, workers=workers)
    ours.retention = 5 * 86_400.0
    ours.maintain()
    left = [r.started_at for r in book(home).rows()]
    # With two workers the file of worker 1 is its own affair.
    assert left == [now] * 3 if workers == 1 else [now - 9 * DAY, now, now, now]
    ours.close()
