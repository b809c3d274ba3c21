"""The ledger in a real PostgreSQL: committed is spool or database, each row once, and no bad day loses one."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ledger_kit import DAY, HOUR, NOON, Postgres, book, emptied, row
from live import free_port
from services import Server, postgres_server
from structlog.testing import capture_logs

from proxy.ledger import postgres, postgres_schema
from proxy.ledger.postgres import Ledger
from proxy.ledger.postgres_source import WORDS
from proxy.ledger.record import COLUMNS, UsageRecord
from proxy.ledger.schema import LedgerError
from proxy.ledger.spool import Spool, read
from proxy.ledger.sums import LEVELS, MEASURES
from proxy.ledger.totals import totals

LATER = NOON / 1000 + 40 * 86_400
SECRET = "hunter2-of-the-ledger"


@pytest.fixture
def home(server: Server, tmp_path: Path) -> Postgres:
    emptied(server.url)
    return Postgres(server.url, tmp_path)


@pytest.fixture
def counts() -> dict[str, int]:
    return {}


def counting(counts: dict[str, int]) -> Callable[[str, int], None]:
    def count(state: str, rows: int) -> None:
        if rows:
            counts[state] = counts.get(state, 0) + rows

    return count


@pytest.fixture
def ledger(home: Postgres, counts: dict[str, int]) -> Iterator[Ledger]:
    opened = Ledger(home.url, home.folder, count=counting(counts))
    yield opened
    opened.close()


def until(holds: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not {what}"
        time.sleep(0.01)


def spooled(folder: Path) -> list[str]:
    return [r.request_id for path in folder.glob("*.spool*") for r in read(path) if isinstance(r, UsageRecord)]


def test_a_row_is_in_the_spool_when_write_returns_and_in_the_database_after_a_drain(
    home: Postgres, ledger: Ledger, counts: dict[str, int]
) -> None:
    rows = [row(1, trace="a\nb", tags='{"feature":"x"}', stream=True, ttft_ms=1.5), row(2, cost_nano_usd=2**62)]
    ledger.write(rows)
    assert (home.stored(), len(spooled(home.folder)), counts) == ([], 2, {"spooled": 2})
    assert book(home).rows() == rows
    assert ledger.replay() == 2
    assert ledger.replay() == 0
    assert (len(home.stored()), spooled(home.folder), counts) == (2, [], {"spooled": 2, "replayed": 2})
    assert book(home).rows() == rows


def test_the_thread_is_woken_and_not_waited_for(home: Postgres, ledger: Ledger) -> None:
    ledger.start()
    for number in range(3):
        began = time.monotonic()
        ledger.write([row(number)])
        until(lambda number=number: len(home.stored()) == number + 1, "stored")
        assert time.monotonic() - began < 5


def test_a_crash_between_commit_and_unlink_stores_the_row_once(home: Postgres, ledger: Ledger) -> None:
    ledger.write([row(1), row(2)])
    lines = (home.folder / "turnout.spool").read_bytes()
    assert ledger.replay() == 2
    (home.folder / "turnout.spool.7").write_bytes(lines + lines)
    ledger.write([row(3)])
    assert ledger.replay() == 1
    assert len(home.stored()) == 3


def test_u16_what_no_column_takes_is_put_right(home: Postgres, ledger: Ledger) -> None:
    ledger.write([row(1, alias="a\ud800b"), row(2, input_tokens=2**63), row(3, alias="nul\0nul"), row(4)])
    ledger.write([row(5, output_tokens=2**70)])
    assert ledger.replay() == 5
    told = {r.request_id[-2:]: (r.alias, r.input_tokens, r.output_tokens) for r in book(home).rows()}
    assert told["01"] == ("a?b", None, None)
    assert told["03"][0] == "nul\ufffdnul"
    assert told["02"] == told["04"] == told["05"] == ("auto", None, None)


def test_a_torn_line_is_set_aside_and_the_rows_around_it_are_kept(home: Postgres, ledger: Ledger) -> None:
    ledger.write([row(1)])
    with (home.folder / "turnout.spool").open("ab") as file:
        file.write(b'{"request_id": "r3", "att')
    ledger.write([row(2)])
    assert ledger.replay() == 1
    assert [path.name for path in home.folder.glob("*.bad")] == ["turnout.spool.1.bad"]


def test_a_drain_of_many_rows_is_stored_in_batches(home: Postgres, ledger: Ledger) -> None:
    ledger.write([row(number, NOON + number) for number in range(1234)])
    assert ledger.replay() == 1234
    assert len(home.stored()) == 1234


def test_a_count_that_comes_late_reaches_its_row_wherever_it_is(home: Postgres, ledger: Ledger) -> None:
    estimated = {"reasoning_tokens": 5, "reasoning_source": "estimated"}
    ledger.write([row(1, **estimated)])
    ledger.maintain()
    ledger.fold(LATER)
    ledger.amend(row(1).request_id, 1, 7)
    ledger.write([row(2, **estimated), row(3, reasoning_tokens=5, reasoning_source="reported")])
    ledger.amend(row(2).request_id, 1, 8)
    ledger.amend(row(3).request_id, 1, 9)
    ledger.amend("nobody", 1, 9)
    ledger.maintain()
    told = [(r.reasoning_tokens, r.reasoning_source) for r in book(home).rows()]
    assert told == [(7, "counted"), (8, "counted"), (5, "reported")]
    assert book(home).totals(())[()].reasoning.value == 20


def test_maintenance_keeps_to_the_retention(home: Postgres, ledger: Ledger) -> None:
    now = int(time.time() * 1000)
    ledger.write([row(number, now - number * DAY, cost_nano_usd=1) for number in range(5)])
    ledger.replay()
    ledger.fold(time.time() + 86_400)
    ledger.retention = 2.5 * 86_400
    ledger.maintain()
    assert len(home.stored()) == 3
    assert book(home).totals(())[()].cost.value == 3
    ledger.fold(time.time() + 86_400)
    with psycopg.connect(home.url) as connection:
        days = connection.execute("SELECT count(*) FROM turnout_caller_days").fetchone()
    assert days is not None
    assert days[0] <= 3


@pytest.mark.parametrize("workers", [1, 2])
def test_the_spools_of_workers_that_are_no_more_are_drained(home: Postgres, workers: int) -> None:
    for number in (0, 1, 3):
        Spool(home.folder / f"turnout-{number}.spool").append([row(number)])
    ledger = Ledger(home.url, home.folder, worker=0 if workers > 1 else None, workers=workers)
    ledger.maintain()
    assert len(home.stored()) == (2 if workers > 1 else 3)
    ledger.close()


def test_two_workers_of_one_spool_are_refused_and_slots_have_their_own(home: Postgres) -> None:
    ledgers = [Ledger(home.url, home.folder, worker=number) for number in (0, 1)]
    with pytest.raises(LedgerError, match="another Turnout"):
        Ledger(home.url, home.folder, worker=1)
    for ledger in ledgers:
        ledger.close()
    Ledger(home.url, home.folder, worker=1).close()


def test_d17_hosts_that_write_and_sum_at_one_time_lose_nothing(home: Postgres, tmp_path: Path) -> None:
    now = int(time.time() * 1000)
    told: list[UsageRecord] = []
    troubles: list[str | None] = []
    ledgers: list[Ledger] = []
    for host in range(3):
        (tmp_path / f"host{host}").mkdir()
        ledgers.append(Ledger(home.url, tmp_path / f"host{host}"))

    def work(host: int, ledger: Ledger) -> None:
        for bite in range(25):
            some = [
                row(host * 10_000 + bite * 10 + number, now - (bite * 7 + number) % 40 * HOUR, cost_nano_usd=1, key_id=f"k{host}")
                for number in range(10)
            ]  # fmt: skip
            told.extend(some)
            ledger.write(some)
            ledger._sum_at = 0.0
            ledger.maintain()
            troubles.append(ledger.trouble)

    threads = [threading.Thread(target=work, args=each) for each in enumerate(ledgers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == [None] * 75
    for by in (("key_id", "day"), ("alias", "hour"), ("key_id",)):
        assert book(home).totals(by) == totals(told, by)
    assert ledgers[0].fold(time.time() + 86_400)
    for by in (("key_id", "day"), ("alias", "hour"), ("key_id",)):
        assert book(home).totals(by) == totals(told, by)
    for ledger in ledgers:
        ledger.close()


def test_an_older_schema_is_brought_up_to_date_and_keeps_its_rows(home: Postgres) -> None:
    with psycopg.connect(home.url, autocommit=True) as connection:
        connection.execute(postgres_schema.MIGRATIONS[0])
        connection.execute("CREATE TABLE turnout_ledger (version bigint NOT NULL)")
        connection.execute("INSERT INTO turnout_ledger VALUES (1)")
        columns = "(request_id, attempt, started_at, tenant, api, stream, outcome, cost_nano_usd)"
        connection.execute(
            f"INSERT INTO turnout_usage {columns} VALUES ('old', 1, {NOON}, 'ops', 'chat', true, 'ok', 7)"  # noqa: S608
        )
    assert book(home).totals(("tenant",))[("ops",)].cost.value == 7
    with pytest.raises(LedgerError, match="start this Turnout on it first"):
        book(home).rewrite([row()])
    ledger = Ledger(home.url, home.folder)
    assert ledger.fold(LATER)
    assert book(home).totals(("tenant",))[("ops",)].cost.value == 7
    assert book(home).rows()[0].request_id == "old"
    ledger.close()


def test_workers_that_start_at_one_time_make_one_schema(home: Postgres, tmp_path: Path) -> None:
    made: list[Ledger] = []
    for host in range(4):
        (tmp_path / f"h{host}").mkdir()
    threads = [
        threading.Thread(target=lambda host=host: made.append(Ledger(home.url, tmp_path / f"h{host}")))
        for host in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ledger.trouble for ledger in made] == [None] * 4
    for ledger in made:
        ledger.close()


def test_p5_a_newer_schema_is_refused_with_the_mend(home: Postgres) -> None:
    Ledger(home.url, home.folder).close()
    with psycopg.connect(home.url, autocommit=True) as connection:
        connection.execute("UPDATE turnout_ledger SET version = version + 1")
    for refused in (lambda: Ledger(home.url, home.folder), book(home).rows):
        with pytest.raises(LedgerError, match=r"newer Turnout .*ledger\.url"):
            refused()


def test_p5_a_database_that_is_locked_by_others_costs_no_row(home: Postgres, ledger: Ledger) -> None:
    with psycopg.connect(home.url) as other:
        other.execute("LOCK TABLE turnout_usage IN ACCESS EXCLUSIVE MODE")
        ledger.write([row(1)])
        ledger.maintain()
        assert "lock timeout" in (ledger.trouble or "")
        assert len(spooled(home.folder)) == 1
        other.rollback()
    ledger.maintain()
    assert ledger.trouble is None
    assert len(home.stored()) == 1


def test_p5_a_database_that_hangs_delays_nobody_not_even_the_end(
    server: Server, home: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_SILENCE", 0.2)
    monkeypatch.setattr(postgres, "_LEAVE", 0.2)
    ledger = Ledger(home.url, home.folder)
    ledger.start()
    server.signal(signal.SIGSTOP)
    # Its children answer for it: they are stopped, too.
    with _stopped(server):
        ledger.write([row(1)])
        until(lambda: "no answer" in (ledger.trouble or ""), "noticed")
        began = time.monotonic()
        ledger.write([row(2)])
        ledger.close()
        assert time.monotonic() - began < 5
        assert len(spooled(home.folder)) == 2
    until(lambda: len(home.stored()) >= 1, "gone on")
    assert ledger._thread is not None
    ledger._thread.join()


@contextmanager
def _stopped(server: Server) -> Iterator[None]:
    pid = server.process.pid
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for child in children:
        _signal(child, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in (*children, pid):
            _signal(one, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Where a server's own user may write."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        yield Path(name)


def test_p5_a_database_that_is_away_at_the_start_gets_its_rows_when_it_comes(
    tmp_path: Path, server_folder: Path
) -> None:
    port = free_port()
    url = f"postgresql://turnout:{SECRET}@127.0.0.1:{port}/turnout"
    ledger = Ledger(url, tmp_path)
    ledger.start()
    ledger.write([row(1)])
    until(lambda: "refused" in (ledger.trouble or ""), "told")
    with pytest.raises(LedgerError, match=rf"^postgresql://127.0.0.1:{port}/turnout: "):
        book(Postgres(url, tmp_path)).rows()
    with postgres_server(port=port, folder=server_folder):
        until(lambda: ledger.trouble is None and not spooled(tmp_path), "drained")
        ledger.write([row(2)])
        until(lambda: not spooled(tmp_path), "drained")
    ledger.write([row(3)])
    until(lambda: ledger.trouble is not None, "away again")
    with postgres_server(port=port, folder=server_folder):
        until(lambda: ledger.trouble is None and not spooled(tmp_path), "drained again")
        assert len(Postgres(url, tmp_path).stored()) == 3
        ledger.close()


def refusing(server: Server, what: str) -> str:
    """The URL of somebody whom the server refuses."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute(f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}'")
        found = connection.execute("SHOW hba_file").fetchone()
        assert found is not None
        rules = Path(found[0])
        if "guest" not in rules.read_text():
            rules.write_text(f"host all guest 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        connection.execute("SELECT pg_reload_conf()")
    at = f"127.0.0.1:{server.port}"
    return {
        "password": f"postgresql://guest:not-{SECRET}@{at}/turnout",
        "no password": f"postgresql://guest@{at}/turnout",
        "database": f"postgresql://turnout:{SECRET}@{at}/nowhere",
        "role": f"postgresql://nobody:{SECRET}@{at}/turnout",
        "rights": f"postgresql://guest:{SECRET}@{at}/turnout",
        "host": f"postgresql://turnout:{SECRET}@no-such-host.invalid/turnout",
        "options": f"postgresql://turnout:{SECRET}@{at}/turnout?colour=blue",
    }[what]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("password", "password authentication failed for user \"guest\": see the user and the password in ledger.url"),
        ("no password", "give ledger.url a password"),
        ("database", 'database "nowhere" does not exist: create it'),
        ("role", 'role "nobody" does not exist: see the user in ledger.url'),
        ("rights", "permission denied for schema public: let this user create tables there"),
        ("host", "no-such-host.invalid"),
        ("options", "ledger.url cannot be read"),
    ],
)  # fmt: skip
def test_p5_a_database_that_refuses_us_is_named_with_the_mend_and_without_the_password(
    server: Server, home: Postgres, what: str, words: str
) -> None:
    url = refusing(server, what)
    with capture_logs() as log:
        ledger = Ledger(url, home.folder)
        ledger.write([row(1)])
        ledger.maintain()
        told = ledger.trouble or ""
        assert words in told
        assert len(spooled(home.folder)) == 1
        heard = [told, repr(ledger)]
        try:
            # Who may look but not create finds an empty database.
            assert len(book(Postgres(url, home.folder)).rows()) == 1
        except LedgerError as error:
            heard.append(str(error))
        ledger.close()
    assert log
    assert len(heard) == (2 if what == "rights" else 3)
    assert not [text for text in (*heard, str(log)) if SECRET in text]


def test_a_spool_that_the_disk_refuses_is_held_in_memory(home: Postgres, counts: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    ledger = Ledger(home.url, home.folder, count=counting(counts), hold=2)

    def full(records: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(ledger._spool, "append", full)
        for number in range(3):
            ledger.write([row(number)])
        assert counts == {"held": 2, "lost": 1}
        assert "No space left" in (ledger.trouble or "")
        ledger.maintain()
        assert "No space left" in (ledger.trouble or "")
    ledger.maintain()
    assert ledger.trouble is None
    assert len(home.stored()) == 2
    ledger.close()


def test_rows_in_memory_go_to_the_disk_as_soon_as_it_takes_them_though_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(f"postgresql://turnout@127.0.0.1:{free_port()}/turnout", tmp_path)

    def full(records: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(ledger._spool, "append", full)
        ledger.write([row(1)])
    assert spooled(tmp_path) == []
    ledger.maintain()
    assert "refused" in (ledger.trouble or "")
    assert len(spooled(tmp_path)) == 1
    ledger.close()


def test_the_tables_have_the_columns_of_the_row_and_of_the_queries(home: Postgres, ledger: Ledger) -> None:
    assert ledger.trouble is None
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position"
    wanted = {"turnout_usage": COLUMNS}
    wanted |= {f"turnout_{level}": (WORDS.number[level], *columns, *MEASURES) for level, columns in LEVELS.items()}
    with psycopg.connect(home.url) as connection:
        there = {table: tuple(name for (name,) in connection.execute(query, (table,))) for table in wanted}
    assert there == wanted
