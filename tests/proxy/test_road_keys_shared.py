"""Keys in all workers of one machine, and in all replicas that share a Redis: also while it is away, and when it has
forgotten everything."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from keys_kit import keys, made, status, told, within_a_second
from live import Live, demo_upstream, replicas
from public_door import ask, get
from services import redis_server

from proxy.minting import made as drawn


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


def text(demo: str, redis: str | None = None) -> str:
    shared = f'state: {{redis: "{redis}"}}\n' if redis else ""
    return f"""version: 1
server: {{secret: shared-by-all}}
{shared}backends: {{local: {{provider: vllm, base_url: "{demo}/v1", model: demo-local}}}}
aliases: {{local: {{use: [local]}}}}
"""


def answers(live: Live, key: str | None, count: int = 24) -> set[int]:
    """Of calls on connections of their own, so that all workers get some."""
    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(lambda _: status(live, key), range(count)))


def test_two_workers_take_a_key_at_once_and_lose_it_within_a_second(demo: str) -> None:
    with Live(text(demo), workers=2) as live:
        assert answers(live, None) == {200}
        secret = made(live, "create", "ann")
        assert answers(live, secret) == {200}
        within_a_second(lambda: answers(live, None) == {401})
        second = made(live, "rotate", "ann", "--grace", "0s")
        assert answers(live, second) == {200}
        within_a_second(lambda: answers(live, secret) == {401})
        keys(live, "revoke", "ann")
        within_a_second(lambda: answers(live, second) == {401})
        assert answers(live, None) == {401}


def test_a_worker_that_starts_anew_knows_the_keys(demo: str) -> None:
    with Live(text(demo), workers=2) as live:
        secret = made(live, "create", "ann")
        before = live.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        live.until(lambda: len(set(live.workers()) - set(before)) == 2, "two new workers")
        live.until(live.ready, "ready")
        assert answers(live, secret) == {200}
        assert answers(live, None) == {401}


def test_replicas_share_their_keys_through_redis(demo: str, tmp_path: Path) -> None:
    with redis_server() as redis, replicas(text(demo, redis.url), tmp_path) as (one, two):
        secret = made(one, "create", "ann", "--owner", "ann@x.org")
        assert [answers(one, secret), answers(two, secret, 4)] == [{200}, {200}]
        assert [each["name"] for each in told(two, "list")] == ["ann"]
        heard = ask(two, "local", key=secret)
        assert two.rows_of(heard.id)[0].tenant == "ann@x.org"
        second = made(two, "rotate", "ann", "--grace", "1h")
        assert {status(one, secret), status(one, second), status(two, secret), status(two, second)} == {200}
        assert keys(two, "revoke", "ann").exit_code == 0
        within_a_second(lambda: answers(one, second) == {401} and answers(two, second, 4) == {401})
        assert "was revoked on" in ask(one, "local", key=secret).error["message"]
        assert not (tmp_path / "one" / "state.db").read_bytes().count(b"ann@x.org")


def test_while_redis_is_away_known_keys_go_on_and_new_ones_wait(demo: str, tmp_path: Path) -> None:
    with redis_server(folder=tmp_path) as redis, replicas(text(demo, redis.url), tmp_path) as (one, two):
        secret = made(one, "create", "ann")
        assert answers(two, secret, 4) == answers(one, secret) == {200}
        redis.signal(signal.SIGSTOP)
        unknown = drawn()
        two.until(lambda: status(two, unknown) == 503, "away")
        began = time.monotonic()
        assert answers(one, secret) == answers(two, secret, 4) == {200}
        assert {status(two, unknown) for _ in range(5)} == {503}
        assert time.monotonic() - began < 5.0
        heard = ask(two, "local", key=unknown)
        assert (heard.error["code"], heard.headers["retry-after"]) == ("keys_unavailable", "1")
        quiet = get(two, "/v1/models", unknown)
        assert (quiet.status, quiet.headers["retry-after"]) == (503, "1")
        assert status(two, "sk-of-somebody-else") == 401
        assert two.get("/health/ready")[0] == 200
        assert "cannot be read" in two.get("/health/ready")[1]["keys"]
        result = keys(two, "create", "bob")
        assert result.exit_code == 1
        assert "the keys cannot be reached: Redis" in result.stderr
        redis.signal(signal.SIGCONT)
        two.until(lambda: status(two, unknown) == 401, "back")
        assert made(two, "create", "bob")


def test_a_redis_that_is_away_at_the_start_keeps_everybody_out_but_the_files_keys(demo: str, tmp_path: Path) -> None:
    with redis_server(folder=tmp_path) as redis:
        secret = ""
        with replicas(text(demo, redis.url), tmp_path) as (one, _):
            secret = made(one, "create", "ann")
        port = redis.port
        redis.end()
        live = Live(text(demo, redis.url), await_ready=False)
        with live:
            live.until(lambda: live.get("/health/live")[0] == 200, "alive")
            live.until(lambda: live.get("/health/ready")[0] == 503, "not ready")
            assert "whether there are keys" in live.get("/health/ready")[1]["why"]
            assert {status(live, key) for key in (secret, None, "sk-any")} == {503}
            live.write(text(demo, redis.url) + "keys: [{name: filed, secret: sk-filed}]\n")
            live.until(lambda: status(live, "sk-filed") == 200, "the file's key")
            assert [status(live, None), status(live, secret)] == [401, 503]
            with redis_server(port=port) as again:
                live.until(lambda: status(live, secret) == 401, "back, and empty")
                new = made(live, "create", "bob")
                assert status(live, new) == 200
                again.end()
                assert status(live, new) == 200


def test_a_redis_that_forgot_everything_is_told_again(demo: str, tmp_path: Path) -> None:
    with redis_server(folder=tmp_path) as redis, replicas(text(demo, redis.url), tmp_path) as (one, two):
        ann, bob = made(one, "create", "ann"), made(one, "create", "bob")
        keys(one, "revoke", "bob")
        for live in (
            one,
            two,
        ):  # every worker of each: who has not heard of a key by then cannot tell Redis, nor know it
            live.until(lambda live=live: (answers(live, ann), answers(live, bob)) == ({200}, {401}), "known")
        port = redis.port
        redis.end()
        with redis_server(port=port):
            two.until(lambda: {each["name"] for each in listed(two)} == {"ann", "bob"}, "put back")
            assert answers(one, ann) | answers(two, ann) == {200}
            assert answers(one, bob) | answers(two, bob) == {401}
            assert {each["name"]: each["state"] for each in listed(one)} == {"ann": "active", "bob": "revoked"}
            assert "keys.restored" in one.log() + two.log()
            new = made(two, "create", "cid")
            one.until(lambda: answers(one, new) | answers(two, new) == {200}, "known, where Redis was heard again")


def listed(live: Live) -> list[dict[str, Any]]:
    result = keys(live, "list", "--all", "--json")
    if result.exit_code != 0:
        return []
    found: list[dict[str, Any]] = msgspec.json.decode(result.stdout)
    return found


def test_a_bind_beyond_this_machine_is_served_once_the_store_has_a_key(demo: str, tmp_path: Path) -> None:
    wide = text(demo).replace("{secret: shared-by-all}", "{secret: s, host: 0.0.0.0}")
    refused = Live(wide, folder=tmp_path, await_ready=False)
    with refused:
        assert refused.wait() == 1
    assert "there is no key: make one with 'turnout keys create'" in refused.log()
    secret = made(refused, "create", "ann")
    with Live(wide, folder=tmp_path) as live:
        assert [status(live, None), status(live, secret)] == [401, 200]
        live.write(wide + "teams: {t: {}}\n")
        live.until(lambda: '"generation":2' in live.log(), "reloaded")


def test_a_bind_beyond_this_machine_asks_redis_for_keys(demo: str, tmp_path: Path) -> None:
    with redis_server(folder=tmp_path) as redis:
        wide = text(demo, redis.url).replace("{secret: shared-by-all}", "{secret: s, host: 0.0.0.0}")
        with Live(wide, await_ready=False) as refused:
            assert refused.wait() == 1
            assert "there is no key" in refused.log()
            secret = made(refused, "create", "ann")
        with Live(wide) as live:
            assert [status(live, None), status(live, secret)] == [401, 200]
        away = wide.replace("redis://", "rediss://").replace(str(redis.port), "1")
        with Live(away, await_ready=False) as live:
            live.until(lambda: live.get("/health/live")[0] == 200, "alive")
            assert status(live, None) == 503
