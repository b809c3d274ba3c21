"""Station 4, first half: what a decision looks at beside the request and the house, found out before the rules run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.call import Call
from proxy.limits.drawing import look
from proxy.outside import told_class
from proxy.threads import home_of

if TYPE_CHECKING:
    from proxy.house import House


async def look_around(call: Call, house: House) -> None:
    """Sets ``call.home`` (where its thread was answered before) and ``call.outside`` (the class that the operator's
    hook or a header gives); and hears of the caller's budgets, where that was not done lately."""
    call.home = await home_of(call, house)
    call.outside = await told_class(call, house)
    await look(call, house)
