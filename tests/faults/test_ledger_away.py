"""Bad days of the ledger's file: answers flow, their rows wait, readiness says so, and all come home. What can only be
mended by a human is refused at the start, with the mend."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from chaos import Chaos
from live import Live
from talk import APIS, ask

from proxy.ledger.reader import rows as read
from proxy.ledger.record import UsageRecord
from proxy.ledger.schema import MIGRATIONS, VERSION


def config(room: Chaos, ledger: Path | None = None) -> str:
    where = f'ledger: {{url: "sqlite:///{ledger}"}}' if ledger is not None else ""
    return f"""version: 1
backends: {{ok: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: ok}}}}
{where}
"""


@contextmanager
def mounted(at: Path, *words: str) -> Iterator[Path]:
    """A file system of its own; needs root, as CI has."""
    subprocess.run(["mount", *words, str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def metric(live: Live, state: str) -> float:
    text = live.get("/metrics")[1]
    name = f'turnout_usage_records_total{{state="{state}"}} '
    return float(next((line.removeprefix(name) for line in text.splitlines() if line.startswith(name)), "0"))


def test_p5_a_locked_ledger_costs_no_answer_and_no_row(room: Chaos, tmp_path: Path) -> None:
    with Live(config(room), folder=tmp_path) as live:
        other = apsw.Connection(str(tmp_path / "turnout.db"))
        other.execute("BEGIN EXCLUSIVE")
        ids = [ask(live.url, api, "backend/ok", stream=stream).id for api in APIS for stream in (False, True)]
        assert {row.request_id for row in live.rows()} == set(ids)
        assert stored(tmp_path) == set()
        status, told = live.get("/health/ready")
        assert (status, told["ready"], told["degraded"]) == (200, True, True)
        assert told["ledger"] != "ok"
        other.execute("ROLLBACK")
        other.close()
        live.until(lambda: stored(tmp_path) == set(ids), "replayed")
        live.until(lambda: live.get("/health/ready")[1]["ledger"] == "ok", "well again")
        assert live.get("/health/ready")[1]["degraded"] is False
        assert sorted(row.request_id for row in live.rows()) == sorted(ids)


def stored(folder: Path) -> set[str]:
    """What stands in the database itself."""
    connection = apsw.Connection(str(folder / "turnout.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {str(request_id) for (request_id,) in connection.execute("SELECT request_id FROM usage")}
    finally:
        connection.close()


def test_p4_a_full_disk_costs_no_answer_and_its_rows_are_held(room: Chaos, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with (
        mounted(disk, "-t", "tmpfs", "-o", "size=2m", "tmpfs"),
        Live(config(room, disk / "turnout.db"), folder=tmp_path) as live,
    ):
        ids = [ask(live.url, "chat", "backend/ok").id]
        fill(disk / "filler")
        ids += [ask(live.url, "chat", "backend/ok", stream=stream).id for stream in (True, False) for _ in range(15)]
        assert metric(live, "held") > 0
        status, told = live.get("/health/ready")
        assert (status, told["ready"], told["degraded"]) == (200, True, True)
        assert "full" in told["ledger"] or "No space" in told["ledger"]
        (disk / "filler").unlink()
        live.until(lambda: live.get("/health/ready")[1]["ledger"] == "ok", "well again")
        live.until(lambda: len(read(disk / "turnout.db")) == len(ids), "all rows home")
        assert sorted(row.request_id for row in read(disk / "turnout.db")) == sorted(ids)
        assert metric(live, "lost") == 0


def fill(path: Path) -> None:
    """To the last byte."""
    with path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue


def refused(room: Chaos, folder: Path, ledger: Path | None = None) -> str:
    """What a Turnout says that does not start."""
    with Live(config(room, ledger), folder=folder, await_ready=False) as live:
        assert live.wait() == 1
        return live.log()


def test_p5_a_folder_or_a_file_that_cannot_be_written_is_refused_with_the_mend(room: Chaos, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs"):
        told = refused(room, tmp_path, disk / "turnout.db")
    assert f"{disk}/turnout.db: Read-only file system: make its folder" in told
    file = tmp_path / "turnout.db"
    with Live(config(room), folder=tmp_path) as live:
        ask(live.url, "chat", "backend/ok")
        live.stop()
    with mounted(file, "--bind", str(file)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(file)], check=True)
        told = refused(room, tmp_path)
    assert "turnout.db: readonly: attempt to write a readonly database: see that its folder can be written" in told
    assert len(read(file)) == 1


def test_p5_a_broken_file_is_put_aside_loudly_and_a_new_one_begun(room: Chaos, tmp_path: Path) -> None:
    (tmp_path / "turnout.db").write_bytes(b"noise of a broken disk " * 1000)
    with Live(config(room), folder=tmp_path) as live:
        call = ask(live.url, "chat", "backend/ok").id
        assert [row.request_id for row in live.rows()] == [call]
        assert "ledger.corrupt" in live.log()
        assert live.get("/health/ready")[1]["ledger"] == "ok"
    assert [path.read_bytes()[:5] for path in tmp_path.glob("turnout.db.corrupt-*")] == [b"noise"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_p5_a_file_of_an_older_turnout_is_brought_up_to_date(room: Chaos, tmp_path: Path, version: int) -> None:
    connection = apsw.Connection(str(tmp_path / "turnout.db"))
    for script in MIGRATIONS[:version]:
        connection.execute(script)
    connection.pragma("user_version", version)
    columns = "(request_id, attempt, started_at, tenant, api, stream, outcome, trace)"
    connection.execute(f"INSERT INTO usage {columns} VALUES ('old', 1, 5, 'ops', 'chat', 1, 'ok', 'a long trace')")  # noqa: S608
    connection.close()
    old = UsageRecord(
        request_id="old", started_at=5, tenant="ops", api="chat", stream=True, outcome="ok", trace="a long trace"
    )
    with Live(config(room), folder=tmp_path) as live:
        call = ask(live.url, "chat", "backend/ok").id
        rows = live.rows()
    assert (rows[0], rows[1].request_id) == (old, call)


def test_p5_a_file_of_a_newer_turnout_is_refused_with_the_mend(room: Chaos, tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "turnout.db"))
    connection.pragma("user_version", VERSION + 1)
    connection.close()
    told = refused(room, tmp_path)
    assert f"written by a newer Turnout (schema {VERSION + 1}, this one knows {VERSION})" in told
    assert "ledger.url" in told
