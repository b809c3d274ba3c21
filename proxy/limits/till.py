"""A till: where this worker's stakes of one home are told and renewed, a round at a time, for all who wait together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from proxy.limits.stake import Stake
from proxy.state.pots import Pots, PotsAway

_BEATS = 2
"""Beats in which all holders tell a home that is back what they have used meanwhile, before it leases any more."""


class Till:
    """``told`` hears how each round ended: None, or why the home could not be asked."""

    def __init__(
        self,
        pots: Pots,
        holder: str,
        *,
        told: Callable[[str, str | None], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pots = pots
        self.away: str | None = None
        """Why what holds is what ``state.away`` says: its home could not be asked, has lost what it knew, or is only
        just back. None: it counts."""
        self.answers = True
        """Did the home answer the last time?"""
        self.stakes: dict[str, Stake] = {}
        """By ``Limit.id``."""
        self._holder = holder
        self._told = told
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._begun = self._over = 0
        self._beats_to_go = 0
        self._waiting: set[Stake] = set()

    async def refill(self, stakes: Collection[Stake]) -> None:
        """Returns when a round is over that knew what is wanted of these. For a home that does not answer nobody waits:
        the next beat asks again."""
        mine = self._begun + 1
        self._waiting.update(stakes)
        async with self._turn:
            if self._over < mine and self.answers:
                await self._round({*self._waiting, *stakes})

    async def beat(self, now: float) -> None:
        """Tell and renew what is due, also where nobody waits."""
        async with self._turn:
            due = [stake for stake in self.stakes.values() if stake.due(now)]
            if due or self._waiting or self.away is not None:
                await self._round({*due, *self._waiting})
            if self.answers and self._beats_to_go:
                self._beats_to_go -= 1
                self.away = self.away if self._beats_to_go else None
        for stake in self.stakes.values():
            stake.rest()

    async def leave(self, stakes: Sequence[Stake]) -> None:
        """Tell what is left to be told, and give the leases back."""
        async with self._turn:
            await self._round(set(stakes), stay=False)

    async def _round(self, stakes: set[Stake], *, stay: bool = True) -> None:
        self._waiting = set()
        self._begun += 1
        number, asked = self._begun, [*stakes]
        sent, calm = self._monotonic(), self._beats_to_go == 0
        orders = [stake.order(sent, stay=stay, calm=calm) for stake in asked]
        try:
            answers = await self.pots.renew(self._holder, orders)
        except PotsAway as error:
            self.away, self.answers, self._beats_to_go = str(error), False, _BEATS
        else:
            self.answers = True
            for stake, order, answer in zip(asked, orders, answers, strict=True):
                stake.hear(order, answer, sent, calm=calm)
            if any(stake.lost for stake in asked) and calm:
                self.away, self._beats_to_go = "it has lost what it knew", _BEATS
        self._over = number
        self._told(self.pots.name, self.away)
