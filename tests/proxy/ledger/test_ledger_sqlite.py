"""The ledger on real files: committed before return, spooled when it must be, replayed exactly once."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec
import pytest

from proxy.ledger import reader, schema, texts
from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.ledger.schema import LedgerError
from proxy.ledger.sqlite import Ledger

Row = Callable[..., UsageRecord]


@contextmanager
def locked(book: Path) -> Iterator[None]:
    other = apsw.Connection(str(book))
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def in_database(book: Path) -> list[tuple[str, int]]:
    connection = apsw.Connection(str(book), flags=apsw.SQLITE_OPEN_READONLY)
    rows = connection.execute("SELECT request_id, attempt FROM usage ORDER BY 1, 2").fetchall()
    connection.close()
    return rows


def test_a_row_is_in_the_file_when_write_returns_and_comes_back_equal(
    ledger: Ledger, book: Path, record: Row, counts: dict[str, int]
) -> None:
    rows = [
        record(attempt=1, outcome="fallback", error_code="upstream_unreachable", facts='{"v":1}', trace="a\nb"),
        record(attempt=2, input_tokens=10, cost_nano_usd=2**40, ttft_ms=1.5, reasoning_source="counted"),
    ]
    ledger.write(rows)
    ledger.write([record("r2", stream=False)])
    assert in_database(book) == [("r1", 1), ("r1", 2), ("r2", 1)]
    assert reader.find(book, "r1") == rows
    assert reader.rows(book)[-1] == record("r2", stream=False)
    assert counts == {"written": 3}
    assert ledger.trouble is None


def test_the_file_is_its_owners_alone(ledger: Ledger, book: Path, record: Row) -> None:
    ledger.write([record()])
    kept = [path for path in book.parent.iterdir() if path.name.startswith(book.name)]
    assert {path.name: path.stat().st_mode & 0o077 for path in kept} == {path.name: 0 for path in kept}


def test_a_spooled_number_that_no_column_holds_is_unknown(ledger: Ledger, book: Path, record: Row) -> None:
    with locked(book):
        ledger.write([record("r1", input_tokens=2**63), record("r2")])
    assert ledger.replay() == 2
    assert [row.input_tokens for row in reader.rows(book)] == [None, None]


def test_the_file_is_in_wal_mode_and_its_columns_are_the_rows(ledger: Ledger, book: Path) -> None:
    connection = apsw.Connection(str(book))
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("user_version") == schema.VERSION
    assert tuple(row[1] for row in connection.execute("PRAGMA table_info(usage)")) == ("id", *COLUMNS)
    connection.close()


def test_p5_a_locked_database_spools_at_once_and_replays_exactly_once(
    ledger: Ledger, book: Path, record: Row, counts: dict[str, int]
) -> None:
    ledger.write([record("r0")])
    with locked(book):
        ledger.write([record("r1")])
        ledger.write([record("r2", attempt=1), record("r2", attempt=2)])
        assert ledger.trouble is not None
        assert {r.request_id for r in reader.rows(book)} == {"r0", "r1", "r2"}
    assert in_database(book) == [("r0", 1)]
    assert ledger.replay() == 3
    assert ledger.replay() == 0
    assert in_database(book) == [("r0", 1), ("r1", 1), ("r2", 1), ("r2", 2)]
    assert counts == {"written": 1, "spooled": 3, "replayed": 3}
    assert list(book.parent.glob("*.spool*")) == []


def test_replay_that_meets_a_locked_database_loses_nothing(ledger: Ledger, book: Path, record: Row) -> None:
    with locked(book):
        ledger.write([record("r1")])
        ledger.maintain()
        ledger.write([record("r2")])
        ledger.maintain()
        assert {r.request_id for r in reader.rows(book)} == {"r1", "r2"}
    ledger.maintain()
    assert in_database(book) == [("r1", 1), ("r2", 1)]


def test_a_crash_between_commit_and_unlink_replays_the_row_once(
    ledger: Ledger, book: Path, record: Row, counts: dict[str, int]
) -> None:
    with locked(book):
        ledger.write([record("r1")])
    lines = book.with_suffix(".spool").read_bytes()
    ledger.replay()
    book.with_suffix(".spool").write_bytes(lines)
    assert ledger.replay() == 0
    assert in_database(book) == [("r1", 1)]
    assert counts["replayed"] == 1


def test_a_torn_line_is_set_aside_and_the_rows_around_it_are_kept(ledger: Ledger, book: Path, record: Row) -> None:
    with locked(book):
        ledger.write([record("r1"), record("r2")])
    spool = book.with_suffix(".spool")
    spool.write_bytes(spool.read_bytes() + b'{"request_id": "r3", "att')
    assert ledger.replay() == 2
    assert [p.name for p in book.parent.glob("*.bad")] == ["turnout.spool.1.bad"]


def test_rows_of_the_last_run_are_replayed_at_the_next_start(book: Path, record: Row) -> None:
    first = Ledger(book)
    with locked(book):
        first.write([record("r1")])
        first.close()
    second = Ledger(book)
    second.maintain()
    assert in_database(book) == [("r1", 1)]
    second.close()


def test_the_thread_replays_by_itself_and_close_waits_for_it(book: Path, record: Row) -> None:
    ledger = Ledger(book)
    ledger.start(every=0.001)
    with locked(book):
        ledger.write([record("r1")])
    ledger.close()
    assert in_database(book) == [("r1", 1)]


def test_p4_a_full_disk_holds_rows_in_memory_up_to_a_bound_and_counts_the_loss(
    book: Path, record: Row, counts: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(book, count=counts, hold=2)  # type: ignore[arg-type]

    def full(records: object) -> None:
        raise OSError(28, "No space left on device")

    with locked(book):
        monkeypatch.setattr(ledger._spool, "append", full)
        for number in range(3):
            ledger.write([record(f"r{number}")])
        assert counts == {"held": 2, "lost": 1}
        assert ledger.trouble is not None
        ledger.maintain()
        monkeypatch.undo()
    ledger.maintain()
    assert in_database(book) == [("r0", 1), ("r1", 1)]
    assert ledger.trouble is None
    ledger.close()


def test_p5_a_corrupt_file_is_put_aside_and_a_new_one_begun(book: Path, record: Row) -> None:
    book.write_bytes(b"this is no database " * 500)
    ledger = Ledger(book)
    ledger.write([record("r1")])
    assert in_database(book) == [("r1", 1)]
    kept = list(book.parent.glob("turnout.db.corrupt-*"))
    assert [p.read_bytes()[:7] for p in kept] == [b"this is"]
    ledger.close()


def test_p5_a_file_that_breaks_under_us_loses_no_row(book: Path, record: Row) -> None:
    ledger = Ledger(book)
    for number in range(200):
        ledger.write([record(f"a{number:03}", trace="x" * 400)])
    ledger._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    size = book.stat().st_size
    with book.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    ledger._db.execute("PRAGMA shrink_memory")
    ledger.write([record("b1")])
    assert ledger.trouble is not None
    ledger.maintain()
    ledger.write([record("b2")])
    assert in_database(book) == [("b1", 1), ("b2", 1)]
    assert len(list(book.parent.glob("turnout.db.corrupt-*"))) >= 1
    ledger.close()


def test_a_newer_schema_is_refused_with_the_mend(book: Path) -> None:
    Ledger(book).close()
    connection = apsw.Connection(str(book))
    connection.pragma("user_version", schema.VERSION + 1)
    connection.close()
    with pytest.raises(LedgerError, match=r"newer Turnout .*ledger\.url"):
        Ledger(book)


def test_two_writers_of_one_file_are_refused_and_workers_have_their_own(book: Path, record: Row) -> None:
    ledgers = [Ledger(book, worker=number) for number in (0, 1)]
    with pytest.raises(LedgerError, match="another Turnout"):
        Ledger(book, worker=1)
    for number, ledger in enumerate(ledgers):
        ledger.write([record(f"r{number}", started_at=number)])
    assert [r.request_id for r in reader.rows(book)] == ["r0", "r1"]
    assert sorted(p.name for p in book.parent.glob("*.db")) == ["turnout-0.db", "turnout-1.db"]
    for ledger in ledgers:
        ledger.close()
    Ledger(book, worker=1).close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="make its folder"):
        Ledger(tmp_path / "away" / "turnout.db")


def test_an_old_sqlite_is_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.40.1")
    with pytest.raises(LedgerError, match=r"3\.40\.1 .*upgrade apsw"):
        schema.check_sqlite()


def test_the_url_names_the_file() -> None:
    assert schema.path_of("sqlite:///turnout.db") == Path("turnout.db")
    assert schema.path_of("sqlite:////var/lib/t.db") == Path("/var/lib/t.db")
    with pytest.raises(LedgerError, match="'postgresql'"):
        schema.path_of("postgresql://u:secret@h/db")


def test_u16_values_that_cannot_be_bound_are_written_as_unknown(ledger: Ledger, book: Path, record: Row) -> None:
    ledger.write([record("r1", alias="a\ud800", output_tokens=2**64)])
    assert [(r.alias, r.output_tokens) for r in reader.rows(book)] == [("a?", None)]


def test_prune_deletes_old_rows_only(ledger: Ledger, book: Path, record: Row) -> None:
    for number in range(1200):
        ledger.write([record(f"r{number:04}", started_at=number)])
    assert ledger.prune(1100) == 1100
    assert [r.started_at for r in reader.rows(book)] == list(range(1100, 1200))


def test_maintenance_keeps_to_the_retention(ledger: Ledger, book: Path, record: Row) -> None:
    today = int(time.time() * 1000)
    ledger.write([record("old", started_at=today - 3 * 86_400_000), record("new", started_at=today)])
    ledger.retention = 2 * 86_400.0
    ledger.maintain()
    assert [r.request_id for r in reader.rows(book)] == ["new"]


def test_the_checkpoint_keeps_the_log_short(ledger: Ledger, book: Path, record: Row) -> None:
    for number in range(400):
        ledger.write([record(f"r{number:04}", trace="x" * 2000)])
    assert Path(f"{book}-wal").stat().st_size > 1 << 20
    ledger.maintain()
    before = Path(f"{book}-wal").stat().st_size
    ledger.write([record("last")])
    assert Path(f"{book}-wal").stat().st_size == before
    assert len(in_database(book)) == 401


def test_p1_every_acknowledged_row_survives_kill_9(book: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom proxy.ledger.record import UsageRecord\n"
        "from proxy.ledger.sqlite import Ledger\nledger = Ledger(Path(sys.argv[1]))\nnumber = 0\n"
        "while True:\n    number += 1\n    row = UsageRecord(request_id=str(number), started_at=number, api='chat',"
        " outcome='ok')\n    ledger.write([row])\n    print(number, flush=True)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code, str(book)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    seen = [int(worker.stdout.readline()) for _ in range(300)]
    worker.send_signal(signal.SIGKILL)
    seen += [int(line) for line in worker.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    worker.wait()
    worker.stdout.close()
    kept = {row.started_at for row in reader.rows(book)}
    assert set(seen) <= kept
    Ledger(book).close()


def test_a_text_that_many_rows_repeat_is_kept_once(ledger: Ledger, book: Path, record: Row) -> None:
    repeated = {"trace": "one\ntwo\nthree\nfour", "unit_prices": '{"input":2000000000}', "price_source": "operator"}
    rows = [record(f"r{number}", started_at=number, decision_reason=None, **repeated) for number in range(20)]
    rows += [
        record(f"u{number}", started_at=100 + number, trace=f"told of one call alone: {number}") for number in range(5)
    ]
    for row in rows:
        ledger.write([row])
    connection = apsw.Connection(str(book))
    assert [text for (text,) in connection.execute("SELECT text FROM texts ORDER BY id")] == [
        repeated["trace"], repeated["unit_prices"],
    ]  # fmt: skip
    connection.close()
    assert reader.rows(book) == rows
    assert reader.rows(book, filters={"trace": repeated["trace"]}) == rows[:20]
    again = Ledger(book, worker=3)
    for row in rows[:3]:
        again.write([msgspec.structs.replace(row, request_id=f"x{row.request_id}")])
    again.close()
    assert [r.trace for r in reader.find(book, "xr2")] == [repeated["trace"]]


def test_more_texts_than_are_remembered_are_all_told(ledger: Ledger, book: Path, record: Row, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(texts, "_KNOWN", 3)
    monkeypatch.setattr(texts, "_NEW", 6)
    rows = [record(f"r{n:03}", started_at=n, trace=f"a trace of the kind {n % 5}", unit_prices=f"a price of the kind {n % 11}") for n in range(80)]  # fmt: skip
    for row in rows:
        ledger.write([row])
    assert reader.rows(book) == rows


def test_a_text_of_a_transaction_that_was_undone_is_not_referred_to(ledger: Ledger, book: Path, record: Row) -> None:
    trace = "a trace that two rows have"
    ledger.write([record("r1", trace=trace)])
    put = ledger._rows.put

    def full(row: UsageRecord) -> bool:
        if row.request_id == "r3":
            raise apsw.FullError("database or disk is full")
        return put(row)

    ledger._rows.put = full  # type: ignore[method-assign]
    ledger.write([record("r2", trace=trace), record("r3", trace=trace)])
    ledger._rows.put = put  # type: ignore[method-assign]
    ledger.write([record("r4", trace=trace)])
    ledger.replay()
    assert {r.request_id: r.trace for r in reader.rows(book)} == dict.fromkeys(("r1", "r2", "r3", "r4"), trace)
    assert in_database(book) == [("r1", 1), ("r2", 1), ("r3", 1), ("r4", 1)]


def test_a_spool_that_somebody_deleted_is_begun_again(ledger: Ledger, book: Path, record: Row) -> None:
    with locked(book):
        ledger.write([record("r1")])
        book.with_suffix(".spool").unlink()
        ledger.write([record("r2")])
        assert [r.request_id for r in reader.rows(book)] == ["r2"]
    assert ledger.replay() == 1


def test_a_lock_of_long_leaves_one_file_to_replay(ledger: Ledger, book: Path, record: Row) -> None:
    with locked(book):
        for number in range(5):
            ledger.write([record(f"r{number}")])
            ledger.maintain()
        assert len(list(book.parent.glob("*.spool*"))) <= 2
    assert ledger.replay() == 5


def test_p5_sums_that_break_put_the_file_aside_and_lose_no_new_row(book: Path, record: Row) -> None:
    ledger = Ledger(book)
    for number in range(400):
        ledger.write([record(f"a{number:03}", started_at=number * 3_600_000, alias=f"alias {number}" * 9)])
    ledger.fold(1e9)
    ledger._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    [(root,)] = ledger._db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'hours'").fetchall()
    with book.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    ledger._db.execute("PRAGMA shrink_memory")
    ledger.write([record("b1", started_at=3_600_000)])
    ledger._sum_at = 0.0
    ledger.maintain()
    assert ledger.trouble is not None
    ledger.write([record("b2")])
    ledger.maintain()
    assert ledger.trouble is None
    assert in_database(book) == [("b2", 1)]
    [kept] = [path for path in book.parent.glob("turnout.db.corrupt-*") if path.suffix.endswith("Z")]
    assert reader.find(kept, "b1") != []
    ledger.close()
