"""At which price a target is reckoned with before it answers; what has none is dear, or is left out, never free."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from policies.limits import refusing
from policies.limits.reserving import FREE, Bill, Size, bill
from policies.pricing import Price
from policies.tariff import unusual
from policies.verdict import Target
from proxy.call import Call
from proxy.limits.stake import Stake

if TYPE_CHECKING:
    from proxy.house import House


class Charge(Struct, frozen=True):
    """``owed``: what the call may cost at this price. Without a price it is known, and counted, when the call is over:
    a machine's time."""

    owed: Bill
    price: Price | None = None


class Unpriced(Exception):  # noqa: N818 - a fact about the sheet
    """Nobody knows what this target costs, and a budget counts it; the words say whose, and the mend."""


async def charge(call: Call, target: Target, size: Size, counting: Sequence[Stake], house: House) -> Charge:
    """Raises Unpriced."""
    by_time = call.snapshot.backends[target.backend].machine is not None
    price = house.price(call.snapshot, target, house.purse.clock()) if by_time else await _told(call, target, house)
    owed = bill(size, price) if price is not None else None
    if owed is not None:
        return Charge(owed, price)
    if by_time:
        return Charge(FREE)
    barred = next((stake for stake in counting if not _assumes(stake)), None)
    if barred is None:
        dearest = partial(house.prices.dearest, target.upstream.provider, now=house.purse.clock())
        price = (await asyncio.to_thread(dearest)).price
        owed = bill(size, price) if price is not None else None
        if owed is not None:
            return Charge(owed, price)
    raise Unpriced(refusing.unpriced((barred or counting[0]).limit))


async def _told(call: Call, target: Target, house: House) -> Price | None:
    """The operator's price or the sheet's, of the tier that the call asks for."""
    own, upstream, tier = call.snapshot.backends[target.backend].price, target.upstream, _tier(call)
    if own is not None:
        return own.of(tier)
    ask = partial(
        house.prices.quote,
        upstream.provider,
        upstream.model,
        now=house.purse.clock(),
        tier=tier,
        local=target.local,
    )
    asked = (upstream.provider, upstream.model, tier)
    if target.local or asked in house.purse.priced:
        return ask().price
    # The sheet is loaded at its first look-up, which would hold up the loop.
    found = await asyncio.to_thread(ask)
    house.purse.priced.add(asked)
    return found.price


def _assumes(stake: Stake) -> bool:
    return stake.limit.budget is not None and stake.limit.budget.on_unknown_price == "assume"


def _tier(call: Call) -> str | None:
    """The service tier that is asked for, where it is not the usual one."""
    if call.api.dialect is None or ("service_tier" not in call.top and not call.changed):
        return None
    return unusual(call.request().service_tier)
