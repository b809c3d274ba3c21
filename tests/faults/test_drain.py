"""P2, P3, Done-when 5: SIGTERM among a hundred live streams, and what balancers see of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from chaos import Chaos
from leaving import APIS, PATHS, Api, Leaver, body, request
from live import POLL, Live, wait_gone
from talk import until

STREAMS = 100
ENDS = {"chat": b"data: [DONE]\n\n", "responses": b"response.completed", "messages": b"event: message_stop"}
ERRORS = {"chat": b'"error":{', "responses": b"event: response.failed", "messages": b"event: error"}


def config(room: Chaos, **server: str) -> str:
    own = ", ".join(f"{name}: {value}" for name, value in server.items())
    lines = [
        f'  {name}: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: {name}}}'
        for name in ("ok", "held", "stall-mid")
    ]
    return "\n".join(["version: 1", f"server: {{{own}}}", "backends:", *lines, ""])


@dataclass
class Stream:
    """One that is read to the end of its connection."""

    api: Api
    model: str
    id: str = ""
    read: bytes = b""

    @property
    def ended(self) -> bool:
        return ENDS[self.api] in self.read

    @property
    def failed(self) -> int:
        """How often an error is told."""
        return self.read.count(ERRORS[self.api])


@pytest.mark.parametrize("workers", [1, 2])
def test_p2_sigterm_among_a_hundred_streams(room: Chaos, workers: int) -> None:
    """Those that end within the grace are whole; the others are told why they are not. Every row is kept."""
    streams = [Stream(APIS[n % 3], "held" if n % 2 else "stall-mid") for n in range(STREAMS)]
    room.release = False
    with Live(config(room, drain="4s"), workers=workers) as live:
        tree = [live.pid, *live.workers()]
        asyncio.run(_through(live, room, streams))
        assert live.wait() == 0
        wait_gone(tree)
        rows = {row.request_id: row for row in live.rows()}
    assert len(rows) == STREAMS
    for each in streams:
        row = rows[each.id]
        if each.model == "held":
            assert (each.ended, each.failed, row.outcome) == (True, 0, "ok")
        else:
            assert (each.ended, each.failed) == (False, 1)
            assert (row.outcome, row.status, row.error_code) == ("interrupted", 200, "shutting_down")
        assert (row.output_tokens or 0) > 0


async def _through(live: Live, room: Chaos, streams: list[Stream]) -> None:
    limits = httpx2.Limits(max_connections=None)
    async with (
        httpx2.AsyncClient(base_url=live.url, timeout=30, trust_env=False, limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):
        for each in streams:
            group.create_task(_listen(client, each))
        while not all(each.read for each in streams):
            await asyncio.sleep(POLL)
        live.signal(signal.SIGTERM)
        while await asyncio.to_thread(_taken, live.port):
            await asyncio.sleep(POLL)
        room.release = True


async def _listen(client: httpx2.AsyncClient, each: Stream) -> None:
    sent = body(each.api, f"backend/{each.model}", stream=True)
    async with client.stream("POST", PATHS[each.api], content=sent) as answer:
        each.id = answer.headers["x-request-id"]
        async for piece in answer.aiter_raw():
            each.read += piece


def _taken(port: int) -> bool:
    """Does the port still take connections?"""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_p2_a_balancer_sees_it_before_its_calls_are_refused(room: Chaos, workers: int) -> None:
    """``drain_delay``: readiness fails, calls are still served, and their connections are not kept."""
    with Live(config(room, drain_delay="1500ms"), workers=workers) as live:
        kept = Leaver(live.port, request("chat", "backend/ok", stream=False))
        assert b"connection: close" not in kept.until(b'"usage"')
        live.signal(signal.SIGTERM)
        until(lambda: live.get("/health/ready")[0] == 503, "not ready", 1.0)
        status, told = live.get("/health/ready")
        assert (status, told["ready"], told["draining"]) == (503, False, True)
        for api in APIS:
            for stream in (False, True):
                answer = Leaver(live.port, request(api, "backend/ok", stream=stream)).end()
                assert answer.startswith(b"HTTP/1.1 200")
                assert b"connection: close\r\n" in answer
        assert live.wait() == 0
        assert not _taken(live.port)
        assert {(row.outcome, row.status) for row in live.rows()} == {("ok", 200)}
        assert len(live.rows()) == 7


@pytest.mark.parametrize("to", ["supervisor", "workers"])
def test_p3_a_second_signal_cuts_off_what_is_open_and_keeps_its_rows(room: Chaos, to: str) -> None:
    with Live(config(room, drain="60s"), workers=2) as live:
        tree = [live.pid, *live.workers()]
        open_ = [Leaver(live.port, request(api, "backend/stall-mid", stream=True)) for api in APIS for _ in range(2)]
        for each in open_:
            each.until(b" the")
        for pid in tree[:1] if to == "supervisor" else tree[1:]:
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
        if to == "workers":
            live.signal(signal.SIGTERM)
        for each in open_:
            assert b"Turnout was stopped before this answer was whole" in each.end()
        assert live.wait(5) == 0
        wait_gone(tree)
        told = [(row.outcome, row.status, row.error_code) for row in live.rows()]
        assert told == [("interrupted", 200, "shutting_down")] * len(open_)


def test_p3_a_second_signal_ends_the_delay_at_once(room: Chaos) -> None:
    with Live(config(room, drain_delay="60s", drain="60s")) as live:
        tree = [live.pid, *live.workers()]
        live.signal(signal.SIGTERM)
        until(lambda: live.get("/health/ready")[0] == 503, "not ready")
        began = time.monotonic()
        live.signal(signal.SIGINT)
        live.wait(5)
        wait_gone(tree)
        assert time.monotonic() - began < 2


def test_an_orphan_does_not_wait_for_balancers(room: Chaos) -> None:
    """Whoever starts Turnout again needs the port."""
    with Live(config(room, drain_delay="60s")) as live:
        workers = live.workers()
        live.signal(signal.SIGKILL)
        wait_gone(workers)
        assert not _taken(live.port)


def test_p3_the_process_that_was_started_is_the_one_that_drains(room: Chaos) -> None:
    """A service manager, or Docker's PID 1, signals what it has started: no shell and no launcher stands between."""
    with Live(config(room)) as live:
        assert live.process is not None
        proc = Path(f"/proc/{live.process.pid}")
        assert b"proxy.serving" in (proc / "cmdline").read_bytes()
        lines = (proc / "status").read_text().splitlines()
        caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
        # The kernel delivers to PID 1 only what it has a handler for.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            assert caught >> (number - 1) & 1
        os.kill(live.process.pid, signal.SIGTERM)
        assert live.wait() == 0
