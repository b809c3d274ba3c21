"""Reading the book: every worker's file and every spool as one."""

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from proxy.ledger import reader
from proxy.ledger.record import UsageRecord
from proxy.ledger.spool import Spool, waiting
from proxy.ledger.sqlite import Ledger

Row = Callable[..., UsageRecord]


def test_since_until_limit_and_filters_hold_for_rows_and_for_spooled_rows(
    ledger: Ledger, book: Path, record: Row
) -> None:
    ledger.write([record(f"r{n}", started_at=n, tenant="ops" if n % 2 else "local") for n in range(6)])
    Spool(book.with_suffix(".spool")).append([record("r6", started_at=6), record("r7", started_at=7, tenant="ops")])
    named = [r.request_id for r in reader.rows(book, since=1, until=7)]
    assert named == ["r1", "r2", "r3", "r4", "r5", "r6"]
    assert [r.request_id for r in reader.rows(book, limit=2)] == ["r6", "r7"]
    assert [r.request_id for r in reader.rows(book, filters={"tenant": "ops"})] == ["r1", "r3", "r5", "r7"]
    assert reader.rows(book, filters={"tenant": None}) == []
    assert reader.rows(book, limit=0) == []
    with pytest.raises(KeyError):
        reader.rows(book, filters={"tenant; DROP TABLE usage": 1})


def test_a_filter_by_class_uses_the_columns_name(ledger: Ledger, book: Path, record: Row) -> None:
    ledger.write([record("r1"), record("r2", cls=None)])
    assert [r.request_id for r in reader.rows(book, filters={"class": "simple"})] == ["r1"]
    assert [r.request_id for r in reader.rows(book, filters={"class": None})] == ["r2"]


def test_a_row_met_in_a_spool_and_in_the_database_counts_once(ledger: Ledger, book: Path, record: Row) -> None:
    ledger.write([record("r1")])
    Spool(book.with_suffix(".spool")).append([record("r1")])
    assert len(reader.rows(book)) == 1


def test_a_spool_without_a_database_is_read(book: Path, record: Row) -> None:
    Spool(book.with_name("turnout-3.spool")).append([record("r1")])
    assert [r.request_id for r in reader.rows(book)] == ["r1"]


def test_find_gives_the_attempts_then_the_children(ledger: Ledger, book: Path, record: Row) -> None:
    ledger.write([record("child", parent_id="r1", started_at=1)])
    ledger.write([record("r1", attempt=2), record("r1", attempt=1), record("other")])
    assert [(r.request_id, r.attempt) for r in reader.find(book, "r1")] == [("r1", 1), ("r1", 2), ("child", 1)]
    assert reader.find(book, "nobody") == []


def test_an_empty_book_and_a_missing_one_have_no_rows(tmp_path: Path, book: Path) -> None:
    assert reader.rows(book) == []
    apsw.Connection(str(book)).close()
    assert reader.rows(book) == []


def test_a_file_of_an_older_schema_is_read_with_the_rest_unknown(book: Path) -> None:
    connection = apsw.Connection(str(book))
    connection.execute("CREATE TABLE usage (request_id, attempt, started_at, api, stream, outcome)")
    connection.execute("INSERT INTO usage VALUES ('r1', 1, 5, 'chat', 1, 'ok')")
    connection.close()
    found = reader.rows(book)
    assert [(r.request_id, r.stream, r.input_tokens) for r in found] == [("r1", True, None)]


def test_a_strange_path_is_read(tmp_path: Path, record: Row) -> None:
    folder = tmp_path / "a?b#c%20 d"
    folder.mkdir()
    ledger = Ledger(folder / "t.db")
    ledger.write([record("r1")])
    assert len(reader.rows(folder / "t.db")) == 1
    ledger.close()


def test_a_spool_of_which_only_files_set_aside_are_left_is_read(book: Path, record: Row) -> None:
    Spool(book.with_name("turnout-3.spool")).append([record("r1")])
    book.with_name("turnout-3.spool").rename(book.with_name("turnout-3.spool.4"))
    assert [r.request_id for r in reader.rows(book)] == ["r1"]
    ours = Ledger(book, workers=1)
    ours.maintain()
    assert list(book.parent.glob("*.spool*")) == []
    assert [r.request_id for r in reader.rows(book)] == ["r1"]
    ours.close()


def test_a_spool_that_is_set_aside_while_it_is_read_is_read_once(book: Path, record: Row) -> None:
    spool = Spool(book.with_suffix(".spool"))
    spool.append([record("r1")])
    held = waiting(spool.path)
    spool.rotate()
    spool.append([record("r2")])
    assert [r.request_id for r in held] == ["r1"]
    assert [r.request_id for r in waiting(spool.path)] == ["r2", "r1"]
    linked = book.with_name("turnout.spool.9")
    linked.hardlink_to(spool.path)
    assert sorted(r.request_id for r in waiting(spool.path)) == ["r1", "r2"]
