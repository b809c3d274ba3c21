"""A stake: what this worker has of one pot. All of it is arithmetic on the spot; the till asks the pot itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from policies.limits import windows
from policies.limits.leasing import LEASE, Order, Standing
from policies.limits.limit import Limit
from policies.limits.pacing import Share
from policies.limits.refusing import Left
from policies.limits.reserving import Bill

MARGIN = 1.0
"""Seconds by which a lease is over here before it is at its pot's home."""
IDLE = 60.0
"""Seconds without a call after which a stake is given up."""
_PARTS = {"usd": 100}
"""Which part of what is left may be leased ahead: one per cent of a budget (D14), an eighth of anything else."""
_EIGHTH = 8
_ROLLING = frozenset({"rolling", "now"})
_REMEMBERED = 100 * 86_400
"""Seconds for which windows of the calendar are kept when they are over: their clock may be put back."""
_LATE = 3.0
"""Seconds until all others have surely heard of what was told."""
_LASTS = 3600
"""Seconds that a pot is kept when nobody asks, or two of its windows."""


class Hold(Struct, frozen=True):
    """What stands behind one call, or one of its attempts."""

    held: int
    exposed: int = 0


class Stake:
    """One pot's lease: what is free of it, and what is behind open calls. What is settled is remembered, slot by slot,
    until it is told. Times are monotonic seconds, but for those of slots."""

    __slots__ = (
        "alone", "audit_at", "clock", "drawn", "drawn_exposed", "exposed", "free", "generation", "held", "late",
        "limit", "lost", "number", "open", "own", "parted", "raised", "recalled", "retold", "seeded", "slot", "spare",
        "spent", "standing", "telling", "until", "used_at", "wanted", "wanted_exposed", "warned",
    )  # fmt: skip

    def __init__(self, limit: Limit, clock: Callable[[], float], *, alone: bool) -> None:
        """``clock``: of its slots. ``alone``: no other process draws from this pot, so that all of it may be leased."""
        self.limit = limit
        self.clock = clock
        self.alone = alone
        self.generation = -1
        """Of the configuration that its limit is from."""
        self.free = 0
        """Of the lease: behind nothing yet. Below 0 where calls cost more than was reserved for them."""
        self.held = 0
        self.spare = 0
        """Of what may be exposed: behind nothing yet."""
        self.exposed = 0
        self.spent: dict[int, int] = {}
        """Slot -> what was settled in it and is not being told yet."""
        self.telling: dict[int, int] = {}
        """The same of what is being told; it changes no more until it was heard."""
        self.number = 0
        self.late: list[tuple[float, dict[int, int]]] = []
        """What was told a moment ago, and when: others may not have heard of it when its pot is lost."""
        self.own: dict[int, int] = {}
        """The same of what was told, while it counts."""
        self.until = 0.0
        self.used_at = 0.0
        self.standing: Standing | None = None
        self.slot = windows.Slot(0, 0, 0, 0)
        self.wanted = self.wanted_exposed = 0
        """What draws are waiting for."""
        self.drawn = self.drawn_exposed = 0
        """What was drawn since the last beat: so much is leased ahead."""
        self.open = 0
        """Calls that have drawn from it and are not settled."""
        self.seeded = limit.kind != "usd"
        """The ledger was asked what the window had cost before anybody drew."""
        self.audit_at = 0.0
        """When it is to be asked again."""
        self.lost = False
        """The pot was known, and is not any more."""
        self.recalled: Mapping[int, int] = {}
        """What had been used, by everybody, when it was last there."""
        self.retold: Mapping[int, int] = {}
        """What of it is told once more."""
        self.raised: tuple[tuple[int, int], ...] = ()
        """What it said, to be told."""
        self.warned = -1
        """The slot in which its soft mark was seen to be passed."""
        self.parted = False
        """This process's part of what was left has been taken, for its home is away."""

    # --- drawing, on the spot --------------------------------------------------------------------------------------

    def can(self, amount: int, now: float) -> bool:
        """May so much be drawn without asking?"""
        return self.free >= amount and self.until > now

    def take(self, amount: int) -> None:
        """Spend at once."""
        self.drawn += amount
        self.spend(amount)

    def untake(self, amount: int) -> None:
        """What was taken a moment ago was not used after all. What is being told already stays spent."""
        start = self.slot.start
        if self.spent.get(start, 0) >= amount:
            self.spent[start] -= amount
            self.free += amount

    def hold(self, amount: int, exposed: int = 0) -> Hold:
        """Put so much behind a call."""
        self.free -= amount
        self.held += amount
        self.drawn += amount
        self.spare -= exposed
        self.exposed += exposed
        self.drawn_exposed += exposed
        return Hold(amount, exposed)

    def release(self, hold: Hold) -> None:
        """It was not used."""
        self.free += hold.held
        self.held -= hold.held
        self.spare += hold.exposed
        self.exposed -= hold.exposed

    def spend(self, amount: int) -> None:
        """Settled: it counts from now on, whether it was held before or not."""
        if amount == 0:
            return
        now = self.clock()
        if not self.slot.holds(now):
            self.slot = windows.slot(self.limit.window, now)
        self.free -= amount
        self.spent[self.slot.start] = self.spent.get(self.slot.start, 0) + amount

    # --- what is known ---------------------------------------------------------------------------------------------

    @property
    def amount(self) -> int:
        """Of the limit, with what was granted beside it."""
        return self.limit.amount + (self.standing.granted if self.standing is not None else 0)

    @property
    def reach(self) -> int:
        """What could be had at the most, as far as is known: here, and at its home."""
        unpromised = self.standing.left(self.limit.amount) if self.standing is not None else 0
        return max(self.free, 0) + max(self.spare, 0) + unpromised

    def ample(self, bill: Bill) -> bool:
        """Is there enough for a call that may cost anything up to its worst?"""
        return bill.usual <= self.reach // 2 and bill.exposed <= self._most_exposed()

    @property
    def used(self) -> int:
        """Settled in the window, by everybody as last heard, by this worker up to now."""
        told = self.standing.spent() if self.standing is not None else 0
        return told + self._untold()

    @property
    def share(self) -> Share:
        """For rules: what is spent and what open calls are expected to cost."""
        others = self.standing.others if self.standing is not None else 0
        return Share(self.limit, self.used + self.held + others, self.amount)

    def left(self, short: int) -> Left:
        """For a refusal. ``short``: how much more would be needed."""
        standing = self.standing or Standing()
        held = self.held + self.exposed + standing.others + standing.exposures
        frees = windows.frees(self.limit.window, self.slots(standing.used), max(short, 1), self.clock())
        return Left(self.limit, self.amount, self.used, held, frees)

    def left_of(self, part: int) -> Left:
        """The same of ``part`` of the limit, by what this worker alone has used and holds."""
        now = self.clock()
        oldest = windows.slot(self.limit.window, now).oldest
        slots = self.slots({start: count for start, count in self.own.items() if start >= oldest})
        return Left(self.limit, part, sum(slots.values()), self.held, windows.frees(self.limit.window, slots, 1, now))

    def idle(self, now: float) -> bool:
        """Nobody draws from it, and nothing is to be told."""
        return not self.open and not self.held and not self._untold() and now - self.used_at > IDLE

    def due(self, now: float) -> bool:
        """Is it to be told and renewed at this beat? What is in use is, so that it is known how much is left and for
        how many, should its home be away at the next."""
        if self.spent or self.telling or self.raised or self.until < now + LEASE / 2:
            return True
        return not self.alone and (now - self.used_at < LEASE or self.held > 0 or self.free > 0 or self.spare > 0)

    # --- what is told and asked, and what is heard -----------------------------------------------------------------

    def order(self, now: float, *, stay: bool = True, calm: bool = True) -> Order:
        """Freezes what is told, and lets go of what is not wanted: until the answer is there nobody may count on it.
        ``calm``: its home is not just back, so that everybody else has told it what he has used."""
        here = self.slot = windows.slot(self.limit.window, self.clock())
        if (self.parted and calm) or (self.until <= now and not self.parted):
            self.free = self.spare = 0
        if self.spent and not self.telling:
            self.telling, self.spent = self.spent, {}
            self.number += 1
        wish, wish_exposed = (self._wish(), self._wish_exposed()) if stay else (0, 0)
        part = 1 if self.alone else _PARTS.get(self.limit.kind, _EIGHTH)
        # Whoever waits comes before what may be exposed to without need, also before what is so already.
        idle = 0 if self.wanted > self.free else min(wish_exposed, self._most_exposed())
        if not self.parted:
            self.free = max(min(self.free, min(wish, self.reach // part) + self.wanted), 0)
        self.spare = max(min(self.spare, idle + self.wanted_exposed), 0)
        asks = stay and calm and (self.seeded or bool(self.raised))
        lasting = here.end - here.oldest
        return Order(
            pot=self.limit.id,
            of=self.limit.owner,
            amount=self.limit.amount,
            oldest=here.oldest,
            newest=here.newest,
            forget=here.oldest - (lasting if self.limit.window.span in _ROLLING else _REMEMBERED),
            lasts=_LASTS if self.limit.window.span == "now" else max(2 * lasting, _LASTS),
            number=self.number,
            spent=tuple(self.telling.items()),
            raised=self.raised,
            held=self.held + sum(self.spent.values()),
            kept=self.free,
            need=max(self.wanted - self.free, 0) if asks else 0,
            ahead=max(wish - self.free, 0) if asks else 0,
            part=part,
            exposed=self.exposed + self.spare,
            exposing=max(self.wanted_exposed + wish_exposed - self.spare, 0) if asks else 0,
            cautious=self.limit.kind == "usd",
            stay=stay,
        )

    def hear(self, asked: Order, told: Standing, sent: float, *, calm: bool = True) -> None:
        """The answer to an order that was sent at ``sent``; calls may have drawn and settled meanwhile."""
        self.until = sent + LEASE - MARGIN if asked.stay else 0.0
        if not told.known:
            self._unheard(told)
            return
        if self.standing is not None and self.standing.known and self.standing.born != told.born and not self.lost:
            self._tell_again()
        else:
            self.free += told.leased - asked.held - asked.kept
            self.spare += told.exposable - asked.exposed
        self.standing = told
        self.parted = self.parted and not calm
        if asked.raised:
            self.seeded, self.raised, self.lost, self.retold = True, (), False, {}
        if not self.alone and self.limit.kind in {"requests", "tokens"}:
            self.own = {start: count for start, count in self.own.items() if start >= asked.oldest}
            for start, count in self.telling.items():
                self.own[start] = self.own.get(start, 0) + count
        if self.telling:
            self.late = [(at, spent) for at, spent in self.late if at > sent - _LATE] + [(sent, self.telling)]
        self.telling = {}

    def _unheard(self, told: Standing) -> None:
        """The pot is not known: nothing of the order was heard, so that all is told anew when it is. Where it was known
        before, what it knew is lost: this worker goes on with its part of what was left then."""
        self.seeded, self.spent, self.telling = False, self.slots({}), {}
        if self.standing is not None and self.standing.known:
            if not self.lost:
                self.recalled = self.standing.used
                self.retold = self._tell_again()
            self.lost = True
            self.take_part(1)
        elif self.standing is None:
            self.standing = told

    def _tell_again(self) -> dict[int, int]:
        """Whoever begins a lost pot anew may not have heard of what this worker told last: rather twice than never."""
        again: dict[int, int] = {}
        for _, spent in self.late:
            for start, amount in spent.items():
                again[start] = again.get(start, 0) + amount
                self.spent[start] = self.spent.get(start, 0) + amount
        self.late = []
        return again

    def rest(self) -> None:
        """A beat is over: what was drawn in it was asked for ahead."""
        self.drawn = self.drawn_exposed = 0

    def take_part(self, holders: int) -> None:
        """Its home is away: of what was left when it was last heard each of its holders, at least so many, takes an
        equal part, once."""
        if self.parted or self.standing is None:
            return
        self.parted = True
        self.free += self.spare + self.standing.left(self.limit.amount) // max(self.standing.holders, holders)
        self.spare = 0

    def _untold(self) -> int:
        return sum(self.telling.values()) + sum(self.spent.values())

    def slots(self, told: Mapping[int, int]) -> dict[int, int]:
        """What was told, slot by slot, and what is not told yet."""
        slots = dict(told)
        for untold in (self.telling, self.spent):
            for start, amount in untold.items():
                slots[start] = slots.get(start, 0) + amount
        return slots

    def _most_exposed(self) -> int:
        """What this holder may be exposed to beyond what it is: all of them together, to half of what is left."""
        holders = self.standing.holders if self.standing is not None else 1
        return max((self.reach + self.exposed) // (2 * holders) - self.exposed, 0)

    def _wish(self) -> int:
        """What it would have free without need."""
        return self.limit.amount if self.alone else 2 * self.drawn

    def _wish_exposed(self) -> int:
        return 2 * self.drawn_exposed
