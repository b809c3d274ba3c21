"""Bad days of state.db: locked, full, read-only, broken, old, new. Answers flow, what is not stored says so, readiness
says why, and all is well again by itself; what only a human can mend is refused at the start, with the mend."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from away_kit import Said, asked
from chaos import Chaos
from live import Live
from talk import ask
from test_ledger_away import config, fill, metric, mounted

from proxy.state import opening
from proxy.state.opening import VERSION

RESPONSES = "/v1/responses"
LOCKED = float(os.environ.get("TURNOUT_LOCKED", "0"))
"""Seconds for which the file stays locked, once five rounds of calls are over; 30 in ``make torture``."""
QUICK = 1.5
"""Seconds that a call may take once it is known that the file cannot be written."""


def say(live: Live, **more: Any) -> Said:
    return Said(live, RESPONSES, {"model": "backend/ok", "input": "Hi!", **more}, None)


def kept(live: Live) -> str:
    """The id of a response that can be asked for afterwards."""
    heard = asked(live, "POST", RESPONSES, None, {"model": "backend/ok", "input": "Hi!"})
    assert (heard.status, heard.told("stored"), heard.body["store"]) == (200, None, True)
    assert asked(live, "GET", f"{RESPONSES}/{heard.body['id']}", None).status == 200
    return str(heard.body["id"])


def not_kept(live: Live) -> float:
    """One call of each kind, answered and not stored; the slowest, in seconds."""
    whole, streamed = say(live), say(live, stream=True)
    assert (whole.heard.status, whole.heard.told("stored"), whole.heard.body["store"]) == (200, "0", False)
    last = streamed.heard.events[-1]
    assert (last["type"], last["response"]["store"]) == ("response.completed", False)
    assert say(live, store=False).heard.told("stored") is None
    assert ask(live.url, "chat", "backend/ok").status == 200
    return max(whole.seconds, streamed.seconds)


def stored(live: Live) -> str:
    """What readiness says of it."""
    status, told = live.get("/health/ready")
    assert (status, told["ready"]) == (200, True)
    return str(told["stored"])


def until_well(live: Live) -> None:
    live.until(lambda: stored(live) == "ok", "well again")


def file(live: Live) -> Path:
    return live.folder / "state.db"


@pytest.fixture
def live(room: Chaos, tmp_path: Path) -> Iterator[Live]:
    with Live(config(room), folder=tmp_path) as started:
        yield started


def test_p5_a_locked_state_delays_one_call_by_a_second_and_no_other(live: Live) -> None:
    first = kept(live)
    other = apsw.Connection(str(file(live)))
    other.execute("BEGIN EXCLUSIVE")
    not_kept(live)
    slowest, began = [not_kept(live) for _ in range(5)], time.monotonic()
    while time.monotonic() - began < LOCKED:
        slowest.append(not_kept(live))
    assert max(slowest) < QUICK
    assert "state.away.stored: read_only" in stored(live)
    assert live.get("/health/ready")[1]["degraded"] is True
    assert asked(live, "GET", f"{RESPONSES}/{first}", None).body["id"] == first  # it can be read all the time
    goes_on = say(live, previous_response_id=first)
    assert (goes_on.heard.status, goes_on.heard.told("stored")) == (200, "0")
    other.execute("ROLLBACK")
    other.close()
    until_well(live)
    kept(live)
    assert live.get("/health/ready")[1]["degraded"] is False
    assert [live.log().count(word) for word in ('"state.away"', '"state.back"')] == [1, 1]


def test_p4_a_full_disk_takes_no_state_and_costs_no_answer(room: Chaos, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with (
        mounted(disk, "-t", "tmpfs", "-o", "size=4m", "tmpfs"),
        Live(config(room, disk / "turnout.db"), folder=tmp_path) as live,
    ):
        first = kept(live)
        fill(disk / "filler")
        live.until(lambda: say(live).heard.told("stored") == "0", "full")
        assert not_kept(live) < QUICK
        assert "cannot be written" in stored(live)
        assert asked(live, "GET", f"{RESPONSES}/{first}", None).status == 200
        (disk / "filler").unlink()
        until_well(live)
        kept(live)
        live.until(lambda: live.get("/health/ready")[1]["degraded"] is False, "well again")
        assert metric(live, "lost") == 0


def test_p5_writes_that_fail_under_a_running_house(live: Live) -> None:
    """As on a disk that has turned read-only: the kernel refuses every write to a file, those of the log included."""
    first = kept(live)
    [worker] = live.workers()
    usual = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, usual[1]))
    not_kept(live)
    assert not_kept(live) < QUICK
    assert "cannot be written" in stored(live)
    assert live.get("/health/ready")[1]["ledger"] != "ok"
    assert asked(live, "GET", f"{RESPONSES}/{first}", None).status == 200
    resource.prlimit(worker, resource.RLIMIT_FSIZE, usual)
    until_well(live)
    kept(live)
    live.until(lambda: live.get("/health/ready")[1]["degraded"] is False, "well again")
    assert metric(live, "lost") == 0
    assert len({row.request_id for row in live.rows()}) == 10


def refused(room: Chaos, folder: Path) -> str:
    """What a Turnout says that does not start."""
    with Live(config(room), folder=folder, await_ready=False) as live:
        assert live.wait() == 1
        return live.log()


def test_p5_a_state_that_cannot_be_written_is_refused_with_the_mend(room: Chaos, tmp_path: Path) -> None:
    with Live(config(room), folder=tmp_path) as live:
        kept(live)
        assert live.stop() == 0
    path = tmp_path / "state.db"
    with mounted(path, "--bind", str(path)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        told = refused(room, tmp_path)
    assert "state.db: " in told
    assert "see that its folder can be written and nothing else holds it" in told


def test_p5_a_broken_state_is_put_aside_loudly_and_a_new_one_begun(room: Chaos, tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"noise of a broken disk " * 1000)
    with Live(config(room), folder=tmp_path) as live:
        kept(live)
        assert "state.corrupt" in live.log()
        assert stored(live) == "ok"
    assert [path.read_bytes()[:5] for path in tmp_path.glob("state.db.corrupt-*")] == [b"noise"]


@pytest.mark.parametrize("version", [1, VERSION - 1])
def test_p5_a_state_of_an_older_turnout_is_brought_up_to_date(room: Chaos, tmp_path: Path, version: int) -> None:
    connection = apsw.Connection(str(tmp_path / "state.db"))
    for change in (opening._SCHEMA, *opening._CHANGES)[:version]:
        connection.execute(change)
    connection.pragma("user_version", version)
    now = int(time.time())
    response = msgspec.json.encode({"id": "resp_old", "status": "completed", "output": []})
    columns = "tenant, id, created, previous, size, input, response"
    connection.execute(
        f"INSERT INTO turns ({columns}) VALUES (?,?,?,?,?,?,?)",  # noqa: S608
        ("local", "resp_old", now, None, 2, b"[]", response),
    )
    connection.close()
    with Live(config(room), folder=tmp_path) as live:
        assert asked(live, "GET", f"{RESPONSES}/resp_old", None).raw == response
        assert say(live, previous_response_id="resp_old").heard.status == 200
        kept(live)


def test_p5_a_state_of_a_newer_turnout_is_refused_with_the_mend(room: Chaos, tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "state.db"))
    connection.pragma("user_version", VERSION + 1)
    connection.close()
    told = refused(room, tmp_path)
    assert f"written by a newer Turnout (schema {VERSION + 1})" in told
    assert "run that version, or move the file away" in told


def test_p5_two_houses_may_share_a_state_and_none_loses_a_turn(room: Chaos, tmp_path: Path) -> None:
    """Two of one folder share its state.db, but never a ledger's file."""
    other = config(room).replace("backends:", 'ledger: {url: "sqlite:///second.db"}\nbackends:')
    with Live(config(room), folder=tmp_path) as one:
        second = Live(other, folder=tmp_path)
        with second as two, ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(lambda at: kept((one, two)[at % 2]), range(40)))
            assert len(set(ids)) == 40
            for at, id_ in enumerate(ids):
                assert asked((two, one)[at % 2], "GET", f"{RESPONSES}/{id_}", None).status == 200
