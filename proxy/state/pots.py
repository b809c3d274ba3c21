"""Pots: what is used of each limit, and leased to whom. One interface; the memory of a single worker is one home."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from policies.limits.leasing import Order, Pot, Standing, renew, unknown

SharedBy: TypeAlias = Literal["worker", "machine", "machines"]
"""Who draws from the same pots: one worker alone, all of one machine, or those of several."""


class PotsAway(Exception):  # noqa: N818 - a fact about the store, not about the request
    """The pots cannot be asked now; the message says why."""


class Pots(Protocol):
    """Every method may take a while, and raises PotsAway."""

    name: str
    """For metrics and the log: ``memory`` | ``sqlite`` | ``redis``."""
    shared_by: SharedBy

    async def renew(self, holder: str, orders: Sequence[Order]) -> list[Standing]:
        """Tell what was spent, and have each lease anew: one answer an order. Every pot is changed as a whole."""
        ...

    async def close(self) -> None: ...


class Grant(Struct, frozen=True, kw_only=True):
    """Money beside a budget, until a day (``turnout budget grant``)."""

    id: str
    of: str
    """``Limit.owner``."""
    nano_usd: int
    until: int
    """Seconds since 1970."""


class Coffers(Pots, Protocol):
    """The pots of budgets, which outlive us, and what was granted beside them."""

    async def first(self, mark: str, until: int) -> bool:
        """Does anybody come with this mark for the first time? It is remembered until then (seconds since 1970)."""
        ...

    async def grant(self, grant: Grant) -> None: ...

    async def revoke(self, grant_id: str) -> bool:
        """True when it was there."""
        ...

    async def grants(self) -> list[Grant]:
        """Those that still hold, the one that ends first at the front."""
        ...


class MemoryPots:
    """For one worker alone: exact, and gone with it."""

    name = "memory"
    shared_by: SharedBy = "worker"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pots: dict[str, Pot] = {}

    async def renew(self, holder: str, orders: Sequence[Order]) -> list[Standing]:
        return [self._renew(holder, order) for order in orders]

    def _renew(self, holder: str, order: Order) -> Standing:
        pot = self._pots.setdefault(order.pot, Pot())
        if not pot.used and order.cautious and not order.raised:
            return unknown(order, granted=0)
        found = renew(pot, holder, order, now=self._clock(), granted=0)
        if not pot.used and not pot.leases:
            del self._pots[order.pot]
        return found

    async def close(self) -> None:
        return
