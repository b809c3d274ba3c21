"""Station 10, first half: what must outlive the call is stored before its end is released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.call import Attempt, Call
from proxy.pump import Opened

if TYPE_CHECKING:
    from proxy.house import House


async def keep(call: Call, attempt: Attempt, opened: Opened, house: House) -> None:
    """The state of its tool calls, and the turn itself where the client may go on from it."""
    kept = attempt.keeper.kept() if attempt.keeper is not None else {}
    if kept:
        await house.store.keep_calls(call.caller.tenant, kept)
