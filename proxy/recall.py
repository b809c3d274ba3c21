"""Station 3, second half: ``previous_response_id`` is replaced by the thread that it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.call import Call

if TYPE_CHECKING:
    from proxy.house import House


async def recall(call: Call, house: House) -> None:
    """Put the stored thread before the new input. Raises Rejected (400) for a turn that is not there."""
