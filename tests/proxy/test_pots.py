"""Pots: what was told is counted once, what is leased is nobody else's, and all three homes answer alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import free_port
from pots_homes import Clock, Home, order
from services import redis_server

from policies.limits.leasing import LEASE, Order, Pot, Standing, renew, unknown
from proxy.state.pots import Coffers, Grant, Pots, PotsAway
from proxy.state.pots_redis import RedisPots
from proxy.state.pots_sqlite import SqlitePots

HOUR, DAY = 3600, 86_400
HOMES = ("memory", "sqlite", "redis")


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest, tmp_path: Path, redis: str) -> Home:
    return Home(request.param, tmp_path, redis)


def at(home: Home, work: Callable[[Pots, str], Awaitable[Any]]) -> Any:
    """Run against an empty home, with the name of a pot that nobody has used."""

    async def run() -> Any:
        async with home.opened() as pots:
            return await work(pots, uuid4().hex)

    return asyncio.run(run())


def test_a_telling_is_heard_once_however_often_it_comes(home: Home) -> None:
    async def work(pots: Pots, pot: str) -> list[Standing]:
        told = order(pot, number=1, spent=((0, 5), (60, 2)))
        [first], [again] = await pots.renew("a", [told]), await pots.renew("a", [told])
        [next_] = await pots.renew("a", [order(pot, number=2, spent=((60, 1),))])
        [other] = await pots.renew("b", [order(pot, number=1, spent=((60, 4),))])
        return [first, again, next_, other]

    assert [each.used for each in at(home, work)] == [{0: 5, 60: 2}, {0: 5, 60: 2}, {0: 5, 60: 3}, {0: 5, 60: 7}]


def test_leases_are_never_more_than_what_is_left(home: Home) -> None:
    async def work(pots: Pots, pot: str) -> list[tuple[int, int]]:
        got = []
        for holder in "abcde":
            [found] = await pots.renew(holder, [order(pot, need=40, ahead=40, part=1)])
            got.append((found.leased, found.left(100)))
        return got

    assert at(home, work) == [(80, 20), (20, 0), (0, 0), (0, 0), (0, 0)]


def test_what_is_leased_ahead_is_a_small_part_and_exposures_half_of_what_is_left(home: Home) -> None:
    async def work(pots: Pots, pot: str) -> list[Standing]:
        [one] = await pots.renew("a", [order(pot, 10_000, need=1000, ahead=500, exposing=9000)])
        [two] = await pots.renew("b", [order(pot, 10_000, ahead=500, exposing=9000)])
        return [one, two]

    one, two = at(home, work)
    assert (one.exposable, one.leased) == (5000, 1000 + 40)
    assert (two.holders, two.exposable, two.leased) == (2, 3960 // 4, (3960 - 990) // 100)


def test_slots_that_are_over_no_longer_count_and_are_dropped_later(home: Home) -> None:
    async def work(pots: Pots, pot: str) -> list[dict[int, int]]:
        await pots.renew("a", [order(pot, number=1, spent=((0, 5), (60, 2), (120, 1)))])
        [now] = await pots.renew("a", [order(pot, oldest=60, forget=0)])
        [back] = await pots.renew("a", [order(pot, oldest=0)])
        await pots.renew("a", [order(pot, oldest=120, forget=60)])
        [gone] = await pots.renew("a", [order(pot, oldest=0)])
        return [dict(each.used) for each in (now, back, gone)]

    assert at(home, work) == [{60: 2, 120: 1}, {0: 5, 60: 2, 120: 1}, {60: 2, 120: 1}]


def test_a_cautious_order_leaves_an_unknown_pot_alone(home: Home) -> None:
    async def work(pots: Pots, pot: str) -> list[Standing]:
        cautious = order(pot, need=10, held=3, number=1, spent=((0, 5),), cautious=True)
        [before] = await pots.renew("a", [cautious])
        [raised] = await pots.renew("a", [order(pot, held=3, number=1, spent=((0, 5),), raised=((0, 20),))])
        [lower] = await pots.renew("a", [order(pot, held=3, raised=((0, 7),))])
        [after] = await pots.renew("a", [cautious])
        return [before, raised, lower, after]

    before, raised, lower, after = at(home, work)
    assert (before.known, before.leased, before.used) == (False, 3, {})
    assert raised.used == lower.used == after.used == {0: 20}
    assert (after.known, after.leased) == (True, 13)


def test_a_lease_that_is_given_back_is_there_for_others(home: Home) -> None:
    async def work(pots: Pots, pot: str) -> list[Standing]:
        await pots.renew("a", [order(pot, need=100)])
        [before] = await pots.renew("b", [order(pot, need=10)])
        await pots.renew("a", [order(pot, number=1, spent=((0, 30),), stay=False)])
        [after] = await pots.renew("b", [order(pot, need=100)])
        return [before, after]

    before, after = at(home, work)
    assert (before.leased, before.holders) == (0, 2)
    assert (after.leased, after.holders) == (70, 1)


def test_a_dead_holders_lease_returns_by_itself(home: Home) -> None:
    async def work(pots: Pots, pot: str) -> list[int]:
        await pots.renew("dead", [order(pot, need=60)])
        got = []
        for step in (LEASE - 0.5, 1.0):
            if home.clock is not None:
                home.clock.now += step
                [found] = await pots.renew("b", [order(pot, need=100, stay=False)])
                got.append(found.leased)
        return got

    assert at(home, work) == ([] if home.name == "redis" else [40, 100])


def test_a_lease_from_before_the_clock_began_anew_does_not_hold(home: Home) -> None:
    """A monotonic clock begins at nothing when a machine starts."""

    async def work(pots: Pots, pot: str) -> int:
        await pots.renew("a", [order(pot, need=60)])
        if home.clock is not None:
            home.clock.now = 50.0
        [found] = await pots.renew("b", [order(pot, need=100)])
        return int(found.leased)

    assert at(home, work) == (40 if home.name == "redis" else 100)


def test_a_lease_in_redis_ends_by_its_own_clock(redis: str) -> None:
    """Redis's clock cannot be moved, so the lease is made to have ended."""

    async def run() -> int:
        from redis.asyncio import Redis

        pots, client, pot = RedisPots(redis), Redis.from_url(redis), uuid4().hex
        try:
            await pots.renew("dead", [order(pot, need=60)])
            key = f"turnout:pot:{{team:interns}}:{pot}"
            leased, exposable, ends = (await client.hget(key, "ldead")).split()  # type: ignore[misc, union-attr]
            assert abs(int(ends) / 1000 - time.time() - LEASE) < 5
            await client.hset(key, "ldead", f"{int(leased)} {int(exposable)} {int(ends) - 11_000}")  # type: ignore[misc]
            [found] = await pots.renew("b", [order(pot, need=100)])
            return found.leased
        finally:
            await client.aclose()
            await pots.close()

    assert asyncio.run(run()) == 100


def test_amounts_are_whole_to_the_last_nano_dollar(home: Home) -> None:
    """A million dollars in nano-dollars is ten to the fifteenth."""
    odd = 1_000_000_000_000_003

    async def work(pots: Pots, pot: str) -> Standing:
        [found] = await pots.renew(
            "a", [order(pot, odd, number=1, spent=((1_800_000_000, 999_999_999_999_999),), need=odd)]
        )
        return found

    found = at(home, work)
    assert (found.used, found.leased) == ({1_800_000_000: 999_999_999_999_999}, 4)


# --- whatever happens in whichever order ---------------------------------------------------------------------------

_AMOUNT = st.integers(0, 60)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("renew"), st.sampled_from("abc"), _AMOUNT, _AMOUNT, _AMOUNT),
        st.tuples(st.just("spend"), st.sampled_from("abc"), _AMOUNT, st.booleans(), st.just(0)),
        st.tuples(st.just("crash"), st.sampled_from("abc"), st.just(0), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 12), st.just(0), st.just(0)),
    ),
    max_size=40,
)


class Model:
    """One pot by the pure function; what it says every home must say."""

    def __init__(self) -> None:
        self.pot = Pot()
        self.now = 1_800_000_000.0

    def renew(self, holder: str, asked: Order) -> Standing:
        if not self.pot.used and asked.cautious and not asked.raised:
            return unknown(asked, granted=0)
        return renew(self.pot, holder, asked, now=self.now, granted=0)


class Holder:
    """As a worker keeps it: what it may spend, and what it has not told yet."""

    def __init__(self) -> None:
        self.name, self.number = uuid4().hex, 0
        self.free = self.held = self.told_late = 0
        self.until = 0.0
        self.untold: dict[int, int] = {}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_in_any_order_nothing_is_overspent_and_nothing_is_lost(home: Home, steps: list[tuple[Any, ...]]) -> None:
    async def work(pots: Pots, pot: str) -> None:
        model, holders, spent = Model(), {name: Holder() for name in "abc"}, 0
        start = model.now
        lost = 0
        for step, name, one, two, three in steps:
            holder = holders[name] if name else Holder()
            if step == "wait":
                if home.clock is not None:
                    model.now += one
                    home.clock.now += one
            elif step == "crash":
                lost += sum(holder.untold.values())
                holders[name] = Holder()
            elif step == "spend" and model.now < holder.until:
                amount = min(one, holder.free)
                holder.free -= amount
                spent += amount
                slot = int(model.now - start) // 60 * 60
                holder.untold[slot] = holder.untold.get(slot, 0) + amount
                holder.number += 1
            elif step == "renew":
                kept = holder.free if model.now < holder.until else 0
                asked = order(
                    pot, 100, held=0, kept=kept, need=one, ahead=two, part=3, exposing=three, number=holder.number,
                    spent=tuple(holder.untold.items()), cautious=bool(one % 2),
                )  # fmt: skip
                [found] = await pots.renew(holder.name, [asked])
                assert msgspec.structs.replace(found, born=0) == model.renew(holder.name, asked)
                if found.known:
                    holder.untold = {}
                holder.free, holder.until = found.leased, model.now + LEASE
            assert spent - lost <= 100  # what a crash has kept from us can be spent once more: a lease, at the most
        told = sum(model.pot.used.values())
        untold = sum(sum(each.untold.values()) for each in holders.values())
        assert told + untold + lost == spent

    if home.clock is not None:
        home.clock = Clock()
    at(home, work)


# --- what belongs to budgets alone ---------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "redis"])
def coffers(request: pytest.FixtureRequest, tmp_path: Path, redis: str) -> Callable[[], Coffers]:
    return lambda: SqlitePots(tmp_path / "state.db") if request.param == "sqlite" else RedisPots(redis)


def test_grants_count_until_they_end(coffers: Callable[[], Coffers]) -> None:
    async def run() -> None:
        pots, of, now = coffers(), f"team:{uuid4().hex}", int(time.time())
        asked = Order(pot=uuid4().hex, of=of, amount=100, need=1000)
        try:
            for id_, nano, until in (("g1", 20, now + 60), ("g2", 7, now - 1), ("g3", 3, now + 30)):
                await pots.grant(Grant(id=id_, of=of, nano_usd=nano, until=until))
            [found] = await pots.renew("a", [asked])
            assert (found.granted, found.leased) == (23, 123)
            assert [each.id for each in await pots.grants() if each.of == of] == ["g3", "g1"]
            assert await pots.revoke("g1")
            assert not await pots.revoke("g1")
            [found] = await pots.renew("a", [asked])
            assert (found.granted, found.leased) == (3, 103)
        finally:
            await pots.close()

    asyncio.run(run())


def test_a_mark_is_new_once(coffers: Callable[[], Coffers]) -> None:
    async def run() -> list[bool]:
        pots, mark = coffers(), uuid4().hex
        try:
            return [await pots.first(mark, int(time.time()) + 60) for _ in range(3)]
        finally:
            await pots.close()

    assert asyncio.run(run()) == [True, False, False]


def test_pots_in_sqlite_outlive_their_process(tmp_path: Path) -> None:
    async def run(number: int) -> dict[int, int]:
        pots = SqlitePots(tmp_path / "state.db")
        try:
            [found] = await pots.renew("a", [order("pot", number=number, spent=((0, 5),))])
            return dict(found.used)
        finally:
            await pots.close()

    assert [asyncio.run(run(number)) for number in (1, 2)] == [{0: 5}, {0: 10}]


@pytest.mark.parametrize(
    ("waits", "used"), [((3 * DAY,), {0: 5}), ((3 * DAY, HOUR), {0: 5}), ((3 * DAY, HOUR, HOUR), {})]
)
def test_what_is_long_over_is_dropped_but_not_by_a_clock_that_jumps(
    waits: tuple[int, ...], used: dict[int, int], tmp_path: Path
) -> None:
    """Of ``waits`` the hours really pass, and in the days only the clock on the wall is set forth."""

    async def run() -> Standing:
        wall, passed = Clock(), Clock(100.0)
        pots = SqlitePots(tmp_path / "state.db", clock=wall, monotonic=passed)
        await pots.renew("a", [order("p", number=1, spent=((0, 5),))])
        for wait in waits:
            wall.now += wait
            passed.now += wait if wait < DAY else 1
            await pots.renew("a", [order("other")])
        [found] = await pots.renew("a", [order("p", number=1)])
        await pots.close()
        return found

    assert asyncio.run(run()).used == used


def test_a_worker_that_first_looks_after_a_jump_drops_nothing(tmp_path: Path) -> None:
    async def run() -> Standing:
        wall, passed = Clock(), Clock(100.0)
        pots = SqlitePots(tmp_path / "state.db", clock=wall, monotonic=passed)
        await pots.renew("a", [order("p", number=1, spent=((0, 5),))])
        wall.now += 3 * DAY
        late = SqlitePots(tmp_path / "state.db", clock=wall, monotonic=passed)
        [found] = await late.renew("b", [order("p")])
        await pots.close()
        await late.close()
        return found

    assert asyncio.run(run()).used == {0: 5}


def test_a_redis_that_is_not_there_is_away_and_says_why() -> None:
    async def run() -> None:
        pots = RedisPots("redis://127.0.0.1:1/0")
        try:
            with pytest.raises(PotsAway, match="ConnectionError"):
                await pots.renew("a", [order("pot")])
        finally:
            await pots.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("words", "why"), [(("--requirepass", "x"), "Authentication"), (("--maxmemory", "1"), "OutOfMemory|OOM")]
)
def test_a_redis_that_refuses_is_away_and_says_why(words: tuple[str, ...], why: str) -> None:
    async def run(url: str) -> None:
        pots = RedisPots(url)
        try:
            with pytest.raises(PotsAway, match=why):
                await pots.renew("a", [order("pot", number=1, spent=((0, 5),))])
        finally:
            await pots.close()

    with redis_server(*words) as server:
        asyncio.run(run(server.url))


def test_a_file_that_another_holds_is_away_and_says_why(tmp_path: Path) -> None:
    import apsw

    async def run() -> None:
        pots = SqlitePots(tmp_path / "state.db")
        other = apsw.Connection(str(tmp_path / "state.db"))
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(PotsAway, match="busy"):
                await pots.renew("a", [order("pot", number=1, spent=((0, 5),))])
            other.execute("ROLLBACK")
            [found] = await pots.renew("a", [order("pot", number=1, spent=((0, 5),))])
            assert found.used == {0: 5}
        finally:
            other.close()
            await pots.close()

    asyncio.run(run())


def test_a_cluster_keeps_the_pots_of_one_owner_together(tmp_path: Path) -> None:
    async def run(url: str) -> list[Standing]:
        pots = RedisPots(url)
        try:
            asked = [
                Order(pot=f"pot{index}", of=of, amount=100, need=5)
                for index, of in enumerate(("team:interns", "key:ann", "team:interns", "team:od}d"))
            ]
            await pots.grant(Grant(id="g", of="key:ann", nano_usd=7, until=int(time.time()) + 60))
            return await pots.renew("a", asked)
        finally:
            await pots.close()

    words = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with redis_server(*words, folder=tmp_path) as server:
        import redis as client

        with client.Redis.from_url(server.url) as admin:
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            deadline = time.monotonic() + 20
            while b"cluster_state:ok" not in bytes(admin.execute_command("CLUSTER", "INFO")):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        found = asyncio.run(run(f"redis+cluster://127.0.0.1:{server.port}"))
    assert [each.leased for each in found] == [5, 5, 5, 5]
    assert [each.granted for each in found] == [0, 7, 0, 0]
