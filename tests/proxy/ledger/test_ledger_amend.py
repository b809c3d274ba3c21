"""A split that was counted after its row was written: raised wherever the row is, and never made worse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from proxy.ledger import amending, reader
from proxy.ledger.record import UsageRecord
from proxy.ledger.sqlite import Ledger

Row = Callable[..., UsageRecord]


def split(book: Path, request_id: str = "r1", attempt: int = 1) -> tuple[int | None, str | None]:
    (found,) = [row for row in reader.find(book, request_id) if row.attempt == attempt]
    return found.reasoning_tokens, found.reasoning_source


def estimated(record: Row, request_id: str = "r1", **more: object) -> UsageRecord:
    return record(request_id, output_tokens=20, reasoning_tokens=15, reasoning_source="estimated", **more)


def test_the_row_of_that_attempt_is_raised_and_no_other(ledger: Ledger, book: Path, record: Row) -> None:
    ledger.write([estimated(record, attempt=1), estimated(record, attempt=2)])
    ledger.amend("r1", 2, 9)
    assert split(book, attempt=2) == (15, "estimated")  # the loop has not waited for it
    ledger.maintain()
    assert split(book, attempt=2) == (9, "counted")
    assert split(book, attempt=1) == (15, "estimated")


@pytest.mark.parametrize("source", ["reported", "counted", None])
def test_only_an_estimate_is_raised(ledger: Ledger, book: Path, record: Row, source: str | None) -> None:
    ledger.write([record("r1", reasoning_tokens=15, reasoning_source=source)])
    ledger.amend("r1", 1, 9)
    ledger.maintain()
    assert split(book) == (15, source)


def test_a_row_that_waits_in_the_spool_is_raised_when_it_comes(ledger: Ledger, book: Path, record: Row) -> None:
    other = apsw.Connection(str(book))
    other.execute("BEGIN EXCLUSIVE")
    ledger.write([estimated(record)])
    ledger.amend("r1", 1, 9)
    ledger.maintain()
    assert ledger.trouble is not None
    other.execute("ROLLBACK")
    other.close()
    ledger.maintain()
    assert (split(book), ledger.trouble) == ((9, "counted"), None)


def test_a_count_may_come_before_its_row(ledger: Ledger, book: Path, record: Row) -> None:
    ledger.amend("r1", 1, 9)
    ledger.maintain()
    ledger.write([estimated(record)])
    ledger.maintain()
    assert split(book) == (9, "counted")


def test_a_count_whose_row_never_comes_is_forgotten(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amending, "_ROUNDS", 3)
    ledger.amend("nobody", 1, 9)
    for _ in range(4):
        ledger.maintain()
    assert not ledger._amendments._waiting


def test_the_end_of_the_worker_loses_no_count(book: Path, record: Row) -> None:
    ledger = Ledger(book)
    ledger.write([estimated(record)])
    ledger.amend("r1", 1, 9)
    ledger.close()
    assert split(book) == (9, "counted")
