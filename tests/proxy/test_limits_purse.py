"""The purse: what it lets through without asking, what it asks for, and that no order of events spends too much."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pots_homes import Clock
from purses import Book, Flaky, Heard, limit, purse
from services import redis_server

from policies.limits.leasing import LEASE
from policies.limits.limit import Limit
from policies.limits.reserving import Bill
from proxy.call import Rejected
from proxy.errands import Errands
from proxy.limits import beating
from proxy.limits.purse import Funds, Purse, Short
from proxy.limits.stake import IDLE, Stake
from proxy.settings.grammar import Away
from proxy.state.pots import MemoryPots, Pots, SharedBy
from proxy.state.pots_redis import RedisPots
from proxy.state.pots_sqlite import SqlitePots
from proxy.telemetry.observer import Telemetry

CHEAP = Bill(1, 2, 4)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        return await work()

    return asyncio.run(whole())


def stakes(one: Purse, *limits: Limit, generation: int = 1) -> tuple[Stake, ...]:
    return one.wallet(limits, generation).stakes


def settled(one: Purse, funds: Funds, cost: int) -> None:
    for stake, hold in funds.holds:
        stake.release(hold)
        stake.spend(cost)


async def beat(one: Purse) -> None:
    for till in one.tills:
        await till.beat(one.monotonic())


# --- limits --------------------------------------------------------------------------------------------------------


def test_so_many_requests_pass_in_a_minute_and_the_next_is_told_when() -> None:
    async def work() -> None:
        clock, heard = Clock(), Heard()
        one = purse(Flaky(MemoryPots(clock)), clock, Book(), heard)
        [stake] = stakes(one, limit("requests", 5))
        for _ in range(5):
            await one.draw([(stake, 1)])
        with pytest.raises(Rejected, match="Team 'interns' may use 5 requests per minute; 0 are left") as refused:
            await one.draw([(stake, 1)])
        wait = refused.value.failure.retry_after
        assert wait is not None
        assert 60 <= wait <= 61
        assert heard.refused == ["requests"]
        clock.now += wait - 0.5
        with pytest.raises(Rejected):
            await one.draw([(stake, 1)])
        clock.now += 0.5
        for _ in range(5):
            await one.draw([(stake, 1)])

    run(work)


def test_all_of_a_calls_limits_are_drawn_or_none() -> None:
    async def work() -> None:
        clock = Clock()
        one = purse(Flaky(MemoryPots(clock)), clock, Book())
        requests, tokens, places = stakes(one, limit("requests", 10), limit("tokens", 100), limit("parallel", 2))
        await one.draw([(requests, 1), (tokens, 90), (places, 1)])
        with pytest.raises(Rejected, match="10 are left and this call may use 20"):
            await one.draw([(requests, 1), (tokens, 20), (places, 1)])
        assert (requests.used, tokens.held, places.held) == (1, 90, 1)
        await one.draw([(requests, 1), (tokens, 10), (places, 1)])
        with pytest.raises(Rejected, match="2 calls under way at one time; 0 are left"):
            await one.draw([(places, 1)])

    run(work)


def test_as_a_rule_nobody_asks_the_home() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        one = purse(home, clock, Book())
        requests, tokens, money = stakes(one, limit("requests", 100_000), limit("tokens", 10**8), limit("usd", 10**12))
        for _ in range(10):
            for _ in range(100):
                await one.draw([(requests, 1), (tokens, 100)])
                tokens.release(tokens.hold(0))
                settled(one, await one.fund([money], [], Bill(10**5, 10**6, 10**7)), 5 * 10**5)
            clock.now += 1
            await beat(one)
        assert home.asked < 60  # for a thousand calls: the beats, and a few first refills while it learns the pace

    run(work)


def test_calls_that_come_together_share_one_refill() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        one = purse(home, clock, Book())
        [stake] = stakes(one, limit("requests", 1000))
        await asyncio.gather(*(one.draw([(stake, 1)]) for _ in range(200)))
        assert stake.used == 200
        assert home.asked <= 2

    run(work)


def test_two_workers_together_pass_no_more_than_one_would() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        workers = [purse(home, clock, Book()) for _ in range(2)]
        drawn = [stakes(one, limit("requests", 50))[0] for one in workers]
        passed = 0
        for turn in range(200):
            try:
                await workers[turn % 2].draw([(drawn[turn % 2], 1)])
                passed += 1
            except Rejected:
                await beat(workers[1 - turn % 2])  # a second later: what the other holds and does not need is back
        assert passed == 50

    run(work)


def test_a_limit_that_a_reload_changes_holds_at_once_and_what_is_used_stays() -> None:
    async def work() -> None:
        clock = Clock()
        one = purse(Flaky(MemoryPots(clock)), clock, Book())
        [stake] = stakes(one, limit("requests", 100))
        for _ in range(10):
            await one.draw([(stake, 1)])
        [same] = stakes(one, limit("requests", 12), generation=2)
        assert same is stake
        assert stakes(one, limit("requests", 100), generation=1) == (stake,)  # a call of the old one changes nothing
        for _ in range(2):
            await one.draw([(stake, 1)])
        with pytest.raises(Rejected, match="12 requests per minute; 0 are left"):
            await one.draw([(stake, 1)])

    run(work)


def test_a_waiting_call_that_is_cancelled_leaves_no_trace() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        gate = asyncio.Event()

        class Slow(Flaky):
            async def renew(self, holder: str, orders: Any) -> Any:
                await gate.wait()
                return await super().renew(holder, orders)

        one = purse(Slow(home.pots), clock, Book())
        [stake] = stakes(one, limit("requests", 10))
        waiting = [asyncio.ensure_future(one.draw([(stake, 1)])) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        gate.set()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert done[1:] == [None, None]
        assert (stake.wanted, stake.used) == (0, 2)

    run(work)


# --- money ---------------------------------------------------------------------------------------------------------


def test_with_plenty_left_the_usual_is_held_and_the_answer_not_limited() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        one = purse(home, clock, Book())
        [stake] = stakes(one, limit("usd", 1000))
        funds = await one.fund([stake], [], Bill(1, 5, 100))
        assert funds.most is None
        assert (stake.held, stake.exposed) == (5, 95)
        settled(one, funds, 80)
        assert (stake.held, stake.exposed, stake.used) == (0, 0, 80)

    run(work)


def test_the_worst_of_all_open_calls_is_never_more_than_half_of_what_is_left() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        one = purse(home, clock, Book())
        [stake] = stakes(one, limit("usd", 1000))
        free = [funds async for funds in _many(one, stake, Bill(1, 5, 100), 20)]
        unlimited = [funds for funds in free if funds.most is None]
        assert 4 <= len(unlimited) <= 5
        assert all(1 <= (funds.most or 1) <= 1000 // 4 for funds in free)
        worst = sum(hold.held + hold.exposed for funds in free for _, hold in funds.holds)
        assert worst <= 1000

    run(work)


async def _many(one: Purse, stake: Stake, bill: Bill, count: int) -> Any:
    for _ in range(count):
        yield await one.fund([stake], [], bill)


def test_a_budget_that_is_spent_refuses_and_says_so() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        one = purse(home, clock, Book())
        [stake] = stakes(one, limit("usd", 100))
        settled(one, await one.fund([stake], [], Bill(90, 90, 90)), 95)
        with pytest.raises(Short) as short:
            await one.fund([stake], [], Bill(6, 7, 8))
        assert (short.value.stake, short.value.need) == (stake, 6)
        funds = await one.fund([stake], [], Bill(5, 7, 8))
        assert funds.most == 5

    run(work)


def test_a_lenient_budget_counts_and_refuses_nothing() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        one = purse(home, clock, Book())
        [stake] = stakes(one, limit("usd", 10, on_exhausted="policy"))
        for _ in range(5):
            settled(one, await one.fund([], [stake], Bill(5, 6, 7)), 6)
        await beat(one)
        assert stake.used == 30
        assert stake.share.full == 3.0

    run(work)


def test_a_team_and_a_key_must_both_have_it() -> None:
    async def work() -> None:
        clock, home = Clock(), Flaky(MemoryPots(Clock()))
        one = purse(home, clock, Book())
        team, key = stakes(one, limit("usd", 1000), limit("usd", 20, name="other"))
        funds = await one.fund([team, key], [], Bill(2, 3, 400))
        assert funds.most == 3
        settled(one, funds, 3)
        assert (team.used, key.used) == (3, 3)
        settled(one, await one.fund([team, key], [], Bill(16, 16, 16)), 16)
        with pytest.raises(Short) as short:
            await one.fund([team, key], [], Bill(2, 3, 4))
        assert short.value.stake is key
        assert team.held == 0

    run(work)


# --- the ledger ----------------------------------------------------------------------------------------------------


def test_a_pot_that_is_not_known_begins_with_what_the_ledger_knows() -> None:
    async def work() -> None:
        clock, book = Clock(), Book(nano=95)
        one = purse(Flaky(MemoryPots(Clock())), clock, book)
        [stake] = stakes(one, limit("usd", 100))
        with pytest.raises(Short):
            await one.fund([stake], [], Bill(6, 6, 6))
        assert stake.used == 95
        assert book.asked == 1
        await one.fund([stake], [], Bill(5, 5, 5))
        assert book.asked == 1

    run(work)


def test_a_pot_that_was_lost_is_seeded_again_and_nothing_is_counted_twice() -> None:
    async def work() -> None:
        clock, book, pots = Clock(), Book(), MemoryPots(Clock())
        home = Flaky(pots)
        one = purse(home, clock, book)
        [stake] = stakes(one, limit("usd", 100))
        settled(one, await one.fund([stake], [], Bill(20, 20, 20)), 20)
        await beat(one)
        settled(one, await one.fund([stake], [], Bill(10, 10, 10)), 10)
        book.nano = 30
        home.pots = MemoryPots(Clock())  # flushed
        await beat(one)
        assert not stake.seeded
        assert one.budgets.away == "it has lost what it knew"
        settled(one, await one.fund([stake], [], Bill(40, 40, 40)), 0)  # its part of what was left then
        with pytest.raises(Rejected, match="cannot be checked now"):
            await one.fund([stake], [], Bill(90, 90, 90))
        for _ in range(2):
            await one.heard([stake])
            await beat(one)
        assert (stake.seeded, stake.used, one.budgets.away) == (True, 30, None)
        with pytest.raises(Short):
            await one.fund([stake], [], Bill(71, 71, 71))
        settled(one, await one.fund([stake], [], Bill(70, 70, 70)), 70)

    run(work)


def test_what_a_process_had_not_told_when_it_died_is_found_in_the_ledger() -> None:
    async def work() -> None:
        clock, book = Clock(), Book()
        home = Flaky(MemoryPots(clock))
        first = purse(home, clock, book)
        [stake] = stakes(first, limit("usd", 1000))
        settled(first, await first.fund([stake], [], Bill(300, 300, 300)), 300)
        await beat(first)
        funds = await first.fund([stake], [], Bill(200, 200, 200))
        settled(first, funds, 150)
        book.nano = 450  # its rows are in the ledger, and it dies before it tells
        second = purse(home, clock, book)
        [again] = stakes(second, limit("usd", 1000))
        await second.heard([again])
        assert again.used == 300
        clock.now += LEASE
        await beat(second)
        for _ in range(2):
            await second.past.audit(second.budgets, clock, clock.now)
            clock.now += 20
            await beat(second)
        assert again.used == 450

    run(work)


def test_a_stake_that_nobody_uses_is_given_up() -> None:
    async def work() -> None:
        clock = Clock()
        home = Flaky(MemoryPots(clock))
        one, other = purse(home, clock, Book()), purse(home, clock, Book())
        [stake], [theirs] = stakes(one, limit("requests", 10)), stakes(other, limit("requests", 10))
        await one.draw([(stake, 1)])
        clock.now += IDLE + 1
        telemetry, errands = Telemetry(), Errands(lambda _: None)
        for _ in range(2):
            await beating.beat(one, telemetry, errands)
        assert not one.rates.stakes
        await other.draw([(theirs, 1)])
        assert theirs.standing is not None
        assert theirs.standing.holders == 1
        [new] = stakes(one, limit("requests", 10))
        assert new is not stake
        await one.draw([(new, 1)])

    run(work)


# --- away ----------------------------------------------------------------------------------------------------------


def lost(one: Purse, home: Flaky, **away: str) -> None:
    home.down = "unheard"
    one.adopt(Away(**away), ())  # type: ignore[arg-type]


def test_away_limits_go_on_with_their_share() -> None:
    async def work() -> None:
        clock = Clock()
        home = Flaky(MemoryPots(clock))
        workers = [purse(home, clock, Book()) for _ in range(2)]
        both = [stakes(one, limit("requests", 20))[0] for one in workers]
        for one, stake in zip(workers, both, strict=True):
            await one.draw([(stake, 1)])
        await beat(workers[0])
        lost(workers[0], home, limits="share")
        clock.now += LEASE
        await beat(workers[0])
        assert workers[0].rates.away == "unheard"
        passed = 0
        for _ in range(30):
            with contextlib.suppress(Rejected):
                await workers[0].draw([(both[0], 1)])
                passed += 1
        assert passed == 9  # ten of twenty are its part, and one was used within this minute
        clock.now += 61
        await workers[0].draw([(both[0], 1)])
        home.down = None
        await beat(workers[0])
        assert workers[0].rates.away is not None  # it is back, and may not have been told everything yet
        await beat(workers[0])
        assert workers[0].rates.away is None
        assert sum(both[0].standing.used.values()) == 1  # type: ignore[union-attr]

    run(work)


@pytest.mark.parametrize(("rule", "passes"), [("open", True), ("closed", False)])
def test_away_limits_are_open_or_closed(rule: str, passes: bool) -> None:
    async def work() -> None:
        clock, heard = Clock(), Heard()
        home = Flaky(MemoryPots(clock))
        one = purse(home, clock, Book(), heard)
        [stake] = stakes(one, limit("requests", 2))
        lost(one, home, limits=rule)
        if passes:
            for _ in range(5):
                await one.draw([(stake, 1)])
            home.down = None
            await beat(one)
            assert stake.used == 5
        else:
            with pytest.raises(Rejected) as refused:
                await one.draw([(stake, 1)])
            assert (refused.value.failure.status, refused.value.failure.code) == (503, "limits_unavailable")
            assert heard.refused == ["away"]

    run(work)


def test_only_the_first_call_waits_for_a_home_that_is_away() -> None:
    async def work() -> None:
        clock = Clock()
        home = Flaky(MemoryPots(clock))
        one = purse(home, clock, Book())
        [stake] = stakes(one, limit("requests", 100))
        lost(one, home)
        await asyncio.gather(*(one.draw([(stake, 1)]) for _ in range(50)))
        assert home.asked == 1

    run(work)


def test_away_budgets_spend_their_part_of_what_was_left_and_no_more() -> None:
    async def work() -> None:
        clock = Clock()
        home = Flaky(MemoryPots(clock))
        workers = [purse(home, clock, Book()) for _ in range(2)]
        both = [stakes(one, limit("usd", 1000))[0] for one in workers]
        for one, stake in zip(workers, both, strict=True):
            settled(one, await one.fund([stake], [], Bill(10, 10, 10)), 10)
            await beat(one)
        for one in workers:
            await beat(one)
        for one in workers:
            lost(one, home)
        clock.now += LEASE
        spent = []
        for one, stake in zip(workers, both, strict=True):
            await beat(one)
            mine = 0
            with contextlib.suppress(Rejected):
                while mine < 1000:
                    settled(one, await one.fund([stake], [], Bill(7, 7, 7)), 7)
                    mine += 7
            spent.append(mine)
        assert all(470 <= mine <= 490 for mine in spent)
        home.down = None
        for one in workers:
            await beat(one)
        await beat(workers[0])
        assert both[0].used == 20 + sum(spent)

    run(work)


def test_a_budget_of_which_nothing_was_ever_heard_is_closed_while_its_home_is_away() -> None:
    async def work() -> None:
        clock = Clock()
        home = Flaky(MemoryPots(clock))
        one = purse(home, clock, Book())
        [stake] = stakes(one, limit("usd", 1000))
        lost(one, home)
        with pytest.raises(Rejected, match="The budget of team 'interns' cannot be checked now"):
            await one.fund([stake], [], CHEAP)
        one.adopt(Away(budgets="open"), ())
        settled(one, await one.fund([stake], [], CHEAP), 3)
        home.down = None
        await beat(one)
        await one.heard([stake])
        assert stake.used == 3

    run(work)


# --- clocks that jump (P7) ----------------------------------------------------------------------------------------

MONTHS = 70 * 86_400.0


@pytest.mark.parametrize("jump", [MONTHS, -MONTHS])
def test_a_budget_is_not_granted_twice_by_a_clock_that_jumps_and_is_put_right(jump: float) -> None:
    async def work() -> None:
        clock, wall = Clock(), Clock()
        one = purse(Flaky(MemoryPots(clock)), clock, Book(), wall=wall)
        [stake] = stakes(one, limit("usd", 100))

        async def spend(amount: int) -> None:
            settled(one, await one.fund([stake], [], Bill(amount, amount, amount)), amount)

        await spend(60)
        wall.now += jump
        clock.now += 1
        await beat(one)
        await spend(70)  # of the month that it takes this one for
        wall.now -= jump
        clock.now += 1
        await beat(one)
        assert stake.used == 60
        with pytest.raises(Short):
            await spend(41)
        await spend(40)
        wall.now += jump
        clock.now += 1
        await beat(one)
        with pytest.raises(Short):
            await spend(31)

    run(work)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_rates_of_one_worker_alone_do_not_see_the_clock_jump(jump: float) -> None:
    async def work() -> None:
        clock, wall = Clock(), Clock()
        one = purse(Flaky(MemoryPots(clock)), clock, Book(), wall=wall, apart=True)
        [stake] = stakes(one, limit("requests", 5))
        for _ in range(5):
            await one.draw([(stake, 1)])
        wall.now += jump
        with pytest.raises(Rejected):
            await one.draw([(stake, 1)])
        clock.now += 62
        await one.draw([(stake, 1)])

    run(work)


@pytest.mark.parametrize(("shared_by", "most"), [("machine", 5), ("machines", 15)])
@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_shared_rates_lock_nobody_out_for_as_long_as_the_clock_was_wrong(
    jump: float, shared_by: SharedBy, most: int
) -> None:
    """Workers of one machine have a clock that does not jump; machines have not."""

    async def work() -> None:
        clock, wall = Clock(), Clock()
        one = purse(Flaky(MemoryPots(clock), shared_by), clock, Book(), wall=wall)
        [stake] = stakes(one, limit("requests", 5))
        passed = 0
        for moved in (0.0, jump, -jump):
            wall.now += moved
            clock.now += 1
            for _ in range(20):
                with contextlib.suppress(Rejected):
                    await one.draw([(stake, 1)])
                    passed += 1
        assert passed <= most
        wall.now += 62
        clock.now += 62
        await one.draw([(stake, 1)])

    run(work)


# --- whatever happens in whichever order ---------------------------------------------------------------------------

_BILLS = st.tuples(st.integers(0, 30), st.integers(0, 60), st.integers(0, 300)).map(lambda each: Bill(*sorted(each)))
_WORKER = st.integers(0, 2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fund"), _WORKER, _BILLS),
        st.tuples(st.just("burst"), _WORKER, _BILLS),
        st.tuples(st.just("settle"), st.integers(0, 99), st.floats(0, 1)),
        st.tuples(st.just("settle"), st.integers(0, 99), st.just(1.0)),
        st.tuples(st.just("beat"), _WORKER, st.just(None)),
        st.tuples(st.just("wait"), st.floats(0.1, 12), st.just(None)),
        st.tuples(st.just("crash"), _WORKER, st.just(None)),
        st.tuples(st.just("down"), st.sampled_from(["unheard", "unanswered"]), st.just(None)),
        st.tuples(st.just("up"), st.just(0), st.just(None)),
    ),
    max_size=60,
)


class Asked(Book):
    """The ledger of a world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def spent(self, **_: Any) -> int:
        self._world.twice += sum(map(self._world.untold, range(3)))
        return self.nano


class World:
    """Three workers and a home. What is true is kept beside them, and compared."""

    def __init__(self, home: Flaky, clock: Clock) -> None:
        self.home, self.clock, self.book = home, clock, Asked(self)
        self.limit = limit("usd", 1000, name=uuid4().hex)
        self.purses = [self._new() for _ in range(3)]
        self.open: list[tuple[int, Funds, Bill]] = []
        self.spent = self.untold_lost = 0
        self.twice = 0
        """What may be counted twice: it was told after a pot had begun with the ledger, which had it, too."""

    def _new(self) -> Purse:
        one = purse(self.home, self.clock, self.book)
        one.adopt(Away(budgets="closed"), ())
        return one

    def stake(self, worker: int) -> Stake:
        return stakes(self.purses[worker], self.limit)[0]

    async def step(self, what: str, one: Any, two: Any) -> None:
        match what:
            case "fund":
                await self._fund(one, two)
            case "burst":
                await asyncio.gather(*(self._fund(one, two) for _ in range(12)))
            case "settle" if self.open:
                self._settle(self.open.pop(one % len(self.open)), two)
            case "beat":
                await beat(self.purses[one])
            case "wait":
                self.clock.now += one
                for worker in range(3):  # as errands do; one that is away for longer than its lease is no worker
                    await beat(self.purses[worker])
            case "crash":
                self._crash(one)
            case "down":
                self.home.down = one
            case "up":
                self.home.down = None

    async def _fund(self, worker: int, bill: Bill) -> None:
        try:
            funds = await self.purses[worker].fund([self.stake(worker)], [], bill)
        except (Short, Rejected):
            return
        self.open.append((worker, funds, bill))

    def _settle(self, call: tuple[int, Funds, Bill], share: float) -> None:
        worker, funds, bill = call
        most = bill.worst if funds.most is None else funds.most
        cost = round(most * share)
        settled(self.purses[worker], funds, cost)
        self.spent += cost
        self.book.nano += cost

    def untold(self, worker: int) -> int:
        stake = self.stake(worker)
        return sum(stake.spent.values()) + sum(stake.telling.values())

    def _crash(self, worker: int) -> None:
        """Its open calls are lost with it, and so is what it had not told; what a lease held for them returns."""
        self.untold_lost += self.untold(worker)
        self.open = [call for call in self.open if call[0] != worker]
        self.purses[worker] = self._new()

    def at_worst(self) -> int:
        """What all that is open may still cost."""
        return sum(bill.worst if funds.most is None else funds.most for _, funds, bill in self.open)


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


def home_of(kind: str, clock: Clock, folder: Path, redis: str) -> Pots:
    """An empty one. Redis has a clock of its own, by which no lease ends here."""
    if kind == "redis":
        return RedisPots(redis)
    path = folder / f"{len(list(folder.iterdir()))}.db"
    return MemoryPots(clock) if kind == "memory" else SqlitePots(path, monotonic=clock)


@pytest.mark.parametrize("seed", range(12))
def test_a_redis_that_is_flushed_again_and_again_lets_nobody_spend_twice(redis: str, seed: int) -> None:
    """Workers whose ledgers know nothing of each other, and a second between two beats of each, as it is."""
    dice = random.Random(seed)

    async def work() -> None:
        from redis.asyncio import Redis

        clock, client = Clock(), Redis.from_url(redis)
        home = Flaky(RedisPots(redis), "machines")
        budget = limit("usd", 100_000, name=uuid4().hex)
        books = [Book() for _ in range(3)]
        workers = [purse(home, clock, book) for book in books]
        spent = 0
        try:
            for step in range(400):
                for one, book in zip(workers, books, strict=True):
                    bill = Bill(10, dice.randint(20, 100), dice.randint(100, 3000))
                    try:
                        funds = await one.fund(stakes(one, budget), [], bill)
                    except (Short, Rejected):
                        continue
                    cost = dice.randint(0, bill.worst if funds.most is None else funds.most)
                    settled(one, funds, cost)
                    spent += cost
                    book.nano += cost
                if dice.random() < 0.05:
                    await client.flushall()
                clock.now += 0.1
                if step % 10 < 3:
                    await beat(workers[step % 10])
                    for one in workers:
                        await one.heard(stakes(one, budget))
                assert spent <= 100_000
        finally:
            await client.aclose()
            await home.pots.close()
        assert spent > 30_000  # what may have been lost was counted twice; nobody is stuck

    run(work)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_order_of_events_spends_more_than_the_budget(
    kind: str, tmp_path: Path, redis: str, steps: list[Any]
) -> None:
    async def work() -> None:
        clock = Clock()
        pots = home_of(kind, clock, tmp_path, redis)
        world = World(Flaky(pots), clock)
        try:
            for what, one, two in steps:
                await world.step(what, one, two)
                assert world.spent + world.at_worst() - world.untold_lost <= 1000
            world.home.down, world.book.nano = None, 0
            for _ in range(2):
                for worker in range(3):
                    await beat(world.purses[worker])
            fresh = world._new()
            [stake] = stakes(fresh, world.limit)
            await fresh.heard([stake])
            assert world.spent - world.untold_lost <= stake.used <= world.spent + world.twice
        finally:
            await pots.close()

    run(work)
