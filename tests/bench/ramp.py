"""A ramp to three times the capacity of a simulated vLLM, through a real Turnout: what load-aware spill makes of it.

Part of ``make bench-policies``: without spill, with it, and with metrics that fail in the middle. Real time, about a minute
and a half each; two processes and the load generator share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import msgspec

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from live import Live  # noqa: E402
from vllm_engine import Engine  # noqa: E402
from vllm_sim import Cloud, Gauges, Sim, config, simulated  # noqa: E402

TOKENS, OUTPUT = 400, 100
TARGET = 1.0
QUIET_GAP = 5.0
"""Seconds without a call sent elsewhere that end an episode of spilling, as seen from outside."""


@dataclass
class Ramp:
    """What the clients saw. Times are seconds since the beginning."""

    seconds: float
    calls: list[tuple[float, float, str]] = field(default_factory=list)
    """Sent, seconds to the first token, backend."""
    errors: int = 0
    flips: list[tuple[str, bool]] = field(default_factory=list)
    """When the log told of a change of mode, and to what."""
    used: list[tuple[float, float]] = field(default_factory=list)

    def p95(self, since: float = 0.0) -> float:
        found = sorted(start for at, start, _ in self.calls if at >= since)
        return found[int(0.95 * (len(found) - 1))]

    def local(self, since: float, until: float) -> float:
        found = [backend == "oss" for at, _, backend in self.calls if since <= at < until]
        return sum(found) / max(1, len(found))

    def busy(self, since: float) -> float:
        found = [share for at, share in self.used if since <= at <= self.seconds]
        return sum(found) / max(1, len(found))

    def episodes(self) -> int:
        """Spells in which calls went elsewhere, by a look at where each went."""
        away = sorted(at for at, _, backend in self.calls if backend != "oss")
        return sum(1 for before, after in zip([-1e9, *away], away, strict=False) if after - before > QUIET_GAP)


def factor(at: float, seconds: float) -> float:
    """0.3 of the capacity, to three times in 70 % of the time, and then on."""
    return min(3.0, 0.3 + 2.7 * at / (0.7 * seconds))


async def _call(client: httpx2.AsyncClient, url: str, ramp: Ramp, began: float, output: int) -> None:
    asked = {
        "model": "auto",
        "stream": True,
        "max_tokens": output,
        "messages": [{"role": "user", "content": "word" * TOKENS}],
    }
    sent = time.monotonic()
    async with client.stream("POST", f"{url}/v1/chat/completions", json=asked) as answer:
        backend = answer.headers.get("x-turnout-backend", "")
        start: float | None = None
        async for line in answer.aiter_lines():
            if start is None and '"content":"' in line:
                start = time.monotonic() - sent
    if start is None:
        ramp.errors += 1
    else:
        ramp.calls.append((sent - began, start, backend))


async def _climb(url: str, capacity: float, ramp: Ramp, fail: Gauges, sim: Sim, began: float) -> None:
    dice = random.Random(1)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=200)
    async with httpx2.AsyncClient(timeout=120, limits=limits) as client, asyncio.TaskGroup() as group:
        while (at := time.monotonic() - began) < ramp.seconds:
            if at > ramp.seconds * 0.6:
                sim.gauges = fail
            group.create_task(_call(client, url, ramp, began, round(OUTPUT * dice.uniform(0.2, 1.8))))
            await asyncio.sleep(dice.expovariate(capacity * factor(at, ramp.seconds)))


def climb(seconds: float, *, target: str | None, fail: Gauges = "ok", workers: int = 1) -> Ramp:
    """One ramp. ``fail``: how the metrics endpoint behaves from 60 % of the time on."""
    engine = Engine()
    with simulated(engine, Cloud()) as (sim, local, cloud), Live(config(local, cloud, target), workers=workers) as live:
        ramp, began = Ramp(seconds), time.monotonic()
        asyncio.run(_climb(live.url, engine.capacity(TOKENS, OUTPUT), ramp, fail, sim, began))
        told = [msgspec.json.decode(line) for line in live.log().splitlines() if '"event":"spill"' in line]
        ramp.flips = [(each["timestamp"], each["spilling"]) for each in told]
        ramp.used = [(at - began, share) for at, share in sim.used]
    return ramp


def row(name: str, ramp: Ramp) -> dict[str, object]:
    top, third = ramp.seconds * 0.7, ramp.seconds / 4
    return {
        "ramp": name,
        "calls": len(ramp.calls),
        "errors": ramp.errors,
        "p95": round(ramp.p95(), 2),
        "p95 at 3x": round(ramp.p95(top), 2),
        "local first quarter": f"{ramp.local(0, third):.0%}",
        "local at 3x": f"{ramp.local(top, ramp.seconds):.0%}",
        "seats used at 3x": f"{ramp.busy(top):.0%}",
        "episodes of spill": ramp.episodes(),
        "changes of mode": len(ramp.flips),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    cases: dict[str, tuple[str | None, Gauges, int]] = {
        "without spill": (None, "ok", 1),
        "spill": ("1s", "ok", 1),
        "spill, 2 workers": ("1s", "ok", 2),
        "metrics hang at 60 %": ("1s", "hang", 1),
        "metrics 500": ("1s", "error", 1),
        "metrics garbage": ("1s", "garbage", 1),
        "metrics frozen": ("1s", "frozen", 1),
    }
    for name, (target, fail, workers) in cases.items():
        if asked.only in name:
            found = climb(asked.seconds, target=target, fail=fail, workers=workers)
            print(msgspec.json.encode(row(name, found)).decode(), flush=True)


if __name__ == "__main__":
    main()
