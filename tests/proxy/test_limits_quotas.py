"""A vendor's quota over minutes, on a clock that the test moves: nothing too much is sent, and nothing much is wasted."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter import WAYS, Meter, Way
from pots_homes import Clock
from purses import Book, Flaky, purse

from adapters import ir
from adapters.ratelimits import Meter as Name
from policies.limits.limit import Limit
from policies.limits.vendors import Bucket, Pace, Told, bucket
from proxy.backends import QUOTA
from proxy.breakers import Breakers
from proxy.limits.beating import BEAT
from proxy.limits.purse import Purse
from proxy.limits.quotas import Asked, Part, Quotas
from proxy.limits.till import Till
from proxy.state.memory import Backends
from proxy.state.pots import MemoryPots

RPM = Limit(scope="backend", name="vendor/x/requests", kind="requests", amount=60, window=QUOTA)
STEP = 0.05


def asked(holder: Purse, quotas: Quotas, limit: Limit = RPM, amount: int = 1) -> Asked:
    meter: Name = "requests" if limit.kind == "requests" else "tokens"
    return Asked([Part(meter, limit, holder.stake(limit, 1), amount)], quotas)


class Ended:
    """All that a quota asks of an attempt; ``sent`` None: it never was."""

    failure: ir.Failure | None = None
    upstream = ir.Upstream(provider="openai", dialect="openai_chat", model="m")

    def __init__(self, tokens: int = 0, *, sent: float | None = 1.0) -> None:
        self.sent, self.usage = sent, ir.Usage(input=tokens, output=0)
        self.asked: Asked | None = None


def breakers() -> Breakers:
    """Of a worker that shares them with nobody."""
    return Breakers(Backends(lambda _name, _state: None), lambda _: True, lambda _: None)


class World:
    """Some holders that share a home, a vendor, and the way between them, on which nothing stays in order."""

    def __init__(self, way: Way, holders: int, seed: int, limit: Limit = RPM) -> None:
        self.clock = Clock()
        self.arrival = Clock(self.clock.now)
        self.meter = Meter(way, limit.amount, self.arrival)
        home = Flaky(MemoryPots(self.clock), "worker" if holders == 1 else "machine")
        self.purses = [purse(home, self.clock, Book()) for _ in range(holders)]
        self.quotas = [Quotas(each, breakers(), ("vendor", "x/quota")) for each in self.purses]
        self.limit = limit
        self.dice = random.Random(seed)
        self.on_the_way: list[tuple[float, int, int, Asked]] = []
        self.sent = self.refused = 0

    async def step(self, wishes: int, amount: int = 1) -> None:
        """Each holder would send so many now."""
        for holder, quotas in zip(self.purses, self.quotas, strict=True):
            for _ in range(wishes):
                one = asked(holder, quotas, self.limit, amount)
                shut = quotas.shut(one, self.clock.now)
                if shut is not None:
                    await quotas.refill(one)
                    shut = quotas.shut(one, self.clock.now)
                if shut is not None:
                    assert shut.after > 0
                    assert shut.failure.retry_after
                    break
                quotas.take(one, self.clock.now)
                self.sent += amount
                due = self.clock.now + self.dice.uniform(0.0, 0.8)
                heapq.heappush(self.on_the_way, (due, self.sent, amount, one))
        self._arrive()
        self.clock.now += STEP

    def _arrive(self) -> None:
        while self.on_the_way and self.on_the_way[0][0] <= self.clock.now:
            self.arrival.now, _, amount, one = heapq.heappop(self.on_the_way)
            self.refused += not self.meter.draw(amount)
            one.quotas.leave(Ended(amount), one)  # type: ignore[arg-type]

    async def beat(self) -> None:
        tills: list[Till] = [till for each in self.purses for till in each.tills]
        for till in tills:
            await till.beat(self.clock.now)

    async def run(self, seconds: float, wishes: Callable[[], int], amount: int = 1) -> None:
        for at in range(round(seconds / STEP)):
            await self.step(wishes(), amount)
            if at % round(BEAT / STEP) == 0:
                await self.beat()


@pytest.mark.parametrize("holders", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_whoever_always_wants_more_uses_nearly_all_and_never_too_much(way: Way, holders: int) -> None:
    world = World(way, holders, 7)
    asyncio.run(world.run(300.0, lambda: 100))
    assert world.refused == 0
    # In five minutes, by windows that are a little longer than a minute.
    assert world.sent >= 0.85 * 300


@given(
    st.sampled_from(WAYS), st.integers(1, 3), st.integers(0, 1000), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40)))
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_no_pattern_of_calls_sends_too_much(way: Way, holders: int, seed: int, story: list[tuple[int, int]]) -> None:
    """(seconds of silence, calls at one time); three who have not heard of each other yet may fill a small bucket."""
    world = World("sliding" if way == "small" and holders > 2 else way, holders, seed)

    async def run() -> None:
        for silence, calls in story:
            await world.run(silence, lambda: 0)
            await world.step(calls)
        await world.run(2.0, lambda: 0)

    asyncio.run(run())
    assert world.refused == 0


def test_tokens_are_paced_alike() -> None:
    limit = Limit(scope="backend", name="vendor/x/tokens", kind="tokens", amount=60_000, window=QUOTA)
    world = World("sliding", 1, 3, limit)
    asyncio.run(world.run(150.0, lambda: 10, amount=900))
    assert world.refused == 0
    assert world.sent >= 0.8 * 150 * 1000


def test_an_attempt_that_was_never_sent_has_used_nothing() -> None:
    world = World("sliding", 1, 0)

    async def run() -> None:
        for _ in range(10):
            await world.step(0)
        holder, quotas = world.purses[0], world.quotas[0]
        for _ in range(100):
            one = asked(holder, quotas)
            if quotas.shut(one, world.clock.now) is not None:
                await quotas.refill(one)
            assert quotas.shut(one, world.clock.now) is None
            quotas.take(one, world.clock.now)
            quotas.leave(Ended(sent=None), one)  # type: ignore[arg-type]
            world.clock.now += 2

    asyncio.run(run())
    assert world.purses[0].stake(RPM, 1).used == 0


def test_a_vendor_that_has_said_nothing_is_left_by_the_pace() -> None:
    own = bucket(60, holders=1, active=1)
    pace = Pace().spent(5, own, 0.0)
    assert pace.wait(1, own, 0.0) == pytest.approx(1.0)
    assert pace.wait(1, own, 1.0) == pytest.approx(0.0)
    assert Pace().wait(1, own, 0.0) == 0.0
    assert Pace().wait(10**9, own, 0.0) == 0.0
    tokens = bucket(60_000, holders=1, active=1)
    assert Pace().spent(10**4, tokens, 0.0).wait(1, tokens, 0.0) == pytest.approx(5.0, abs=0.1)


def test_who_shares_a_bucket_has_a_part_of_it_and_the_pace_of_those_who_use_it() -> None:
    assert bucket(60, holders=2, active=1) == Bucket(2.5, 1.0)
    assert bucket(60, holders=2, active=2) == Bucket(2.5, 0.5)
    assert bucket(6, holders=2, active=1) == Bucket(0.5, 0.1)


@pytest.mark.parametrize(
    ("told", "now", "wait"),
    [
        (Told(5, 0.0, 60, 55.0), 0.0, 0.0),
        (Told(0, 0.0, 60, 60.0), 0.0, 1.0),  # the time that a bucket takes to fill
        (Told(0, 0.0, 60, 20.0), 0.0, 20.0),  # the end of a window
        (Told(0, 0.0, 60, 20.0), 15.0, 5.0),
        (Told(0, 0.0, None, 20.0), 5.0, 15.0),
        (Told(0, 0.0, None, None), 5.0, 55.0),
        (Told(3, 0.0, None, 20.0, spent=3), 0.0, 20.0),
    ],
)
def test_how_long_a_vendors_word_makes_us_wait(told: Told, now: float, wait: float) -> None:
    assert told.wait(1, 1, now) == pytest.approx(wait)
    assert told.fresh(now)


def test_a_word_is_over_with_its_reset() -> None:
    assert not Told(0, 0.0, 60, 20.0).fresh(20.0)
    assert not Told(0, 0.0, None, None).fresh(60.0)
    assert not Told(0, 0.0, None, 3600.0).fresh(60.0)


def test_those_who_share_a_word_share_what_is_left() -> None:
    assert Told(10, 0.0, 60, 50.0).wait(5, 2, 0.0) == 0
    assert Told(10, 0.0, 60, 50.0).wait(6, 2, 0.0) > 0


def test_of_two_holders_one_that_is_alone_for_a_while_may_use_all_of_it() -> None:
    """Connections that stay with one worker leave it no half of the quota."""
    world = World("small", 2, 5)
    del world.purses[1], world.quotas[1]
    world.purses[0].workers = 2
    asyncio.run(world.run(200.0, lambda: 100))
    assert world.refused == 0
    assert world.sent >= 0.85 * 200


@pytest.mark.parametrize(
    ("kind", "family", "used"),
    [
        ("tokens", "openai", 150),
        ("input_tokens", "openai", 100),
        ("input_tokens", "anthropic", 40),
        ("output_tokens", "anthropic", 50),
    ],
)
def test_what_was_used_counts_and_what_was_expected_no_longer(kind: Name, family: ir.Family, used: int) -> None:
    """Anthropic counts no input that it has read from its cache."""
    limit = Limit(scope="backend", name=f"vendor/x/{kind}", kind="tokens", amount=60_000, window=QUOTA)
    world = World("sliding", 1, 0, limit)
    holder, quotas = world.purses[0], world.quotas[0]

    async def run() -> None:
        one = Asked([Part(kind, limit, holder.stake(limit, 1), 900)], quotas)
        await quotas.refill(one)
        assert quotas.shut(one, world.clock.now) is None
        quotas.take(one, world.clock.now)
        assert holder.stake(limit, 1).share.used == 900
        ended = Ended()
        ended.upstream = ir.Upstream(provider="x", dialect="x", model="m", family=family)
        ended.usage = ir.Usage(input=100, cached=60, output=50)
        quotas.leave(ended, one)  # type: ignore[arg-type]
        assert holder.stake(limit, 1).share.used == used

    asyncio.run(run())
