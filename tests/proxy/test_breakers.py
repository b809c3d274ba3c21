"""Breakers that are shared: both places where they are, and how one worker follows what it hears of others."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import pytest
from services import redis_server

from policies import health
from proxy.breakers import Breakers, News, Opening, Peers, PeersAway, quota_key
from proxy.state.breaker_page import BreakerPage
from proxy.state.counts import Shared, room
from proxy.state.memory import Backends, Key
from proxy.state.remote_breakers import RedisBreakers

KEY, OTHER = ("oss", "abc"), ("claude", "def")
KEYS = [KEY, OTHER]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


@asynccontextmanager
async def peers(home: str, url: str, count: int = 2) -> AsyncIterator[list[Peers]]:
    """So many who share, in an empty home."""
    if home == "page":
        with tempfile.TemporaryFile() as file:
            yield [BreakerPage(file.fileno(), slot, room(count)) for slot in range(count)]
        return
    import redis

    with redis.Redis.from_url(url) as asked:
        asked.flushall()
    made = [RedisBreakers(url) for _ in range(count)]
    try:
        yield list(made)
    finally:
        for each in made:
            await each.close()


async def heard(peer: Peers) -> dict[Key, Opening]:
    news = await peer.news(KEYS)
    assert news is not None
    return dict(news.openings)


HOMES = pytest.mark.parametrize("home", ["page", "redis"])


@HOMES
def test_an_opening_is_heard_with_its_end_and_its_cause(home: str, url: str) -> None:
    async def run() -> None:
        async with peers(home, url) as (one, two):
            stamp = await one.opened(KEY, 20.0, 10.0, "timeout")
            found = await heard(two)
            assert list(found) == [KEY]
            assert (found[KEY].stamp, found[KEY].pause, found[KEY].cause) == (stamp, 10.0, "timeout")
            assert 19 < found[KEY].left <= 20
            await two.opened(KEY, 40.0, 20.0, "overloaded")
            again = (await heard(one))[KEY]
            assert (again.stamp != stamp, again.pause, again.cause) == (True, 20.0, "overloaded")
            await two.closed(KEY)
            assert await heard(one) == {}

    asyncio.run(run())


@HOMES
def test_one_of_them_probes(home: str, url: str) -> None:
    async def run() -> None:
        async with peers(home, url, 3) as (one, two, three):
            await one.opened(KEY, 0.0, 10.0, "timeout")
            assert await two.probe(KEY)
            assert await two.probe(KEY)
            assert not await one.probe(KEY)
            await two.probing(KEY)
            await one.left(KEY)
            assert not await three.probe(KEY)
            assert await three.probe(OTHER)
            await two.left(KEY)
            assert await three.probe(KEY)
            await three.opened(KEY, 0.0, 20.0, "timeout")
            assert await one.probe(KEY)
            await one.closed(KEY)
            assert await two.probe(KEY)

    asyncio.run(run())


def test_a_worker_that_died_while_it_probed_leaves_the_probe_to_the_others() -> None:
    async def run() -> None:
        with tempfile.TemporaryFile() as file:
            one, two = (BreakerPage(file.fileno(), slot, room(2)) for slot in range(2))
            assert await one.probe(KEY)
            assert not await two.probe(KEY)
            BreakerPage(file.fileno(), 0, room(2))
            assert await two.probe(KEY)

    asyncio.run(run())


def test_the_page_lies_beside_the_calls_in_flight() -> None:
    """Whoever comes first, neither writes where the other does, nor takes the other's pages away."""

    async def run() -> None:
        with tempfile.TemporaryFile() as file:
            page = BreakerPage(file.fileno(), 0, room(2))
            await page.opened(KEY, 20.0, 10.0, "timeout")
            counts = [Shared(file.fileno(), slot, 2) for slot in range(2)]
            for at in range(256):
                counts[0].tell(f"http://machine-{at}", at + 1)
            assert list(await heard(BreakerPage(file.fileno(), 1, room(2)))) == [KEY]
            await page.closed(KEY)
            assert [counts[1].others(f"http://machine-{at}") for at in range(256)] == list(range(1, 257))
            assert os.fstat(file.fileno()).st_size >= room(2)

    asyncio.run(run())


def test_redis_says_when_nothing_has_changed_and_when_it_has_forgotten(url: str) -> None:
    import redis

    async def run() -> None:
        async with peers("redis", url) as (one, two):
            await one.opened(KEY, 20.0, 10.0, "timeout")
            assert await two.news(KEYS) is not None
            assert await two.news(KEYS) is None
            with redis.Redis.from_url(url) as asked:
                asked.flushall()
            assert await two.news(KEYS) == News({}, lost=True)

    asyncio.run(run())


class Told:
    """Peers of a test's own: what they would say, and what they were told. ``away``: nothing can be heard."""

    def __init__(self) -> None:
        self.say = News()
        self.told: list[str] = []
        self.granted = True
        self.away = False
        self.slow = 0.0

    async def _hear(self, what: str) -> None:
        await asyncio.sleep(self.slow)
        if self.away:
            raise PeersAway("away")
        self.told.append(what)

    async def news(self, keys: Iterable[Key]) -> News:
        if self.away:
            raise PeersAway("away")
        return self.say

    async def opened(self, key: Key, left: float, pause: float, cause: str) -> int:
        await self._hear(f"opened {key[0]} {cause}")
        return 7

    async def closed(self, key: Key) -> None:
        await self._hear(f"closed {key[0]}")

    async def probe(self, key: Key) -> bool:
        await self._hear(f"probe {key[0]}")
        return self.granted

    async def probing(self, key: Key) -> None:
        await self._hear(f"probing {key[0]}")

    async def left(self, key: Key) -> None:
        await self._hear(f"left {key[0]}")

    async def close(self) -> None:
        self.told.append("close")


class One:
    """One worker's breakers and its peers; ``errands`` are done when the test says so."""

    def __init__(self) -> None:
        self.peers = Told()
        self.words: list[str] = []
        self.away: list[str | None] = []
        self.backends = Backends(lambda name, state: self.words.append(f"{name} {health.word(state)}"))
        self.errands: list[Callable[[], Awaitable[None]]] = []
        self.breakers = Breakers(self.backends, self._post, self.away.append)
        self.breakers.share(self.peers, lambda: KEYS)

    def _post(self, work: Callable[[], Awaitable[None]]) -> bool:
        self.errands.append(work)
        return True

    async def settle(self) -> list[str]:
        """What it has told since the last time."""
        for work in self.errands:
            await work()
        self.errands.clear()
        told, self.peers.told = self.peers.told, []
        return told

    def see(self, state: health.Breaker) -> None:
        self.backends.learn(KEY, state)
        self.backends.changed(KEY, state)

    @property
    def state(self) -> health.Breaker:
        return self.backends.known(KEY)


def opening(left: float = 10.0, stamp: int = 1) -> News:
    return News({KEY: Opening(stamp, left, 10.0, "timeout")})


def open_until(seconds: float) -> health.Breaker:
    return health.adopted(time.monotonic() + seconds, 10.0, "overloaded")


def test_it_follows_what_others_have_seen() -> None:
    async def run() -> None:
        one = One()
        one.peers.say = opening()
        await one.breakers.exchange()
        assert one.words == ["oss open"]
        assert "timeout" in (health.available(one.state, time.monotonic()) or "")
        await one.breakers.exchange()
        assert one.words == ["oss open"]
        one.peers.say = News()
        await one.breakers.exchange()
        assert one.words == ["oss open", "oss closed"]
        assert one.state.recovered is not None
        assert one.away == []

    asyncio.run(run())


def test_it_tells_what_it_has_seen_itself_and_is_not_closed_by_those_who_have_not_heard() -> None:
    async def run() -> None:
        one = One()
        one.see(open_until(10.0))
        await one.breakers.exchange()
        assert health.word(one.state) == "open"
        assert await one.settle() == ["opened oss overloaded"]
        one.see(health.recovered(one.state, 0.0))
        assert await one.settle() == ["closed oss"]

    asyncio.run(run())


def test_what_holds_longer_here_is_not_shortened() -> None:
    async def run() -> None:
        one = One()
        one.see(open_until(100.0))
        one.peers.say = opening(5.0)
        await one.breakers.exchange()
        assert one.state.cause == "overloaded"

    asyncio.run(run())


def test_a_probe_of_ours_is_not_disturbed_and_kept_alive() -> None:
    async def run() -> None:
        one = One()
        one.see(open_until(-1.0))
        await one.settle()
        assert await one.breakers.probe(KEY)
        one.backends.learn(KEY, health.started(one.state, time.monotonic()))
        one.peers.say = opening(5.0, stamp=9)
        await one.breakers.exchange()
        assert health.word(one.state) == "half_open"
        assert await one.settle() == ["probe oss", "probing oss"]
        await one.breakers.close()
        assert await one.settle() == ["left oss", "close"]

    asyncio.run(run())


def test_without_a_word_a_probe_goes_out_all_the_same() -> None:
    async def run() -> None:
        one = One()
        one.peers.granted = False
        assert not await one.breakers.probe(KEY)
        one.peers.slow = 5.0
        began = time.monotonic()
        assert await one.breakers.probe(KEY)
        assert time.monotonic() - began < 2.0
        one.peers.slow, one.peers.away = 0.0, True
        assert await one.breakers.probe(KEY)
        await one.breakers.exchange()
        one.peers.slow = 60.0
        assert await one.breakers.probe(KEY)
        alone = Breakers(one.backends, lambda _: True, one.away.append)
        assert await alone.probe(KEY)

    asyncio.run(run())


def test_what_was_seen_while_they_were_away_is_told_when_they_are_back() -> None:
    async def run() -> None:
        one = One()
        one.peers.away = True
        await one.breakers.exchange()
        await one.breakers.exchange()
        assert one.away == ["away"]
        one.see(open_until(10.0))
        assert await one.settle() == []
        one.peers.away = False
        await one.breakers.exchange()
        assert one.away == ["away", None]
        assert await one.settle() == ["opened oss overloaded"]

    asyncio.run(run())


def test_what_they_have_lost_is_told_again_and_closes_nothing() -> None:
    async def run() -> None:
        one = One()
        one.peers.say = opening()
        await one.breakers.exchange()
        one.peers.say = News({}, lost=True)
        await one.breakers.exchange()
        assert health.word(one.state) == "open"
        assert await one.settle() == ["opened oss timeout"]

    asyncio.run(run())


def test_a_vendor_that_wants_to_be_left_alone_is_left_alone_by_all() -> None:
    async def run() -> None:
        key = quota_key(KEY)
        one, other = One(), One()
        one.breakers.leave_alone(key, 30.0)
        one.breakers.leave_alone(key, 10.0)
        assert await one.settle() == ["opened oss limited", "opened oss limited"]
        other.peers.say = News({key: Opening(1, 30.0, 0.0, "limited")})
        await other.breakers.exchange()
        for each in (one, other):
            assert 29 < each.breakers.closings[key] - time.monotonic() <= 30
            assert (each.state, each.words) == (health.CLOSED, [])
        other.peers.say = News()
        await other.breakers.exchange()
        assert other.words == []

    asyncio.run(run())
