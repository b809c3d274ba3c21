"""Cancel churn: tasks that ask and are cancelled at any moment, again and again; and what a pool is worth after it.

``python tests/faults/churn.py [SECONDS]`` puts the stock httpx 0.28 with a pool of ten beside our engine.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
from chaos import Chaos, chaos

from proxy.upstream.seam import OURS, Engine, Outgoing, UpstreamFailed
from proxy.upstream.stock import StockEngine

PLACES = 10
TASKS = 2 * PLACES
LONGEST = 0.03
"""Seconds that an ask may last before it is cancelled."""
MODELS = ("ok", "brisk", "endless", "stall", "stall-first", "stall-mid", "reset")
Ask = Callable[[str], Awaitable[bool]]
"""A chaos model -> whether it was answered with 200. It reads the answer to its end."""


async def churn(ask: Ask, seconds: float, *, seed: int = 19) -> int:
    """How often somebody asked."""
    until, asked = time.monotonic() + seconds, 0

    async def one(dice: random.Random) -> None:
        nonlocal asked
        while time.monotonic() < until:
            asked += 1
            try:
                async with asyncio.timeout(dice.uniform(0, LONGEST)):
                    await ask(dice.choice(MODELS))
            except TimeoutError:
                pass

    async with asyncio.TaskGroup() as group:
        for number in range(TASKS):
            group.create_task(one(random.Random(seed + number)))
    return asked


async def usable(ask: Ask, patience: float = 5.0) -> int:
    """How many of PLACES calls are answered at one time."""

    async def one() -> bool:
        try:
            async with asyncio.timeout(patience):
                return await ask("slow")
        except TimeoutError:
            return False

    return sum(await asyncio.gather(*(one() for _ in range(PLACES))))


def by_engine(engine: Engine, url: str) -> Ask:
    """Asks through our engine."""

    async def ask(model: str) -> bool:
        body = msgspec.json.encode({"model": model, "stream": True})
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        try:
            answer = await engine.send(Outgoing(f"{url}/v1/chat/completions", headers, body, 1.0, OURS))
            try:
                async for _ in answer.chunks():
                    pass
            finally:
                await answer.close()
        except UpstreamFailed:
            return False
        return answer.status == 200

    return ask


async def _ours(room: Chaos, seconds: float) -> tuple[int, int]:
    engine = StockEngine()
    try:
        ask = by_engine(engine, room.url)
        return await churn(ask, seconds), await usable(ask)
    finally:
        await engine.close()


async def _stock(room: Chaos, seconds: float) -> tuple[int, int]:
    import httpx

    limits = httpx.Limits(max_connections=PLACES)
    async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(5.0), trust_env=False) as client:

        async def ask(model: str) -> bool:
            body = {"model": model, "stream": True}
            try:
                async with client.stream("POST", f"{room.url}/v1/chat/completions", json=body) as answer:
                    async for _ in answer.aiter_raw():
                        pass
            except httpx.HTTPError:
                return False
            return answer.status_code == 200

        return await churn(ask, seconds), await usable(ask)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    for name, run in (("Turnout's engine", _ours), ("httpx 0.28, pool of 10", _stock)):
        with chaos() as room:
            asked, whole = asyncio.run(run(room, seconds))
        print(
            f"{name}: {asked} asks cancelled in {seconds:g} s, {whole} of {PLACES} places usable afterwards", flush=True
        )


if __name__ == "__main__":
    main()
