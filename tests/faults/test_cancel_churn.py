"""U19: clients that come and leave at any moment, in crowds, take no place, no socket and no memory along.

``TURNOUT_CHURN=30`` for the long version, in seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from chaos import Chaos, chaos
from churn import PLACES, TASKS, Ask, by_engine, churn, usable
from leaving import APIS, PATHS, Leaver, body, request
from live import Live
from talk import until

from proxy.upstream.stock import StockEngine

SECONDS = float(os.environ.get("TURNOUT_CHURN", "3"))
GROWS = 4.0
"""MiB that a worker may grow between the first churn and the second."""


@pytest.fixture
def own() -> Iterator[Chaos]:
    """An upstream of this test's own, whose connections are counted."""
    with chaos() as made:
        yield made


def test_u19_the_engine_is_whole_after_a_churn(own: Chaos) -> None:
    async def run() -> None:
        engine = StockEngine()
        ask = by_engine(engine, own.url)
        asked = await churn(ask, SECONDS)
        assert asked > TASKS
        assert await usable(ask) == PLACES
        assert own.open <= PLACES
        await engine.close()

    asyncio.run(run())
    until(lambda: own.open == 0, "every connection closed")


def through(client: httpx2.AsyncClient) -> Ask:
    """Asks Turnout by one API after the other, whole and streamed."""
    turn = iter(range(10**9))

    async def ask(_: str) -> bool:
        number = next(turn)
        api = APIS[number % 3]
        sent = body(api, "backend/ten", stream=number % 2 == 0)
        try:
            async with client.stream("POST", PATHS[api], content=sent) as answer:
                async for _ in answer.aiter_raw():
                    pass
        except httpx2.HTTPError:
            return False
        return answer.status_code == 200

    return ask


async def _churned(live: Live) -> int:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(base_url=live.url, timeout=20, trust_env=False, limits=limits) as client:
        return await churn(through(client), SECONDS)


async def _usable(live: Live) -> int:
    async with httpx2.AsyncClient(base_url=live.url, timeout=20, trust_env=False) as client:
        return await usable(through(client))


class Held:
    """What a worker holds on to."""

    def __init__(self, pid: int) -> None:
        self.sockets = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        status = Path(f"/proc/{pid}/status").read_text()
        self.mib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def in_flight(live: Live) -> float:
    _, text = live.get("/metrics")
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("turnout_in_flight"))


def test_u19_c1_a_backend_of_ten_places_is_whole_after_a_churn(own: Chaos) -> None:
    at = f'provider: vllm, local: true, base_url: "{own.url}/v1"'
    with Live(
        f"version: 1\nretries: {{attempts: 1}}\nbackends: {{ten: {{{at}, model: mixed, max_parallel: {PLACES}}}}}\n"
    ) as live:
        (worker,) = live.workers()
        before = Held(worker)
        asked = [asyncio.run(_churned(live))]
        live.until(lambda: in_flight(live) == 0, "all gone")
        warm = Held(worker)
        asked.append(asyncio.run(_churned(live)))
        live.until(lambda: in_flight(live) == 0, "all gone")
        after = Held(worker)
        print(f"{asked} asks, {warm.mib:.1f} -> {after.mib:.1f} MiB, {before.sockets} -> {after.sockets} descriptors")
        # Connections that stand idle, to serve again, are kept.
        assert after.sockets <= before.sockets + PLACES + 2
        until(lambda: own.open <= PLACES, "the upstream's side closed")
        assert after.mib - warm.mib < GROWS
        own.calm = "slow"
        assert asyncio.run(_usable(live)) == PLACES
        _full(live, own)
        told = Counter((row.outcome, row.status) for row in live.rows())
        assert set(told) <= {("ok", 200), ("cancelled", 499), ("error", 503)}
        assert told["cancelled", 499] > PLACES


def _full(live: Live, own: Chaos) -> None:
    """Ten are in, and the eleventh hears so."""
    before, own.calm = len(own.seen), "held"
    ten = [Leaver(live.port, request("chat", "backend/ten", stream=True)) for _ in range(PLACES)]
    until(lambda: len(own.seen) - before == PLACES, "ten at the upstream")
    assert b"backend_busy" in Leaver(live.port, request("chat", "backend/ten", stream=False)).until(b'"code"')
    own.release = True
    assert all(each.until(b"[DONE]") for each in ten)
