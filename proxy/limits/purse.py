"""The purse of one worker: draws at once where its stakes' leases suffice, else waits for a refill that all share."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NoReturn
from uuid import uuid4

from msgspec import Struct

from policies.limits import refusing
from policies.limits.limit import Limit
from policies.limits.pacing import Share
from policies.limits.reserving import Bill, portion
from proxy.call import Call, Rejected
from proxy.limits.drawn import Wallet
from proxy.limits.history import History
from proxy.limits.outputs import Outputs
from proxy.limits.stake import Hold, Stake
from proxy.limits.till import Till
from proxy.settings.grammar import Away
from proxy.state.pots import Coffers, Pots

_ROUNDS = 8
"""Refills that one draw waits for at the most: where something is left, others were quicker."""
_MOST = 10_000
"""Callers whose stakes are found by one look-up."""

Need = tuple[Stake, int]


class Funds(Struct, frozen=True):
    """Money behind an attempt. ``most``: nano-dollars that it may cost; None: it need not be limited. ``strict``: so
    many of the holds, the first, are of budgets that would have refused it."""

    holds: tuple[tuple[Stake, Hold], ...]
    strict: int
    most: int | None = None


class Short(Exception):  # noqa: N818 - a fact about a budget
    """A budget has not even the least that is useful; ``need`` in nano-dollars."""

    def __init__(self, stake: Stake, need: int) -> None:
        super().__init__(stake.limit.owner)
        self.stake = stake
        self.need = need


class Purse:
    """``rates`` and ``budgets`` may be one home. ``told`` hears how each round of a home ended: its name, and None or
    why it could not be asked; ``refused`` of each refusal, by kind. ``workers``: there are at least so many
    holders."""

    def __init__(
        self,
        rates: Pots,
        budgets: Coffers,
        past: History,
        *,
        told: Callable[[str, str | None], None],
        refused: Callable[[str], None],
        workers: int = 1,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.coffers = budgets
        self.outputs = Outputs()
        self.past = past
        self.refused = refused
        self.priced: set[tuple[str, str, str | None]] = set()
        """Provider, model and tier whose price has been looked up: from then on it is at hand."""
        self.clock = clock
        self.monotonic = monotonic
        self.away = Away()
        self.workers = workers
        holder = uuid4().hex
        self.budgets = Till(budgets, holder, told=told, monotonic=monotonic)
        self.rates = self.budgets if rates is budgets else Till(rates, holder, told=told, monotonic=monotonic)
        self._known: dict[int, tuple[tuple[Limit, ...], Wallet]] = {}
        """By the identity of a caller's limits, which are kept so that nobody else can have it."""

    @property
    def tills(self) -> Sequence[Till]:
        return (self.budgets,) if self.rates is self.budgets else (self.rates, self.budgets)

    def till(self, stake: Stake) -> Till:
        return self.budgets if stake.limit.kind == "usd" else self.rates

    def adopt(self, away: Away, local: Collection[str]) -> None:
        """Follow a configuration. ``local``: the backends whose cost ``counts: cloud`` leaves out."""
        self.away, self.past.local = away, frozenset(local)

    def note(self, call: Call) -> None:
        """How long an answer was, for the next call under its alias. One that was cut short says nothing."""
        attempt = call.attempt
        if attempt is None or attempt.usage is None or call.failure is not None or call.api.counts is not None:
            return
        if attempt.usage.output and (call.drawn is None or call.drawn.cap is None):
            self.outputs.note(call.head.model, attempt.usage.output)

    # --- stakes ----------------------------------------------------------------------------------------------------

    def wallet(self, limits: tuple[Limit, ...], generation: int) -> Wallet:
        """A stake for each limit, in order. A limit whose amount a newer configuration changes is followed at once."""
        known = self._known.get(id(limits))
        if known is not None:
            return known[1]
        stakes = tuple(self.stake(limit, generation) for limit in limits)
        budgets = tuple(stake for stake in stakes if stake.limit.kind == "usd")
        wallet = Wallet(stakes, budgets, any(stake.limit.kind in {"tokens", "usd"} for stake in stakes))
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[id(limits)] = (limits, wallet)
        return wallet

    def stake(self, limit: Limit, generation: int) -> Stake:
        """That of one limit, made when it is first asked for. A newer configuration's amount is followed at once."""
        till = self.budgets if limit.kind == "usd" else self.rates
        stake = till.stakes.get(limit.id)
        if stake is None:
            # The clock on the wall may jump: only the calendar needs it, and machines that must agree.
            near = limit.kind != "usd" and till.pots.shared_by != "machines"
            clock = self.monotonic if near else self.clock
            stake = till.stakes[limit.id] = Stake(limit, clock, alone=till.pots.shared_by == "worker")
            stake.used_at = self.monotonic()
        if generation >= stake.generation:
            stake.generation = generation
            if stake.limit != limit:
                stake.limit, stake.until = limit, 0.0
        return stake

    async def more(self, stake: Stake, amount: int) -> None:
        """Returns when its home was asked for so much, or cannot be."""
        await self._refill([(stake, amount, 0)])

    def forget(self, till: Till, stakes: Sequence[Stake]) -> None:
        """These are given up; a caller who comes again has new ones."""
        for stake in stakes:
            del till.stakes[stake.limit.id]
        self._known.clear()

    def shares(self, limits: tuple[Limit, ...]) -> Iterator[Share]:
        """How full the budgets among these are, as far as is known here."""
        for limit in limits:
            stake = self.budgets.stakes.get(limit.id) if limit.kind == "usd" else None
            if stake is not None and stake.standing is not None and stake.seeded:
                yield stake.share

    # --- limits ----------------------------------------------------------------------------------------------------

    async def draw(self, needs: Sequence[Need]) -> None:
        """Requests are spent, all else is held: all of it or nothing. Raises Rejected that names the first limit that
        has not enough."""
        now = self.monotonic()
        for stake, amount in needs:
            if stake.free < amount or stake.until <= now:
                await self._enough(needs)
                break
        for stake, amount in needs:
            if stake.limit.kind == "requests":
                stake.take(amount)
            else:
                stake.hold(amount)

    async def _enough(self, needs: Sequence[Need]) -> None:
        for _ in range(_ROUNDS):
            short = self._short(needs)
            if not short:
                return
            await self._refill([(stake, amount, 0) for stake, amount in short])
            for stake, amount in self._short(needs):
                if stake.reach < amount:
                    self._refuse(stake, amount)
        for stake, amount in self._short(needs):
            self._refuse(stake, amount)

    def _short(self, needs: Sequence[Need]) -> list[Need]:
        now = self.monotonic()
        return [need for need in needs if not need[0].can(need[1], now) and not self._makes_do(*need)]

    def _refuse(self, stake: Stake, amount: int) -> NoReturn:
        self.refused(stake.limit.kind)
        raise Rejected(refusing.refusal(stake.left(amount - max(stake.free, 0)), amount, self.clock()))

    def _makes_do(self, stake: Stake, amount: int) -> bool:
        """While the home is away: may this be drawn all the same? Raises Rejected."""
        if self.rates.away is None:
            return False
        if self.away.limits == "closed":
            self._unknown(stake)
        if self.away.limits == "share":
            holders = stake.standing.holders if stake.standing is not None else 1
            left = stake.left_of(max(stake.limit.amount // max(holders, self.workers), 1))
            if amount > left.left:
                self.refused(stake.limit.kind)
                raise Rejected(refusing.refusal(left, amount, self.clock()))
        return True

    def _unknown(self, stake: Stake) -> NoReturn:
        self.refused("away")
        raise Rejected(refusing.away(stake.limit))

    async def _refill(self, wanted: Sequence[tuple[Stake, int, int]]) -> None:
        """Wait for one round that knows of this. Whoever waits is counted, and leaves no trace when it is cancelled."""
        for stake, amount, exposed in wanted:
            stake.wanted += amount
            stake.wanted_exposed += exposed
        try:
            for till in {self.till(stake): None for stake, _, _ in wanted}:
                await till.refill([stake for stake, _, _ in wanted if self.till(stake) is till])
        finally:
            for stake, amount, exposed in wanted:
                stake.wanted -= amount
                stake.wanted_exposed -= exposed

    # --- money -----------------------------------------------------------------------------------------------------

    async def fund(self, strict: Sequence[Stake], lenient: Sequence[Stake], bill: Bill) -> Funds:
        """Money for one attempt from every budget that counts it. With plenty left its usual cost is held, its worst
        remembered, and its answer not limited; when little is left it gets a portion, and may cost no more than that.
        ``lenient`` budgets count it and refuse nothing. Raises Short, and Rejected where a home is away."""
        if self._plenty(strict, bill):
            return _held(strict, lenient, bill)
        for attempt in range(_ROUNDS):
            await self._seeded((*strict, *lenient))
            if self.budgets.away is not None:
                return self._frugally(strict, lenient, bill)
            ample = attempt == 0 and all(stake.ample(bill) for stake in strict)
            await self._refill([(stake, *_wanted(stake, bill, ample=ample)) for stake in strict])
            if self.budgets.away is not None or not all(stake.seeded for stake in strict):
                continue
            if self._plenty(strict, bill) and all(stake.ample(bill) for stake in strict):
                return _held(strict, lenient, bill)
            most, here = min(_portion(stake, bill) for stake in strict), min(stake.free for stake in strict)
            if here >= (most if attempt == 0 else bill.least):
                return _limited(strict, lenient, min(most, here))
        raise Short(min(strict, key=lambda stake: stake.free), bill.least)

    def _plenty(self, stakes: Sequence[Stake], bill: Bill) -> bool:
        now, exposed = self.monotonic(), bill.exposed
        return all(stake.can(bill.usual, now) and stake.spare >= exposed for stake in stakes)

    def _frugally(self, strict: Sequence[Stake], lenient: Sequence[Stake], bill: Bill) -> Funds:
        """The home is away: as the operator has said. Raises Rejected."""
        if not strict or self.away.budgets == "open":
            return _held((), [*strict, *lenient], bill)
        for stake in strict:
            stake.take_part(self.workers)
            if self.away.budgets == "closed" or not stake.seeded or stake.free < bill.least:
                self._unknown(stake)
        if all(bill.worst <= stake.free // 2 for stake in strict):
            return _limited(strict, lenient, bill.worst, free=True)
        return _limited(strict, lenient, min(portion(bill, stake.free) or bill.least for stake in strict))

    async def heard(self, stakes: Sequence[Stake]) -> None:
        """Returns when these budgets have been heard of lately, or cannot be."""
        await self._seeded(stakes)
        now = self.monotonic()
        silent = [stake for stake in stakes if stake.until <= now]
        if silent:
            await self.budgets.refill(silent)

    async def _seeded(self, stakes: Sequence[Stake]) -> None:
        """A pot that is not known begins with what the ledger says that its window has cost."""
        for stake in stakes:
            if not stake.seeded and self.budgets.answers:
                await self.past.seed(stake, self.budgets, self.clock)

    # --- its end ---------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """What was spent is told, and every lease returned, where that can be done now."""
        for till in self.tills:
            await till.leave([*till.stakes.values()])
            await till.pots.close()


def _wanted(stake: Stake, bill: Bill, *, ample: bool) -> tuple[int, int]:
    """What is to be had for this call, by what is known so far, and beyond that to be exposed to."""
    return (bill.usual, bill.exposed) if ample else (portion(bill, stake.reach) or bill.least, 0)


def _portion(stake: Stake, bill: Bill) -> int:
    found = portion(bill, stake.reach)
    if found is None:
        raise Short(stake, bill.least)
    return found


def _held(strict: Sequence[Stake], lenient: Sequence[Stake], bill: Bill) -> Funds:
    held = [(stake, stake.hold(bill.usual, bill.exposed)) for stake in strict]
    held += [(stake, stake.hold(bill.usual)) for stake in lenient]
    return Funds(tuple(held), len(strict))


def _limited(strict: Sequence[Stake], lenient: Sequence[Stake], most: int, *, free: bool = False) -> Funds:
    """``free``: so much is the worst that it may cost anyhow."""
    held = tuple((stake, stake.hold(most)) for stake in (*strict, *lenient))
    return Funds(held, len(strict), None if free else most)
