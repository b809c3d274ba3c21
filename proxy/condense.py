"""Station 6, before the first draw: old turns are shortened by a cheap model where that pays (a child call)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.call import Call

if TYPE_CHECKING:
    from proxy.house import House


async def condense(call: Call, house: House) -> None:
    """Changes the request of a call whose rule says ``condense`` and whose guard finds that it pays."""
