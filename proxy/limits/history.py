"""Budgets and the ledger: a pot that is not known begins with what its window has cost, and is looked after later.

What a process had spent and not told when it died stands in the ledger all the same, so that nothing is lost for good:
each pot is compared with the ledger when this worker first draws from it, once its predecessor's leases have ended, and
every hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import structlog

from policies.limits.leasing import LEASE
from proxy.ledger.schema import LedgerError
from proxy.limits.outputs import MOST, Outputs
from proxy.limits.past import Open, spent_in
from proxy.limits.stake import Stake
from proxy.limits.till import Till

_SOON = LEASE + 5.0
_LATER = 3600.0
"""Seconds until a pot is compared with the ledger again."""
_log = structlog.get_logger("limits")


class History:
    """Asks the ledger, in a thread, one question at a time."""

    def __init__(self, book: Open) -> None:
        self.local: Collection[str] = ()
        """The backends whose cost ``counts: cloud`` leaves out."""
        self._book = book
        self._turn = asyncio.Lock()
        self._seeding: set[Stake] = set()

    async def seed(self, stake: Stake, till: Till, clock: Callable[[], float]) -> None:
        """Returns when the stake is seeded, or its home is away."""
        self._seeding.add(stake)
        try:
            async with self._turn:
                if stake.seeded:
                    return
                await till.refill([stake])
                if till.answers and not stake.seeded:
                    await self._raise(stake, clock())
                    await till.refill([stake])
        finally:
            self._seeding.discard(stake)

    def seeding(self, stake: Stake) -> bool:
        """Is somebody about to?"""
        return stake in self._seeding

    async def audit(self, till: Till, clock: Callable[[], float], now: float) -> None:
        """Compare what is due with the ledger; what the pots have missed is told with the next beat. ``now``: monotonic
        seconds."""
        for stake in [*till.stakes.values()]:
            if not stake.seeded or not till.answers or now < stake.audit_at:
                continue
            if stake.audit_at:
                await self._raise(stake, clock())
            stake.audit_at = now + (_LATER if stake.audit_at else _SOON)

    async def outputs(self, outputs: Outputs, alias: str) -> None:
        """How long this alias's answers were before this worker began."""
        try:
            found = await asyncio.to_thread(self._outputs, alias)
        except LedgerError as error:
            _log.warning("limits.ledger", why=str(error), mend="answers are taken to be as long as their calls allow")
            return
        outputs.seed(alias, found)

    def _outputs(self, alias: str) -> list[int]:
        book = self._book()
        try:
            return book.outputs(alias, MOST)
        finally:
            book.close()

    async def _raise(self, stake: Stake, wall: float) -> None:
        """What is to be told to the pot, so that it has all that the ledger has."""
        try:
            past = await asyncio.to_thread(spent_in, self._book, stake.limit, self.local, wall)
        except LedgerError as error:
            mend = "mend the ledger; until the next hour this budget counts what its pot knows"
            _log.error("limits.ledger", budget=stake.limit.owner, why=str(error), mend=mend)
            past = {}
        stake.raised = missing(stake, past)


def missing(stake: Stake, past: dict[int, int]) -> tuple[tuple[int, int], ...]:
    """(slot, at least so much) by which the pot has all that the ledger has (and, where it was lost, what it had); what
    others have leased may be on its way to the pot. ``past``: slot -> nano-dollars."""
    standing = stake.standing
    start = stake.slot.start
    if standing is None or not standing.known or stake.lost:
        told = stake.slots(stake.recalled)
        recalled = {slot: amount - stake.retold.get(slot, 0) for slot, amount in told.items()}
        every = {*past, *recalled, start}
        return tuple((slot, max(past.get(slot, 0), recalled.get(slot, 0))) for slot in every)
    lost = sum(past.values()) - standing.spent() - standing.others - standing.exposures
    return ((start, standing.used.get(start, 0) + max(lost, 0)),)
