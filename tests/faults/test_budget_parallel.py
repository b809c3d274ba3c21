"""Done-when 5: five hundred calls at one time on a small budget, by one process, two workers, two replicas with Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
from crowd import Told, crowd, statuses
from live import Live
from services import redis_server
from spending import Vendor, config, vendor

from policies.pricing import NANO

BUDGET = 0.25
ANSWERS = 500
"""Tokens of an answer: $0.0075, so that some thirty calls are paid for, and their limit of 2,000 would cost four times
as much."""


Place = Callable[[Vendor], AbstractContextManager[list[Live]]]


def text(url: str, more: str = "") -> str:
    return config(
        url,
        f"""
teams: {{interns: {{budget: {{usd: {BUDGET}}}}}}}
keys: [{{name: k, team: interns, secret: sk-k}}, {{name: free, secret: sk-free}}]
{more}""",
    )


@contextmanager
def one_process(seller: Vendor) -> Iterator[list[Live]]:
    with Live(text(seller.url)) as live:
        yield [live]


@contextmanager
def two_workers(seller: Vendor) -> Iterator[list[Live]]:
    with Live(text(seller.url, "server: {workers: 2}")) as live:
        yield [live]


@contextmanager
def two_replicas(seller: Vendor) -> Iterator[list[Live]]:
    with redis_server() as redis, ExitStack() as stack:
        shared = f"server: {{secret: [a-secret-that-both-have]}}\nstate: {{redis: '{redis.url}'}}"
        yield [stack.enter_context(Live(text(seller.url, shared))) for _ in range(2)]


def billed(lives: Sequence[Live]) -> int:
    return sum(row.cost_nano_usd or 0 for live in lives for row in live.rows() if row.key_id == "k")


def later(lives: Sequence[Live]) -> list[Told]:
    """What the open calls had kept is had by those who ask again when they are told to, until nothing useful is left."""
    found: list[Told] = []
    for _ in range(40):
        told = crowd([live.url for live in lives], 2 * len(lives), "sk-k", max_tokens=2000)
        found += told
        again = [float(each.headers["retry-after"]) for each in told if "retry-after" in each.headers]
        if not again and not any(each.status == 200 for each in told):
            return found
        time.sleep(min(again, default=0.0))
    raise AssertionError(f"it never came to an end: {statuses(found)}")


def burst(seller: Vendor, lives: Sequence[Live], *, together: bool) -> list[Told]:
    """Five hundred calls. ``together``: none is answered before all are under way or refused."""
    urls = [live.url for live in lives]
    if not together:
        return crowd(urls, 500, "sk-k", max_tokens=2000)
    seller.gate, before = threading.Event(), len(seller.upstream.asked)
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(crowd, urls, 500, "sk-k", max_tokens=2000)
        lives[0].until(lambda: len(seller.upstream.asked) - before + refused(lives) >= 500, "all of them decided", 60)
        seller.gate.set()
        return told.result()


def refused(lives: Sequence[Live]) -> int:
    return sum(row.outcome == "denied" for live in lives for row in live.rows())


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("place", [one_process, two_workers, two_replicas])
def test_five_hundred_calls_at_one_time_spend_the_budget_and_no_more(place: Place, together: bool) -> None:
    with vendor() as seller, place(seller) as lives:
        seller.tokens = ANSWERS
        for live in lives:
            crowd([live.url], 4, "sk-free", max_tokens=2000)
        found = statuses(burst(seller, lives, together=together))
        seller.gate = None
        first = billed(lives)
        assert set(found) <= {"200", "insufficient_quota"}
        assert found["200"] >= 10
        assert first <= BUDGET * NANO
        rest = later(lives)
        total = billed(lives)
        print(place.__name__, together, found, first / NANO, "then", statuses(rest), total / NANO, "of", BUDGET)
        assert total <= BUDGET * NANO
        assert BUDGET * NANO - total <= 256 * 15_000 + 200 * 3000, "less than one useful call is left"
        message = rest[-1].body["error"]["message"]
        assert "Team 'interns' has spent $0.24" in message
        assert "of its $0.2500 for " in message
        assert all("turnout_budget_overrun_usd_total" not in counted(live) for live in lives)


def counted(live: Live) -> str:
    """Its metrics that are not 0."""
    _, metrics = live.get("/metrics")
    lines = [line for line in str(metrics).splitlines() if not line.startswith("#") and not line.endswith(" 0")]
    return "\n".join(lines)
