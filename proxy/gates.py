"""Station 6 at the backend: its breaker, its places and its vendor's quotas; who finds no room waits, fairly by team.

Whoever has waited for ``queue_ms`` in vain is shed: the road goes on to the next target, and where none is left the
client is told when to come again. Nothing was sent upstream meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import msgspec
from msgspec import Struct

from adapters import ir
from policies import health
from policies.fairness import FairQueue
from policies.queueing import Pace
from proxy.attempt import Attempt
from proxy.breakers import quota_key
from proxy.call import Call
from proxy.condense import trace
from proxy.snapshot import Backend
from proxy.upstream.seam import UpstreamFailed

if TYPE_CHECKING:
    from proxy.house import House
    from proxy.limits.quotas import Asked, Quotas

_LONGEST_RETRY = 60.0
"""Seconds of the longest ``retry-after`` that we guess."""
_LOOK = 1.0
"""Seconds after which whoever is next looks again, although nothing has called it."""
_STEP = 0.02
"""The same while a backend recovers."""


class Shut(Struct, frozen=True):
    """Why nobody can go in now."""

    failure: ir.Failure
    reason: str
    """``busy`` | ``quota`` | ``recovering`` | ``down``."""
    after: float = math.inf
    """Seconds until it is worth looking again; infinite: until somebody leaves."""
    waits: bool = True
    """May it open within a wait?"""
    each: float = 0.0
    """Seconds that it is shut for longer, for each call that waits already."""


class Gate:
    """The gate of one backend in this worker."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._taken = 0
        """Places that calls have."""
        self._queue: FairQueue[asyncio.Event] = FairQueue()
        self._quotas: Quotas | None = None
        self._why = _shut("it has not been looked at", "busy")
        """What the last one has found who had to wait."""
        self._pace, self._left = Pace(), 0.0
        """At which places become free while calls wait, and when the last one did."""
        self._recovered, self._returned, self._jitter = -math.inf, 0, 0.5
        """The recovery that calls come back after, and how many have."""

    def quick(self, attempt: Attempt) -> bool:
        """Goes in where there is a place and nothing else to look at."""
        backend = attempt.backend
        if self._queue or backend.quotas or (backend.max_parallel or math.inf) <= self._taken:
            return False
        self._take(attempt, None)
        return True

    async def enter(self, call: Call, attempt: Attempt) -> None:
        """Returns with a place, which ``leave`` gives back. Raises UpstreamFailed."""
        backend = attempt.backend
        asked = await self._asks(call, attempt)
        waits = backend.queue > 0 and backend.queue_seconds > 0
        if self._queue and waits:
            shut = self._down(backend, time.monotonic()) or self._why
        else:
            found = await self._look(attempt, asked)
            if found is None:
                return
            shut = found
        if not (waits and shut.waits):
            self._shed(attempt, shut, shut.reason)
        if len(self._queue) >= backend.queue:
            self._shed(attempt, shut, "queue_full")
        await self._wait(call, attempt, asked)

    def leave(self, attempt: Attempt) -> None:
        """The place is free again."""
        if self._queue:
            now = time.monotonic()
            self._pace = self._pace.went(1, now - self._left)
            self._left = now
        self._taken -= 1
        if self._quotas is not None and attempt.asked is not None:
            self._quotas.leave(attempt, attempt.asked)
        self._wake()

    async def _wait(self, call: Call, attempt: Attempt, asked: Asked | None) -> None:
        house, backend, tenant, turn = self._house, attempt.backend, call.caller.tenant, asyncio.Event()
        began = time.monotonic()
        if not self._queue:
            self._left = began
        self._queue.add(tenant, turn)
        house.backends.in_flight[backend.name] += 1
        house.loads.enter(attempt, began)
        house.telemetry.queued(backend.name, len(self._queue))
        outcome = "left"
        try:
            shut = await self._turn(attempt, asked, turn, began + backend.queue_seconds)
            outcome = "served" if shut is None else "shed"
        finally:
            now = time.monotonic()
            (self._queue.served if outcome == "served" else self._queue.leave)(tenant, turn)
            self._wake()
            house.backends.in_flight[backend.name] -= 1
            house.loads.leave(attempt, now)
            house.telemetry.dequeued(backend.name, len(self._queue), now - began, outcome)
            call.upstream_seconds += now - began
        trace(call, f"{backend.name}: waited {now - began:.2f} s for its turn{'' if shut is None else ' in vain'}")
        if shut is not None:
            self._shed(attempt, shut, shut.reason)

    async def _turn(self, attempt: Attempt, asked: Asked | None, turn: asyncio.Event, ends: float) -> Shut | None:
        """None: it is in. Else what still stands in its way when its time is over, or will for longer."""
        while True:
            first = self._queue.first is turn
            shut = await self._look(attempt, asked) if first else self._why
            left = ends - time.monotonic()
            if shut is None or left <= 0 or not shut.waits:
                return shut
            turn.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(shut.after, _LOOK, left) if first else left):
                    await turn.wait()

    async def _look(self, attempt: Attempt, asked: Asked | None) -> Shut | None:
        """Goes in if that can be done now: nobody else comes between what is found and what is taken."""
        shut = self._found(attempt.backend, asked)
        if shut is not None and shut.reason == "quota" and self._quotas is not None and asked is not None:
            await self._quotas.refill(asked)
            shut = self._found(attempt.backend, asked)
        if shut is None and self._house.backends.breaker(attempt.backend).opened_until is not None:
            shut = await self._probe(attempt.backend, asked)
        if shut is None:
            self._take(attempt, asked)
        elif shut.waits:
            self._why = shut
        return shut

    def _found(self, backend: Backend, asked: Asked | None) -> Shut | None:
        now = time.monotonic()
        return self._down(backend, now) or self._full(backend, asked, now)

    def _full(self, backend: Backend, asked: Asked | None, now: float) -> Shut | None:
        if backend.max_parallel is not None and self._taken >= backend.max_parallel:
            return self._busy(backend.max_parallel)
        recovering = self._recovering(backend, now)
        if recovering is not None or self._quotas is None or asked is None:
            return recovering
        return self._quotas.shut(asked, now)

    def _take(self, attempt: Attempt, asked: Asked | None) -> None:
        self._taken += 1
        self._returned += 1
        attempt.gate, attempt.asked = self, asked
        if self._quotas is not None and asked is not None:
            self._quotas.take(asked, time.monotonic())

    async def _asks(self, call: Call, attempt: Attempt) -> Asked | None:
        """What it will use of its vendor's quotas; None: there are none, or a vendor only counts tokens for it."""
        if not attempt.backend.quotas or call.api.counts is not None:
            return None
        if self._quotas is None:
            # Late: most backends have no quotas.
            from proxy.limits.quotas import Quotas

            house = self._house
            self._quotas = Quotas(house.purse, house.breakers, quota_key(attempt.backend.identity))
        return await self._quotas.asks(call, attempt, self._house)

    def _down(self, backend: Backend, now: float) -> Shut | None:
        state = self._house.backends.breaker(backend)
        why = health.available(state, now)
        return None if why is None else _down(why, health.patience(state, now))

    async def _probe(self, backend: Backend, asked: Asked | None) -> Shut | None:
        """None: this call is to find out whether the backend is well again. Those who share its breaker are asked
        whether one of theirs does so already."""
        house = self._house
        state = health.started(house.backends.breaker(backend), time.monotonic())
        house.backends.learn(backend.identity, state)
        shut: Shut | None = _down("breaker half-open: one probe is under way elsewhere", 1.0)
        try:
            if await house.breakers.probe(backend.identity):
                shut = self._full(backend, asked, time.monotonic())
        finally:
            if shut is not None:
                house.backends.left(backend)
        return shut

    def _recovering(self, backend: Backend, now: float) -> Shut | None:
        """After an outage calls come back by and by."""
        state = self._house.backends.breaker(backend)
        if state.recovered is None:
            return None
        if state.recovered != self._recovered:
            self._recovered, self._returned, self._jitter = state.recovered, 0, random.random()  # noqa: S311 - jitter
        allowed = health.allowed(state, now, self._jitter)
        if allowed is None or self._returned < allowed:
            return None
        return _shut("it has just recovered, and calls come back to it by and by", "recovering", after=_STEP)

    def _busy(self, places: int) -> Shut:
        """``retry-after`` by the pace at which places become free while calls wait."""
        rate = self._pace.rate
        wait = 1.0 if rate is None else min(max((len(self._queue) + 1) / rate, 1.0), _LONGEST_RETRY)
        return _shut(f"all {places} places are taken (max_parallel)", "busy", wait)

    def _shed(self, attempt: Attempt, shut: Shut, reason: str) -> NoReturn:
        failure = shut.failure
        if shut.each and failure.retry_after is not None:
            # Behind those that wait; whoever is told so comes after them, and not all at once.
            wait = failure.retry_after + min(shut.each * len(self._queue), _LONGEST_RETRY)
            failure = msgspec.structs.replace(failure, retry_after=wait)
        attempt.ended, attempt.failure = time.monotonic(), failure
        self._house.telemetry.shed(attempt.backend.name, reason)
        raise UpstreamFailed(failure)

    def _wake(self) -> None:
        first = self._queue.first
        if first is not None:
            first.set()


class Gates:
    """All gates of one worker, kept by identity over reloads (D12)."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._gates: dict[tuple[str, str], Gate] = {}

    async def enter(self, call: Call, attempt: Attempt) -> None:
        """As ``Gate.enter``; at once where nothing is to be looked at."""
        if attempt.aside:
            return
        drained = self._house.overrides.refuses(attempt.backend)
        if drained is not None:
            attempt.ended, attempt.failure = time.monotonic(), drained
            raise UpstreamFailed(drained)
        backend, calm = attempt.backend, self._house.backends.calm(attempt.backend)
        if calm and not backend.gated:
            return
        gate = self._gates.get(backend.identity)
        if gate is None:
            gate = self._gates[backend.identity] = Gate(self._house)
        if not (calm and gate.quick(attempt)):
            await gate.enter(call, attempt)


def _shut(why: str, reason: str, wait: float = 1.0, *, after: float = math.inf) -> Shut:
    return Shut(ir.Failure("shed", 503, why, "server_error", "backend_busy", retry_after=wait), reason, after)


def _down(why: str, wait: float) -> Shut:
    wait += random.random()  # noqa: S311 - so that those who were told do not all come back at once
    failure = ir.Failure("shed", 503, f"nothing is sent there: {why}", "server_error", "backend_down", retry_after=wait)
    return Shut(failure, "down", waits=False)
