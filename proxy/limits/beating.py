"""Every second the purse tells what was spent and renews its leases; now and then it is compared with the ledger."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from proxy.errands import Errands
from proxy.limits.purse import Purse
from proxy.limits.stake import Stake
from proxy.state.pots import PotsAway
from proxy.telemetry.observer import Telemetry

if TYPE_CHECKING:
    from proxy.house import House

BEAT = 1.0
_AUDIT = 5.0
"""Seconds between two rounds."""


def start(house: House) -> None:
    """From now on, as long as the house serves."""
    house.errands.every(BEAT, lambda: beat(house.purse, house.telemetry, house.errands))
    house.errands.every(_AUDIT, lambda: audit(house.purse))


async def beat(purse: Purse, telemetry: Telemetry, errands: Errands) -> None:
    """Tell, renew, give up what is idle, and say once when a budget has passed its soft mark. Nothing here waits for
    the ledger."""
    now = purse.monotonic()
    for till in purse.tills:
        idle = [stake for stake in till.stakes.values() if stake.idle(now)]
        if idle and till.away is None:
            await till.leave(idle)
            purse.forget(till, [stake for stake in idle if stake.idle(purse.monotonic()) and not stake.wanted])
        await till.beat(now)
    for stake in [*purse.budgets.stakes.values()]:
        if not stake.seeded and purse.budgets.answers and not stake.idle(now) and not purse.past.seeding(stake):
            errands.post(partial(purse.past.seed, stake, purse.budgets, purse.clock))
        if _passed(stake):
            await _warn(stake, purse, telemetry)


async def audit(purse: Purse) -> None:
    """Compare the budgets with the ledger, as each is due."""
    await purse.past.audit(purse.budgets, purse.clock, purse.monotonic())


def _passed(stake: Stake) -> bool:
    """Has it passed its soft mark in this window, for the first time as far as this worker knows?"""
    terms, share = stake.limit.budget, stake.share
    if terms is None or terms.soft is None or stake.standing is None or stake.warned == stake.slot.start:
        return False
    return share.used >= terms.soft * share.amount


async def _warn(stake: Stake, purse: Purse, telemetry: Telemetry) -> None:
    slot = stake.slot
    span = slot.end - slot.oldest
    mark = f"{stake.limit.id}:{slot.start // span if stake.limit.window.span == 'rolling' else slot.start}"
    try:
        first = await purse.coffers.first(mark, int(purse.clock()) + 2 * span)
    except PotsAway:
        return
    stake.warned = slot.start
    if first:
        telemetry.budget_soft(stake.share)
