"""A worker, an engine and a stream of calls in a time of their own: what spilling does, without a socket."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

from vllm_engine import Engine, Request

from adapters import ir
from policies.load import Load, spilled
from policies.queueing import Gauges
from policies.verdict import Target
from proxy.state.loads import Watch

STEP = 0.02
OSS = Target("oss", ir.Upstream(provider="vllm", dialect="openai_chat", model="m", family="openai"), local=True)
CLOUD = Target("cloud", ir.Upstream(provider="openai", dialect="openai_chat", model="m", family="openai"))
CLOUD_START = 0.3
"""Seconds to the cloud's first token."""

Health = Literal["ok", "dead", "frozen"]


@dataclass
class Told:
    """What became of each call, and of the mode."""

    starts: list[tuple[float, float, bool]] = field(default_factory=list)
    """Arrival, seconds to the first token, was it local?"""
    flips: list[tuple[int, float]] = field(default_factory=list)
    """Worker and time."""
    busy: list[tuple[float, float]] = field(default_factory=list)
    """Time, share of the seats in use."""
    moved_restricted: int = 0

    def p95(self, since: float = 0.0, until: float = 1e9) -> float:
        found = sorted(start for at, start, _ in self.starts if since <= at < until)
        return found[int(0.95 * (len(found) - 1))] if found else 0.0

    def local(self, since: float = 0.0, until: float = 1e9) -> float:
        found = [local for at, _, local in self.starts if since <= at < until]
        return sum(found) / len(found) if found else 0.0

    @property
    def shortest(self) -> float:
        """Seconds between two flips of one worker, the least."""
        by = [[at for worker, at in self.flips if worker == each] for each in {worker for worker, _ in self.flips}]
        return min((after - before for each in by for before, after in itertools.pairwise(each)), default=1e9)

    def used(self, since: float, until: float) -> float:
        found = [share for at, share in self.busy if since <= at < until]
        return sum(found) / len(found)


@dataclass
class Paper:
    """``arrivals``: seconds, in order. ``health`` of the metrics endpoint by the time."""

    arrivals: Sequence[float]
    target: float | None = 1.0
    engine: Engine = field(default_factory=Engine)
    tokens: int = 400
    output: int = 100
    health: Callable[[float], Health] = lambda _: "ok"
    restricted: Callable[[int], bool] = lambda _: False
    workers: int = 1
    period: float = 0.25
    seed: int = 1

    def run(self, until: float) -> Told:
        told, dice, watches = Told(), random.Random(self.seed), [Watch() for _ in range(self.workers)]
        flying: list[tuple[Request, Any, Watch]] = []
        on = [False] * self.workers
        outputs = random.Random(self.seed + 1)
        next_read, index, now = [dice.random() * self.period for _ in watches], 0, 0.0
        frozen: Gauges | None = None
        while now < until:
            now += STEP
            self.engine.step(now)
            told.busy.append((now, len(self.engine.running) / self.engine.seats))
            flying = [each for each in flying if not self._over(told, each, now)]
            for number, watch in enumerate(watches):
                if now >= next_read[number]:
                    next_read[number] = now + self.period * dice.uniform(0.8, 1.2)
                    frozen = self._read(watch, now, frozen)
                watch.wanted = now
                load = watch.load(None, self._targets, now)
                if bool(load.spilling) != on[number]:
                    on[number] = bool(load.spilling)
                    told.flips.append((number, now))
            while index < len(self.arrivals) and self.arrivals[index] <= now:
                watch = dice.choice(watches)
                output = round(self.output * outputs.uniform(0.2, 1.8))
                self._arrive(told, watch, flying, now, output, restricted=self.restricted(index))
                index += 1
        for request, _, _ in flying:
            if request.first is None:
                told.starts.append((request.arrived, until - request.arrived, True))
        return told

    @property
    def _targets(self) -> frozenset[float]:
        return frozenset() if self.target is None else frozenset({self.target})

    def _read(self, watch: Watch, now: float, frozen: Gauges | None) -> Gauges | None:
        health = self.health(now)
        if health == "dead":
            return frozen
        if health == "ok" or frozen is None:
            engine = self.engine
            frozen = Gauges(
                running=len(engine.running),
                waiting=len(engine.queue),
                kv=engine.kv / engine.kv_tokens,
                finished=engine.finished,
            )
        watch.read(frozen, now)
        return frozen

    def _arrive(
        self,
        told: Told,
        watch: Watch,
        flying: list[tuple[Request, Any, Watch]],
        now: float,
        output: int,
        *,
        restricted: bool,
    ) -> None:
        load: dict[str, Load] = {"oss": watch.load(None, self._targets, now)}
        plan = spilled([OSS, CLOUD], load, ttft_target=self.target, restricted=restricted, tokens=self.tokens).targets
        if not plan[0].local:
            told.moved_restricted += restricted
            told.starts.append((now, CLOUD_START, False))
            return
        attempt = SimpleNamespace(
            sent=now, first_event=None, streamed=True, cold=False, usage=ir.Usage(input=self.tokens, output=output)
        )
        watch.enter(attempt, now)  # type: ignore[arg-type]
        flying.append((self.engine.submit(self.tokens, output), attempt, watch))

    @staticmethod
    def _over(told: Told, each: tuple[Request, Any, Watch], now: float) -> bool:
        request, attempt, watch = each
        if attempt.first_event is None and request.first is not None:
            attempt.first_event = request.first
            told.starts.append((attempt.sent, request.first - attempt.sent, True))
        if request.ended is None:
            return False
        watch.leave(attempt, now)
        return True


def poisson(rate: Callable[[float], float], until: float, seed: int = 1) -> list[float]:
    """Arrivals at ``rate(t)`` a second, by thinning."""
    dice, now, found = random.Random(seed), 0.0, []
    most = max(0.1, *(rate(t / 10) for t in range(int(until * 10) + 1)))
    while now < until:
        now += dice.expovariate(most)
        if dice.random() * most < rate(now):
            found.append(now)
    return found
