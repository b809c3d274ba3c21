"""Breakers that are shared: what one worker or replica has seen the others know; of all of them one probes (P10)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Literal

import pytest
from live import Live, free_port
from scripted import scripted
from services import redis_server
from sick import Sick
from talk import Caller, Heard, ask

How = Literal["workers", "replicas"]
MODELS = ("told", "probed", "held", "apart", "slow")


EVENTS = {"breaker open": ("breaker.opened", "backend.credential_refused"), "ok": ("breaker.closed",)}


def config(url: str, more: str = "", pause: str = "10s") -> str:
    backends = [f'  {name}: {{provider: vllm, local: true, base_url: "{url}/v1", model: {name}}}' for name in MODELS]
    head = ["version: 1", "retries: {attempts: 1}", f"breaker: {{pause: {pause}}}", "backends:", *backends]
    return "\n".join([*head, "aliases: {any: {use: [told]}}", more])


@contextmanager
def several(how: How, pause: str) -> Iterator[tuple[list[Live], Sick]]:
    """Two workers of one machine, or two replicas with a Redis."""
    with scripted() as upstream, ExitStack() as stack:
        sick = Sick(upstream)
        if how == "workers":
            yield [stack.enter_context(Live(config(upstream.url, pause=pause), workers=2))], sick
            return
        redis = stack.enter_context(redis_server())
        more = f'server: {{secret: [a-secret-that-both-have]}}\nstate: {{redis: "{redis.url}"}}'
        yield [stack.enter_context(Live(config(upstream.url, more, pause))) for _ in range(2)], sick


@pytest.fixture(scope="module", params=["workers", "replicas"])
def brief(request: pytest.FixtureRequest) -> Iterator[tuple[list[Live], Sick]]:
    with several(request.param, "3s") as made:
        yield made


@pytest.fixture(scope="module", params=["workers", "replicas"])
def long(request: pytest.FixtureRequest) -> Iterator[tuple[list[Live], Sick]]:
    with several(request.param, "100s") as made:
        yield made


def standings(lives: Sequence[Live], backend: str) -> set[str]:
    """In a word each, of so many looks that every worker has had one."""
    found = [str(live.get("/health/ready")[1]["backends"][backend]) for live in lives for _ in range(16)]
    return {text.partition(" for ")[0].partition(" after ")[0] for text in found}


def said(lives: Sequence[Live], backend: str, events: Sequence[str]) -> int:
    """How often their workers have logged one of these of this backend."""
    lines = [line for live in lives for line in live.log().splitlines() if f'"backend":"{backend}"' in line]
    return sum(any(f'"event":"{event}"' in line for event in events) for line in lines)


def everybody(lives: Sequence[Live], backend: str, text: str) -> None:
    """Every worker says so in its log: while they idle, one of them may take every look."""
    workers = sum(len(live.workers()) for live in lives)
    lives[0].until(lambda: said(lives, backend, EVENTS[text]) >= workers, f"{backend} {text} in each log")
    lives[0].until(lambda: standings(lives, backend) == {text}, f"{backend} {text} everywhere")


def crowd(lives: Sequence[Live], backend: str, count: int = 24) -> list[Heard]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda at: ask(lives[at % len(lives)].url, "chat", f"backend/{backend}"), range(count)))


def test_what_one_has_seen_all_know(long: tuple[list[Live], Sick]) -> None:
    lives, sick = long
    sick.status["told"] = 401
    assert ask(lives[0].url, "chat", "backend/told").status == 502
    everybody(lives, "told", "breaker open")
    assert {heard.status for heard in crowd(lives, "told")} == {503}
    assert sick.count("told") == 1


def test_of_all_of_them_one_probes_and_all_hear_how_it_went(brief: tuple[list[Live], Sick]) -> None:
    lives, sick = brief
    sick.status["probed"] = 401
    ask(lives[0].url, "chat", "backend/probed")
    everybody(lives, "probed", "breaker open")
    sick.gates["probed"] = gate = threading.Event()
    sick.status["probed"] = 200
    with ThreadPoolExecutor(1) as pool:

        def asked_until_probed() -> list[Heard]:
            heard: list[Heard] = []
            while sick.count("probed") < 2:
                heard += crowd(lives, "probed")
            return heard

        # The probe is one of these, and waits at the gate; the others were told to come again.
        probing = pool.submit(asked_until_probed)
        lives[0].until(lambda: sick.count("probed") == 2, "a probe")
        with ThreadPoolExecutor(1) as beside:
            others = beside.submit(crowd, lives, "probed", 24)
            assert {heard.status for heard in others.result(30)} == {503}
        assert sick.count("probed") == 2
        gate.set()
        assert sum(heard.status == 200 for heard in probing.result(30)) >= 1
    everybody(lives, "probed", "ok")
    lives[0].until(lambda: {heard.status for heard in crowd(lives, "probed", 8)} == {200}, "all come back")


def test_a_prober_that_hangs_up_leaves_the_probe_to_the_others(brief: tuple[list[Live], Sick]) -> None:
    lives, sick = brief
    sick.status["held"] = 401
    ask(lives[0].url, "chat", "backend/held")
    everybody(lives, "held", "breaker open")
    sick.gates["held"] = threading.Event()
    sick.status["held"] = 200

    def probing() -> Caller | None:
        caller = Caller(lives[0].port, "chat", "backend/held", stream=False)
        try:
            caller.read_until(b"no_backend_available", 0.5)
        except TimeoutError:
            return caller
        return None

    found: list[Caller] = []

    def probed() -> bool:
        caller = probing()
        found.extend([caller] if caller is not None else [])
        return sick.count("held") == 2

    lives[0].until(probed, "a probe")
    for caller in found:
        caller.hang_up()
    sick.gates.pop("held").set()
    lives[-1].until(lambda: ask(lives[-1].url, "chat", "backend/held").status == 200, "another probe")


@contextmanager
def replicas(port: int, pause: str = "10s") -> Iterator[tuple[list[Live], Sick]]:
    with scripted() as upstream, ExitStack() as stack:
        more = f'server: {{secret: [a-secret-that-both-have]}}\nstate: {{redis: "redis://127.0.0.1:{port}/0"}}'
        yield [stack.enter_context(Live(config(upstream.url, more, pause))) for _ in range(2)], Sick(upstream)


def test_while_redis_is_away_each_goes_on_by_itself_and_tells_later() -> None:
    port = free_port()
    with redis_server(port=port) as redis, replicas(port, "100s") as (lives, sick):
        first, second = lives
        assert ask(first.url, "chat", "backend/apart").status == 200
        redis.signal(signal.SIGKILL)
        redis.process.wait(10)
        for live in lives:
            live.until(lambda live=live: "breakers.away" in live.log(), "Redis missed")  # type: ignore[misc]
        sick.status["apart"] = 401
        assert ask(first.url, "chat", "backend/apart").status == 502
        assert ask(first.url, "chat", "backend/apart").status == 503
        assert standings([second], "apart") == {"ok"}
        with redis_server(port=port):
            everybody(lives, "apart", "breaker open")
            assert sick.count("apart") == 2
            assert "breakers.back" in first.log()


def test_a_redis_that_hangs_holds_up_no_call_and_no_probe_for_long() -> None:
    port = free_port()
    with redis_server(port=port) as redis, replicas(port, "3s") as (lives, sick):
        sick.status["slow"] = 401
        ask(lives[0].url, "chat", "backend/slow")
        everybody(lives, "slow", "breaker open")
        redis.signal(signal.SIGSTOP)
        sick.status["slow"] = 200
        lives[0].until(lambda: ask(lives[0].url, "chat", "backend/slow").status == 200, "a probe without a word", 10)
        lives[1].until(lambda: ask(lives[1].url, "chat", "backend/slow").status == 200, "its own probe, too", 10)
        redis.signal(signal.SIGCONT)


def test_a_redis_that_was_flushed_is_told_again() -> None:
    import redis as client

    port = free_port()
    with redis_server(port=port), replicas(port, "100s") as (lives, sick):
        sick.status["told"] = 401
        ask(lives[0].url, "chat", "backend/told")
        everybody(lives, "told", "breaker open")
        with client.Redis(port=port) as asked:
            asked.flushall()
            lives[0].until(lambda: asked.hlen("turnout:{breakers}:open") == 1, "told again")
        assert standings(lives, "told") == {"breaker open"}
        assert {heard.status for heard in crowd(lives, "told", 8)} == {503}
        assert sick.count("told") == 1
