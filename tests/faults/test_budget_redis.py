"""Redis killed, stopped, flushed, absent at the start, and back again: limits and budgets do as ``state.away`` says (P6)."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
from crowd import Told, crowd, statuses
from live import Live, free_port
from services import Server, redis_server
from spending import Vendor, beats, config, vendor

from policies.pricing import NANO

BUDGET = 0.2
ANSWER = 10 * 3000 + 100 * 15_000
FIRST_WAIT = 2.5
"""Seconds that a call may take when it is the first to find Redis away: its time-out, and a busy machine."""


def text(url: str, port: int, *, away: str = "{}", limits: str = "") -> str:
    return config(
        url,
        f"""
server: {{secret: [a-secret-that-both-have]}}
state: {{redis: "redis://127.0.0.1:{port}/0", away: {away}}}
teams: {{interns: {{budget: {{usd: {BUDGET}}}{limits}}}}}
keys: [{{name: k, team: interns, secret: sk-k}}, {{name: free, secret: sk-free}}]
""",
    )


@contextmanager
def replicas(seller: Vendor, port: int, count: int = 2, **more: str) -> Iterator[list[Live]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Live(text(seller.url, port, **more))) for _ in range(count)]


def some(lives: Sequence[Live], count: int, **more: int) -> list[Told]:
    return crowd([live.url for live in lives], count, "sk-k", wide=10, max_tokens=more.get("max_tokens", 300))


def billed(lives: Sequence[Live]) -> int:
    return sum(row.cost_nano_usd or 0 for live in lives for row in live.rows() if row.key_id == "k")


def away(live: Live) -> bool:
    _, metrics = live.get("/metrics")
    return 'turnout_pots_away{home="redis"} 1' in str(metrics)


def until_away(lives: Sequence[Live], *, now: bool) -> None:
    for live in lives:
        live.until(lambda live=live: away(live) is now, f"away: {now}")  # type: ignore[misc]


def killed(server: Server) -> None:
    server.signal(signal.SIGKILL)
    server.process.wait(10)


def known(lives: Sequence[Live]) -> None:
    """Both have drawn from the budget, and heard of each other."""
    for _ in range(2):
        assert statuses(some(lives, 4)) == {"200": 4}
        for live in lives:
            beats(live, 2)


def test_killed_in_the_middle_each_spends_its_part_of_what_was_left_and_no_more() -> None:
    port = free_port()
    with vendor() as seller, redis_server(port=port) as redis, replicas(seller, port) as lives:
        known(lives)
        before = billed(lives)
        killed(redis)
        told = some(lives, 300)
        found = statuses(told)
        print("killed:", found, billed(lives) / NANO, "of", BUDGET, "slowest", max(each.seconds for each in told))
        assert set(found) == {"200", "limits_unavailable"}
        assert billed(lives) > before + 0.7 * (BUDGET * NANO - before)
        assert billed(lives) <= BUDGET * NANO
        assert max(each.seconds for each in told) < FIRST_WAIT
        refused = next(each for each in told if each.status != 200)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "The budget of team 'interns' cannot be checked now" in refused.body["error"]["message"]
        until_away(lives, now=True)
        assert all(log.count("limits.away") == 1 for log in (live.log() for live in lives))
        with redis_server(port=port):  # empty: what it knew is lost
            until_away(lives, now=False)
            told = some(lives, 60)
            assert statuses(told)["insufficient_quota"] > 40
            assert billed(lives) <= BUDGET * NANO
            assert all("limits.back" in live.log() for live in lives)


def test_closed_budgets_wait_for_redis_and_others_do_not() -> None:
    port = free_port()
    with (
        vendor() as seller,
        redis_server(port=port) as redis,
        replicas(seller, port, 1, away="{budgets: closed}") as lives,
    ):
        assert statuses(some(lives, 3)) == {"200": 3}
        killed(redis)
        until_away(lives, now=True)
        lives[0].until(
            lambda: set(statuses(some(lives, 5))) == {"limits_unavailable"}, "closed once its lease was spent or over"
        )
        assert statuses(crowd([lives[0].url], 5, "sk-free")) == {"200": 5}
        with redis_server(port=port):
            until_away(lives, now=False)
            assert statuses(some(lives, 3)) == {"200": 3}


def test_open_budgets_go_on_and_what_was_spent_is_told_later() -> None:
    port = free_port()
    with (
        vendor() as seller,
        redis_server(port=port) as redis,
        replicas(seller, port, 1, away="{budgets: open}") as lives,
    ):
        assert statuses(some(lives, 3)) == {"200": 3}
        killed(redis)
        until_away(lives, now=True)
        assert statuses(some(lives, 200)) == {"200": 200}
        assert billed(lives) > BUDGET * NANO
        with redis_server(port=port):
            until_away(lives, now=False)
            [told] = some(lives, 1)
            assert told.code == "insufficient_quota"
            assert "has spent $0.31" in told.body["error"]["message"]


@pytest.mark.parametrize(("rule", "passed"), [("share", 10), ("open", 40), ("closed", 0)])
def test_limits_while_redis_is_away(rule: str, passed: int) -> None:
    port = free_port()
    with vendor() as seller, redis_server(port=port) as redis:
        limits = ", limits: {rpm: 20}"
        with replicas(seller, port, away=f"{{limits: {rule}, budgets: open}}", limits=limits) as lives:
            known_ = some(lives, 4)
            assert statuses(known_) == {"200": 4}
            for live in lives:
                beats(live, 2)  # after which nobody has anything leased ahead
            killed(redis)
            until_away(lives, now=True)
            found = statuses(some(lives[:1], 40))
            print(rule, found)
            if rule == "closed":
                assert found == {"limits_unavailable": 40}
            else:
                # Half of twenty is its part, of which it has used two in this minute.
                assert found["200"] == (passed - 2 if rule == "share" else passed)


def test_a_redis_that_hangs_delays_nobody_for_longer_than_its_time_out() -> None:
    port = free_port()
    with vendor() as seller, redis_server(port=port) as redis, replicas(seller, port, 1) as lives:
        known([lives[0]])
        redis.signal(signal.SIGSTOP)
        told = some(lives, 40)
        slow = sorted((each.seconds for each in told), reverse=True)
        assert slow[0] < FIRST_WAIT
        until_away(lives, now=True)
        told = some(lives, 40)
        assert max(each.seconds for each in told) < 0.9
        redis.signal(signal.SIGCONT)
        until_away(lives, now=False)
        assert set(statuses(some(lives, 3))) <= {"200", "insufficient_quota"}
        assert billed(lives) <= BUDGET * NANO


def test_a_flushed_redis_forgets_nothing_that_somebody_knows() -> None:
    from redis import Redis

    port = free_port()
    with vendor() as seller, redis_server(port=port), replicas(seller, port) as lives:
        for _ in range(8):
            some(lives, 10)
            with Redis(port=port) as client:
                client.flushall()
        for live in lives:
            beats(live, 2)
        assert statuses(some(lives, 200)).get("200", 0) < 200
        total = billed(lives)
        print("flushed eight times:", total / NANO, "of", BUDGET)
        assert total <= BUDGET * NANO


def test_without_redis_at_the_start_the_house_serves_all_the_same() -> None:
    port = free_port()
    limits = ", limits: {rpm: 1000}"
    with vendor() as seller, replicas(seller, port, 1, limits=limits) as lives:
        assert statuses(crowd([lives[0].url], 3, "sk-free")) == {"200": 3}
        told = some(lives, 3)
        assert set(statuses(told)) == {"limits_unavailable"}
        assert max(each.seconds for each in told) < FIRST_WAIT
        with redis_server(port=port):
            until_away(lives, now=False)
            lives[0].until(lambda: statuses(some(lives, 1)) == {"200": 1}, "budgets counted")


def test_two_replicas_share_a_rate_to_the_last_request() -> None:
    port = free_port()
    with vendor() as seller, redis_server(port=port), replicas(seller, port, limits=", limits: {rpm: 50}") as lives:
        passed, deadline = 0, time.monotonic() + 15
        while passed < 50 and time.monotonic() < deadline:
            passed += statuses(some(lives, 20)).get("200", 0)
        assert passed == 50
        assert statuses(some(lives, 10)) == {"rate_limit_exceeded": 10}


def test_places_of_a_replica_that_dies_are_free_again_when_its_lease_is_over() -> None:
    import threading
    from concurrent.futures import ThreadPoolExecutor

    port = free_port()
    with vendor() as seller, redis_server(port=port), replicas(seller, port, limits=", limits: {parallel: 2}") as lives:
        seller.gate = threading.Event()
        with ThreadPoolExecutor(2) as pool:
            for _ in range(2):
                pool.submit(crowd, [lives[0].url], 1, "sk-k")
            lives[1].until(lambda: len(seller.upstream.asked) == 2, "two calls open")
            assert statuses(some(lives[1:], 1)) == {"rate_limit_exceeded": 1}
            lives[0].kill()
            seller.gate.set()
        seller.gate = None
        began = time.monotonic()
        lives[1].until(lambda: statuses(some(lives[1:], 1)) == {"200": 1}, "a place free")
        assert time.monotonic() - began < 12
