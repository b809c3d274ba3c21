"""Bad days of a PostgreSQL ledger: no answer waits for it, no row is lost or told twice, and readiness says why."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from chaos import Chaos
from live import Live, free_port
from services import Server, postgres_server
from talk import ask
from test_ledger_away import fill, metric, mounted

from proxy.ledger import postgres_schema
from proxy.ledger.book import open_book

PASSWORD = "hunter2-of-this-test"


def config(room: Chaos, url: str) -> str:
    return f"""version: 1
server: {{secret: of-this-test}}
ledger: {{url: "{url}"}}
backends: {{ok: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: ok}}}}
"""


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Where a server's own user may write."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        yield Path(name)


def stored(url: str) -> list[str]:
    """What stands in the database itself."""
    with psycopg.connect(url) as connection:
        return sorted(request_id for (request_id,) in connection.execute("SELECT request_id FROM turnout_usage"))


def asked(live: Live, many: int = 4) -> list[str]:
    return [ask(live.url, "chat", "backend/ok", stream=number % 2 == 1).id for number in range(many)]


def ledger(live: Live) -> str:
    status, told = live.get("/health/ready")
    assert (status, told["ready"]) == (200, True)
    assert told["degraded"] is (told["ledger"] != "ok")
    return str(told["ledger"])


def test_a_row_is_in_the_database_as_soon_as_it_can_be(room: Chaos, tmp_path: Path) -> None:
    with postgres_server() as server, Live(config(room, server.url), folder=tmp_path, workers=2) as live:
        ids = asked(live, 10)
        assert sorted(row.request_id for row in open_book(server.url, tmp_path).rows()) == sorted(ids)
        began = time.monotonic()
        live.until(lambda: stored(server.url) == sorted(ids), "stored")
        assert time.monotonic() - began < 5
        assert ledger(live) == "ok"


def test_p5_away_at_the_start_killed_and_back(room: Chaos, tmp_path: Path, server_folder: Path) -> None:
    port = free_port()
    url = f"postgresql://turnout:{PASSWORD}@127.0.0.1:{port}/turnout"
    with Live(config(room, url), folder=tmp_path) as live:
        ids = asked(live)
        assert "Connection refused" in ledger(live)
        with postgres_server(port=port, folder=server_folder) as server:
            live.until(lambda: ledger(live) == "ok", "well")
            live.until(lambda: stored(url) == sorted(ids), "drained")
            ids += asked(live)
            # As a crash ends it: without a word to anybody.
            server.signal(signal.SIGQUIT)
            server.process.wait()
            ids += asked(live)
            live.until(lambda: ledger(live) != "ok", "noticed")
        with postgres_server(port=port, folder=server_folder):
            live.until(lambda: ledger(live) == "ok", "well again")
            live.until(lambda: stored(url) == sorted(ids), "drained again")
        assert PASSWORD not in live.log()


def test_p5_stopped_it_delays_no_answer_and_no_end(room: Chaos, tmp_path: Path) -> None:
    with postgres_server() as server:
        with Live(config(room, server.url), folder=tmp_path) as live:
            ids = asked(live)
            live.until(lambda: stored(server.url) == sorted(ids), "stored")
            with stopped(server):
                began = time.monotonic()
                ids += asked(live, 20)
                assert time.monotonic() - began < 5
                live.until(lambda: "no answer for" in ledger(live), "noticed")
                assert live.stop() == 0
        with Live(config(room, server.url), folder=tmp_path) as live:
            live.until(lambda: stored(server.url) == sorted(ids), "drained by the next")


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Neither the server nor those who answer for it do anything."""
    pid = server.process.pid
    server.signal(signal.SIGSTOP)
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for child in children:
        os.kill(child, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in (*children, pid):
            os.kill(one, signal.SIGCONT)


@pytest.mark.parametrize(
    ("place", "words"),
    [("guest:not-{}@127.0.0.1:{}/turnout", "password authentication failed"), ("turnout:{}@127.0.0.1:{}/nowhere", "does not exist: create it")],
)  # fmt: skip
def test_p5_one_that_refuses_us_is_told_with_its_mend_and_without_the_password(
    room: Chaos, tmp_path: Path, place: str, words: str
) -> None:
    with postgres_server() as server:
        guarded(server)
        url = f"postgresql://{place.format(PASSWORD, server.port)}"
        with Live(config(room, url), folder=tmp_path) as live:
            ids = asked(live)
            assert words in ledger(live)
            assert PASSWORD not in live.log() + str(live.get("/health/ready")) + str(live.get("/admin/config"))
            assert live.reload()["ok"]
            live.write(config(room, server.url))
            assert PASSWORD not in str(live.reload())
            live.stop()
        # The rows wait for whoever can store them.
        with Live(config(room, server.url), folder=tmp_path) as live:
            live.until(lambda: stored(server.url) == sorted(ids), "drained by the next")


def guarded(server: Server) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
        found = connection.execute("SHOW hba_file").fetchone()
        assert found is not None
        rules = Path(found[0])
        rules.write_text(f"host all guest 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        connection.execute("SELECT pg_reload_conf()")


def test_p5_locked_by_others_it_costs_no_answer_and_no_row(room: Chaos, tmp_path: Path) -> None:
    with postgres_server() as server, Live(config(room, server.url), folder=tmp_path) as live:
        with psycopg.connect(server.url) as other:
            other.execute("LOCK TABLE turnout_usage IN ACCESS EXCLUSIVE MODE")
            ids = asked(live)
            live.until(lambda: "lock timeout" in ledger(live), "noticed")
            other.rollback()
        live.until(lambda: ledger(live) == "ok", "well again")
        live.until(lambda: stored(server.url) == sorted(ids), "drained")


def test_p5_a_newer_schema_is_refused_with_the_mend(room: Chaos, tmp_path: Path) -> None:
    with postgres_server() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE turnout_ledger (version bigint NOT NULL)")
            connection.execute("INSERT INTO turnout_ledger VALUES (99)")
        with Live(config(room, server.url), folder=tmp_path, await_ready=False) as live:
            assert live.wait() == 1
            told = live.log()
    assert f"written by a newer Turnout (schema 99, this one knows {postgres_schema.VERSION})" in told


def test_p4_a_disk_that_is_full_is_held_beside_the_database(room: Chaos, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with (
        postgres_server() as server,
        mounted(disk, "-t", "tmpfs", "-o", "size=2m", "tmpfs"),
        Live(config(room, server.url), folder=disk) as live,
    ):
        ids = asked(live)
        live.until(lambda: stored(server.url) == sorted(ids), "stored")
        fill(disk / "filler")
        ids += asked(live, 20)
        assert metric(live, "held") > 0
        assert "No space left" in ledger(live)
        (disk / "filler").unlink()
        live.until(lambda: ledger(live) == "ok", "well again")
        live.until(lambda: stored(server.url) == sorted(ids), "all rows home")
