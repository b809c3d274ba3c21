"""Leases of a pot: what a holder tells and asks, and how much of what is left it may be given (decision D14).

What is used of a limit stands in its pot. A holder (a worker) never spends from the pot itself: it is leased some of
what is left and spends that without asking. All that is used, leased and exposed is together never more than the limit,
whoever asks in whichever order, so that nobody has to be asked twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

LEASE = 10.0
"""Seconds that a lease lasts unless it is renewed; then what its holder did not spend returns."""


class Order(Struct, frozen=True, kw_only=True):
    """What a holder tells one pot and asks of it. Amounts are in the limit's own unit; slots are known by their start,
    in seconds since 1970 (``windows``)."""

    pot: str
    """``Limit.id``."""
    of: str
    """``Limit.owner``: pots of one owner are kept together, and so are its grants."""
    amount: int
    """Of the limit, without what was granted beside it."""
    oldest: int = 0
    newest: int = 0
    """The earliest slot that still counts, and the latest that counts already."""
    forget: int = -(2**40)
    """Slots before this one are dropped. It lies well before ``oldest``, so that a clock that is put back finds what it
    looks for."""
    lasts: int = 3600
    """Seconds after which the pot may be dropped as a whole if nobody asks."""
    number: int = 0
    """Rises with each telling of one holder: what was told under a number is heard once, however often it comes."""
    spent: tuple[tuple[int, int], ...] = ()
    """(slot, amount) that was spent since the last telling."""
    raised: tuple[tuple[int, int], ...] = ()
    """(slot, amount): at least so much has been used there, by the ledger."""
    held: int = 0
    """What stands behind open calls."""
    kept: int = 0
    """Of the lease, what it would keep without need."""
    need: int = 0
    """What calls are waiting for."""
    ahead: int = 0
    """What it would have more of, so that it need not ask so soon."""
    part: int = 100
    """``kept`` and ``ahead`` are together at most this part of what is left: 100 is one per cent."""
    exposed: int = 0
    """What open calls may cost beyond ``held`` at the worst."""
    exposing: int = 0
    """What is asked for beyond ``exposed``, also without need."""
    cautious: bool = False
    """A pot that is not known yet is left as it is, and nothing leased: the ledger is to be asked first."""
    stay: bool = True
    """The holder goes on; else its lease is given back."""


class Lease(Struct, frozen=True):
    """What one holder has of a pot. ``ends``: on the clock of the pots' home."""

    leased: int
    exposable: int
    ends: float


class Pot(Struct):
    """What its home keeps of one limit. Changed by ``renew`` alone."""

    used: dict[int, int] = {}
    """Slot -> how much."""
    leases: dict[str, Lease] = {}
    """By holder."""
    heard: dict[str, int] = {}
    """Holder -> the number of its last telling."""


class Standing(Struct, frozen=True, kw_only=True):
    """What a pot answers."""

    used: Mapping[int, int] = {}
    """Slot -> what was used in it; of all slots that count."""
    leased: int = 0
    """To this holder: what it told as held and kept, and more."""
    exposable: int = 0
    """The same of what it told as exposed."""
    others: int = 0
    """What other holders have leased."""
    exposures: int = 0
    """What their open calls may cost beyond that."""
    holders: int = 1
    """Those that are alive, this one included."""
    granted: int = 0
    """Beside the limit's own amount, by ``turnout budget grant``."""
    known: bool = True
    """The pot was there, or is now."""
    born: int = 0
    """Another figure than the last time: the pot was lost in between, and somebody has begun it anew."""

    def spent(self) -> int:
        """In all slots that count."""
        return sum(self.used.values())

    def left(self, amount: int) -> int:
        """What nobody has used and nobody holds; never below 0."""
        taken = self.others + self.exposures + self.leased + self.exposable
        return max(amount + self.granted - self.spent() - taken, 0)


def unknown(order: Order, *, granted: int) -> Standing:
    """The answer to a cautious order for a pot that is not there: nothing was changed."""
    return Standing(leased=order.held, exposable=order.exposed, granted=granted, known=False)


def renew(pot: Pot, holder: str, order: Order, *, now: float, granted: int) -> Standing:
    """Changes the pot as the order says. ``now``: on the clock by which leases end; ``granted``: beside the amount."""
    if order.spent and pot.heard.get(holder, -1) < order.number:
        pot.heard[holder] = order.number
        for slot, amount in order.spent:
            pot.used[slot] = pot.used.get(slot, 0) + amount
    for slot, amount in order.raised:
        pot.used[slot] = max(pot.used.get(slot, 0), amount)
    pot.used = {slot: amount for slot, amount in pot.used.items() if slot >= order.forget}
    # A lease that ends later than any could was made before the clock began anew.
    others = {name: each for name, each in pot.leases.items() if name != holder and now < each.ends <= now + LEASE}
    taken = sum(each.leased for each in others.values())
    exposures = sum(each.exposable for each in others.values())
    used = {slot: amount for slot, amount in pot.used.items() if order.oldest <= slot <= order.newest}
    holders = len(others) + 1
    leased, exposable = lease(
        order, used=sum(used.values()), others=taken + exposures, holders=holders, granted=granted
    )
    pot.leases = {**others, holder: Lease(leased, exposable, now + LEASE)} if order.stay else others
    return Standing(
        used=used,
        leased=leased,
        exposable=exposable,
        others=taken,
        exposures=exposures,
        holders=holders,
        granted=granted,
    )


def lease(order: Order, *, used: int, others: int, holders: int, granted: int) -> tuple[int, int]:
    """(leased, exposable) for this order: needs first, then exposures (half of what is left for all holders together),
    then what is leased ahead.

    What the holder says it holds it has, be there so much or not. ``used``: in all slots that count, this order's own
    telling included. ``others``: what other holders have leased and may be exposed to. ``holders``: this one included.
    """
    base = order.held + order.kept
    left = max(order.amount + granted - used - others - base - order.exposed, 0)
    needed = min(order.need, left)
    rest = left - needed
    most = max((left + order.exposed) // (2 * holders) - order.exposed, 0)
    exposing = min(order.exposing, most, rest)
    rest -= exposing
    ahead = min(order.ahead, max((rest + order.kept) // order.part - order.kept, 0))
    return base + needed + ahead, order.exposed + exposing
