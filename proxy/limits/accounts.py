"""Every budget of a configuration as it stands now, for whoever wants to look: no lease is touched by it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from msgspec import Struct

from policies.limits import windows
from policies.limits.leasing import Order
from policies.limits.limit import Limit
from policies.limits.pacing import Share
from policies.verdict import Caller
from proxy.callers import limits_of
from proxy.limits.past import Open, spent_in
from proxy.snapshot import Snapshot
from proxy.state.pots import Coffers, Grant

_ONLOOKER = "onlooker"


class Account(Struct, frozen=True, kw_only=True):
    """One budget. Money in nano-dollars, times in seconds since 1970."""

    limit: Limit
    used: int
    reserved: int
    """What open calls may cost, and what is leased ahead for them."""
    granted: int
    """Beside the limit's own amount."""
    resets: float
    """When all that counts now has left the window."""
    pace: float
    grants: tuple[Grant, ...] = ()

    @property
    def amount(self) -> int:
        return self.limit.amount + self.granted

    @property
    def left(self) -> int:
        return self.amount - self.used - self.reserved

    @property
    def share(self) -> float:
        return Share(self.limit, self.used + self.reserved, self.amount).full


def budgets(snapshot: Snapshot, stored: Iterable[Caller]) -> Iterator[Limit]:
    """Of all teams and keys of the file, in its order, then of these keys of the store."""
    teams, keys = snapshot.config.teams, snapshot.config.keys
    found = [limits_of("team", name, team.limits, team.budget) for name, team in teams.items()]
    found += [limits_of("key", key.name, key.limits, key.budget) for key in keys]
    named = {key.name for key in keys}
    others = (limit for caller in stored if caller.name not in named for limit in caller.limits if limit.scope == "key")
    return (limit for limit in chain(*found, others) if limit.kind == "usd")


async def accounts(
    limits: Sequence[Limit], snapshot: Snapshot, coffers: Coffers, book: Open, now: float
) -> list[Account]:
    """Of these budgets. Raises PotsAway, and LedgerError where a pot is not known yet and the ledger cannot be read."""
    orders = [_glance(limit, now) for limit in limits]
    standings = await coffers.renew(_ONLOOKER, orders) if orders else []
    grants = await coffers.grants()
    local = [name for name, backend in snapshot.backends.items() if backend.local]
    found = []
    for limit, standing in zip(limits, standings, strict=True):
        used, reserved = standing.spent(), standing.others + standing.exposures
        if not standing.known:
            used = sum((await asyncio.to_thread(spent_in, book, limit, local, now)).values())
        amount = limit.amount + standing.granted
        account = Account(
            limit=limit,
            used=used,
            reserved=reserved,
            granted=standing.granted,
            resets=windows.resets(limit.window, now),
            pace=Share(limit, used + reserved, amount).pace(now),
            grants=tuple(grant for grant in grants if grant.of == limit.owner),
        )
        found.append(account)
    return found


def account_of(found: Sequence[Account], owner: str) -> Account | None:
    """That of ``team:NAME`` or ``key:NAME``."""
    return next((account for account in found if account.limit.owner == owner), None)


def _glance(limit: Limit, now: float) -> Order:
    """Tells nothing, asks nothing, and leaves a pot that is not known alone."""
    here = windows.slot(limit.window, now)
    return Order(
        pot=limit.id,
        of=limit.owner,
        amount=limit.amount,
        oldest=here.oldest,
        newest=here.newest,
        lasts=2 * (here.end - here.oldest),
        cautious=True,
        stay=False,
    )
