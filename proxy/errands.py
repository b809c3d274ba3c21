"""What goes on beside the calls of one worker, each with an owner: late counts, leases, keys that were changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

Work = Callable[[], Awaitable[None]]
MOST = 1000
"""Errands that wait or are under way; beyond that a new one is not taken."""


class Errands:
    """Runs as long as the house serves. ``crashed`` hears of an errand that fails by a defect of ours."""

    def __init__(self, crashed: Callable[[BaseException], None]) -> None:
        self._crashed = crashed
        self._posted: asyncio.Queue[Work] = asyncio.Queue(MOST)
        self._regular: list[tuple[float, Work]] = []
        self._under_way = 0

    def post(self, work: Work) -> bool:
        """Do this soon; False: too much is waiting already."""
        if self._posted.full() or self._under_way >= MOST:
            return False
        self._posted.put_nowait(work)
        return True

    def every(self, seconds: float, work: Work) -> None:
        """Do this again and again, from ``run`` on, with so many seconds between, a tenth more or less."""
        self._regular.append((seconds, work))

    async def run(self) -> None:
        """Until it is cancelled, which ends every errand."""
        async with asyncio.TaskGroup() as group:
            for seconds, work in self._regular:
                group.create_task(self._again(seconds, work))
            while True:
                work = await self._posted.get()
                self._under_way += 1
                group.create_task(self._once(work)).add_done_callback(self._done)

    def _done(self, _: asyncio.Task[None]) -> None:
        self._under_way -= 1

    async def _again(self, seconds: float, work: Work) -> None:
        while True:
            await self._once(work)
            # Workers that began together do not ask together for ever: not of a store that is just back, either.
            await asyncio.sleep(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, not a secret

    async def _once(self, work: Work) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the outermost door of what no client waits for
            self._crashed(error)
