"""Stopping, crashing, being orphaned: streams finish or say why not, rows stay, the port comes free."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from chaos import WORDS, Chaos
from live import Live, alive, wait_gone
from talk import APIS, Api, Caller, Heard, ask, until


def config(room: Chaos, drain: str = "10s") -> str:
    lines = [
        f'  {name}: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: {name}}}'
        for name in ("ok", "slower", "endless", "stall")
    ]
    return "\n".join(["version: 1", f"server: {{drain: {drain}}}", "backends:", *lines, ""])


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as made:
        yield made


def under_way(live: Live, room: Chaos, pool: ThreadPoolExecutor) -> list[Future[Heard]]:
    """Four slow calls, all of them at the upstream."""
    before = len(room.of("slower"))
    calls = [
        pool.submit(ask, live.url, api, "backend/slower", stream=stream) for api in APIS for stream in (False, True)
    ]
    until(lambda: len(room.of("slower")) - before == 4, "all under way")
    return calls


def finished(live: Live, calls: list[Future[Heard]]) -> None:
    for call in calls:
        heard = call.result(20)
        assert (heard.status, heard.text, heard.failed) == (200, "".join(WORDS), None)
        assert [(row.outcome, row.status) for row in live.rows_of(heard.id)] == [("ok", 200)]


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("workers", [1, 2])
def test_p2_sigterm_lets_calls_finish_and_leaves_with_0(room: Chaos, pool: ThreadPoolExecutor, workers: int) -> None:
    with Live(config(room), workers=workers) as live:
        calls = under_way(live, room, pool)
        tree = [live.pid, *live.workers()]
        live.signal(signal.SIGTERM)
        until(lambda: refuses(live.port), "closed to new calls")
        finished(live, calls)
        assert live.wait() == 0
        wait_gone(tree)
        assert len(live.rows()) == 4


def test_p2_a_service_manager_that_signals_every_process(room: Chaos, pool: ThreadPoolExecutor) -> None:
    with Live(config(room)) as live:
        calls = under_way(live, room, pool)
        for pid in (live.pid, *live.workers()):
            os.kill(pid, signal.SIGTERM)
        finished(live, calls)
        assert live.wait() == 0


@pytest.mark.parametrize("api", APIS)
def test_p2_a_call_that_outlasts_the_drain_is_told_so(room: Chaos, pool: ThreadPoolExecutor, api: Api) -> None:
    with Live(config(room, drain="300ms")) as live:
        before = len(room.of("endless"))
        streamed = pool.submit(ask, live.url, api, "backend/endless", stream=True)
        whole = pool.submit(ask, live.url, api, "backend/stall")
        until(lambda: len(room.of("endless")) > before, "streaming")
        until(lambda: [seen for seen in room.of("stall") if not seen.gone], "waiting")
        assert live.stop() == 0
        told, refused = streamed.result(10), whole.result(10)
        assert (told.status, told.failed is not None) == (200, True)
        assert (refused.status, refused.failed and refused.failed["code"]) == (503, "shutting_down")
        assert [(r.outcome, r.status, r.error_code) for r in live.rows_of(told.id)] == [
            ("interrupted", 200, "shutting_down")
        ]
        assert [(r.outcome, r.status) for r in live.rows_of(refused.id)] == [("error", 503)]
        until(lambda: all(seen.gone for seen in room.of("endless")[before:]), "closed at the upstream")


def test_p2_a_reload_changes_how_long_the_drain_takes(room: Chaos, pool: ThreadPoolExecutor) -> None:
    with Live(config(room, drain="60s")) as live:
        live.write(config(room, drain="300ms"))
        assert live.reload()["ok"]
        before = len(room.of("endless"))
        call = pool.submit(ask, live.url, "chat", "backend/endless", stream=True)
        until(lambda: len(room.of("endless")) > before, "streaming")
        assert live.stop() == 0
        told = call.result(10)
        assert told.failed is not None
        assert [(row.outcome, row.error_code) for row in live.rows_of(told.id)] == [("interrupted", "shutting_down")]


def test_p3_a_second_sigterm_ends_at_once(room: Chaos) -> None:
    with Live(config(room, drain="60s")) as live:
        heard = ask(live.url, "chat", "backend/ok")
        caller = Caller(live.port, "chat", "backend/endless", stream=True)
        caller.read_until(b"on and on")
        tree = [live.pid, *live.workers()]
        live.signal(signal.SIGTERM)
        until(lambda: refuses(live.port), "closed to new calls")
        began = time.monotonic()
        live.signal(signal.SIGTERM)
        live.wait(5)
        assert time.monotonic() - began < 2
        wait_gone(tree)
        assert [row.outcome for row in live.rows_of(heard.id)] == ["ok"]


def test_readiness_fails_before_the_last_call_is_done(room: Chaos) -> None:
    """A connection that is already open hears of the drain."""
    with Live(config(room)) as live:
        caller = Caller(live.port, "chat", "backend/slower", stream=True)
        caller.read_until(b"Hello")
        live.signal(signal.SIGTERM)
        caller.read_until(b"[DONE]")
        assert live.wait() == 0


def test_an_orphaned_worker_finishes_and_frees_the_port(room: Chaos, pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    with Live(config(room), folder=tmp_path) as live:
        calls = under_way(live, room, pool)
        workers = live.workers()
        live.signal(signal.SIGKILL)
        finished(live, calls)
        wait_gone(workers)
        assert refuses(live.port)
    with Live(config(room), folder=tmp_path) as again:
        assert len(again.rows()) == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crashed_worker_is_replaced(room: Chaos, workers: int) -> None:
    with Live(config(room), workers=workers) as live:
        heard = ask(live.url, "chat", "backend/ok")
        victim = live.workers()[0]
        os.kill(victim, signal.SIGKILL)
        live.until(lambda: len(live.workers()) == workers and victim not in live.workers(), "replaced")
        live.until(live.ready, "ready")
        assert ask(live.url, "chat", "backend/ok").status == 200
        assert [row.outcome for row in live.rows_of(heard.id)] == ["ok"]
        assert '"event":"worker.died"' in live.log()
        assert alive(live.pid)
        outcome = live.reload()
        assert (outcome["ok"], outcome["generation"]) == (True, 2)
        assert live.stop() == 0
