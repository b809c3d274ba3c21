"""Overrides in all workers of one machine, and in all replicas that share a Redis: also while it is away, and when it
has forgotten everything."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from keys_kit import within_a_second
from live import Live, demo_upstream, replicas
from overrides_kit import cleared, override, standing, told, turned
from public_door import ask
from services import redis_server


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


def text(demo: str, redis: str | None = None) -> str:
    shared = f'state: {{redis: "{redis}"}}\n' if redis else ""
    return f"""version: 1
server: {{secret: shared-by-all}}
{shared}backends: {{local: {{provider: vllm, base_url: "{demo}/v1", model: demo-local, local: true}}}}
aliases: {{local: {{use: [local]}}}}
"""


def statuses(live: Live, count: int = 16) -> set[int]:
    """Of calls on connections of their own, so that all workers get some."""
    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(lambda _: ask(live, "local").status, range(count)))


def test_two_workers_follow_within_a_second_and_one_of_them_tells(demo: str) -> None:
    with Live(text(demo), workers=2) as live:
        assert statuses(live) == {200}
        told(live, "drain", "local")
        within_a_second(lambda: statuses(live) == {503})
        told(live, "clear", "--all")
        within_a_second(lambda: statuses(live) == {200})
        events = [line for line in live.log().splitlines() if '"event":"override.' in line]
        assert [line.count("override.set") for line in events] == [1, 0]


def test_a_worker_that_starts_anew_serves_no_call_without_them(demo: str) -> None:
    with Live(text(demo), workers=2) as live:
        turned(live, "drain", "local")
        within_a_second(lambda: statuses(live) == {503})
        before = live.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        live.until(lambda: len(set(live.workers()) - set(before)) == 2, "two new workers")
        seen: set[int] = set()
        live.until(lambda: bool(seen.update({ask_once(live)}) or seen & {503}), "served")
        assert 200 not in seen | statuses(live)


def ask_once(live: Live) -> int:
    """0: nobody is there yet."""
    body = b'{"model": "local", "messages": [{"role": "user", "content": "Hi!"}]}'
    return live.call("POST", "/v1/chat/completions", body, {"content-type": "application/json"})[0]


def test_replicas_share_them_through_redis(demo: str, tmp_path: Path) -> None:
    with redis_server() as redis, replicas(text(demo, redis.url), tmp_path) as (one, two):
        told(one, "drain", "local", "--ttl", "1h")
        within_a_second(lambda: statuses(one) == {503} and statuses(two, 4) == {503})
        assert [each["override"] for each in told(two, "list")["overrides"]] == ["drain local"]
        assert ask(one, "local").told("override") == ask(two, "local").told("override")
        for live in (one, two):
            assert live.log().count('"event":"override.set"') == 1
        told(two, "clear", "local")
        within_a_second(lambda: statuses(one) == {200} and statuses(two, 4) == {200})
        told(two, "drain", "local", "--ttl", "1s")
        for live in (one, two):
            live.until(lambda live=live: "override.expired" in live.log(), "expired by itself")
        assert statuses(one) | statuses(two, 4) == {200}


def test_while_redis_is_away_what_is_known_goes_on_and_ends_and_nothing_new_is_taken(demo: str, tmp_path: Path) -> None:
    with redis_server(folder=tmp_path) as redis, replicas(text(demo, redis.url), tmp_path) as (one, two):
        told(one, "drain", "local")
        told(one, "policy", "*=local_only", "--ttl", "4s")
        for live in (one, two):
            live.until(lambda live=live: statuses(live) == {503}, "drained")
        redis.signal(signal.SIGSTOP)
        two.until(lambda: two.get("/health/ready")[1]["degraded"], "away")
        assert statuses(two, 2) == {503}
        result = override(two, "policy", "local=local_only")
        assert result.exit_code == 1
        assert "the overrides cannot be reached, so that nothing was changed: Redis" in result.stderr
        code, found = two.call("POST", "/admin/overrides", b'{"policy": "local=local_only"}')
        assert (code, found["error"]["code"]) == (503, "overrides_unavailable")
        two.until(lambda: standing(two) == ["local"], "over in time")
        assert statuses(one) == {503}
        redis.signal(signal.SIGCONT)
        two.until(lambda: not two.get("/health/ready")[1]["degraded"], "back")
        cleared(two)
        assert turned(two, "policy", "local=local_only")


def test_a_redis_that_forgot_everything_is_told_again(demo: str, tmp_path: Path) -> None:
    with redis_server(folder=tmp_path) as redis, replicas(text(demo, redis.url), tmp_path) as (one, two):
        told(one, "drain", "local")
        for live in (one, two):
            live.until(lambda live=live: statuses(live) == {503}, "drained")
        port = redis.port
        redis.end()
        with redis_server(port=port):
            two.until(lambda: listed(two) == ["drain local"], "put back")
            assert statuses(one) | statuses(two, 4) == {503}
            assert "overrides.restored" in one.log() + two.log()
            told(two, "clear", "--all")
            for live in (one, two):
                live.until(lambda live=live: statuses(live) == {200} and standing(live) == [], "cleared")


def listed(live: Live) -> list[str]:
    if override(live, "list").exit_code != 0:
        return []
    return [each["override"] for each in told(live, "list")["overrides"]]
