"""Purses of several workers over one home, on clocks that a test moves, with a home that can be away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from pots_homes import Clock

from policies.limits.leasing import Order, Standing
from policies.limits.limit import MINUTE, NOW, BudgetTerms, Kind, Limit, Window
from proxy.limits.history import History
from proxy.limits.purse import Purse
from proxy.state.pots import Grant, MemoryPots, Pots, PotsAway, SharedBy

MONTH = Window("month")


def limit(kind: Kind, amount: int, *, name: str = "interns", **terms: object) -> Limit:
    window = {"usd": MONTH, "parallel": NOW}.get(kind, MINUTE)
    budget = BudgetTerms(**terms) if kind == "usd" else None  # type: ignore[arg-type]
    return Limit(scope="team", name=name, kind=kind, amount=amount, window=window, budget=budget)


@dataclass
class Book:
    """A ledger that knows one figure."""

    nano: int = 0
    lengths: list[int] = field(default_factory=list)
    asked: int = 0

    def spent(self, *, since: int, team: str | None = None, key: str | None = None, local: Collection[str] = ()) -> int:
        self.asked += 1
        return self.nano

    def outputs(self, alias: str, most: int) -> list[int]:
        return self.lengths

    def close(self) -> None:
        return


class Flaky:
    """A home that can be away: an order is then not heard, or heard and not answered. ``asked`` counts its rounds."""

    name = "flaky"

    def __init__(self, pots: Pots, shared_by: SharedBy = "machine") -> None:
        self.pots = pots
        self.shared_by = shared_by
        self.down: str | None = None
        self.asked = 0

    async def renew(self, holder: str, orders: Sequence[Order]) -> list[Standing]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down == "unheard":
            raise PotsAway("unheard")
        found = await self.pots.renew(holder, orders)
        if self.down == "unanswered":
            raise PotsAway("unanswered")
        return found

    async def first(self, mark: str, until: int) -> bool:
        raise PotsAway("no marks here")

    async def grant(self, grant: Grant) -> None:
        raise PotsAway("no grants here")

    async def revoke(self, grant_id: str) -> bool:
        raise PotsAway("no grants here")

    async def grants(self) -> list[Grant]:
        return []

    async def close(self) -> None:
        return


@dataclass
class Heard:
    """What the purses told of their rounds and refusals."""

    rounds: list[str | None] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def purse(
    home: Flaky, clock: Clock, book: Book, heard: Heard | None = None, *, wall: Clock | None = None, apart: bool = False
) -> Purse:
    """``wall``: where the clock on the wall is another. ``apart``: one worker alone, whose rates are in its memory."""
    told = heard or Heard()
    open_book: Callable[[], Book] = lambda: book  # noqa: E731
    return Purse(
        MemoryPots(clock) if apart else home, home, History(open_book), told=lambda _, why: told.rounds.append(why),
        refused=told.refused.append, clock=wall or clock, monotonic=clock,
    )  # fmt: skip
