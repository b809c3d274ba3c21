"""The metrics of all workers, gathered by the one that is asked for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

import msgspec

from proxy.control import Counted, Scrape
from proxy.seat import Seat
from proxy.telemetry.metrics import Meters, Series, decode_snapshot, encode_snapshot

_PATIENCE = 0.5
"""Seconds that a worker may take to tell its metrics; one that is just being restarted tells none."""


class Scrapes:
    """The questions of one worker to all others, and its answers to theirs."""

    def __init__(self, seat: Seat, say: Callable[[Scrape | Counted], None]) -> None:
        self._seat = seat
        self._say = say
        self._numbers = count()
        self._open: dict[int, asyncio.Queue[list[Series]]] = {}

    async def others(self) -> list[list[Series]]:
        """What the other workers have counted until now."""
        if self._seat.workers == 1:
            return []
        number, told = next(self._numbers), asyncio.Queue[list[Series]]()
        self._open[number] = told
        self._say(Scrape(self._seat.slot, number))
        found: list[list[Series]] = []
        try:
            async with asyncio.timeout(_PATIENCE):
                while len(found) < self._seat.workers - 1:
                    found.append(await told.get())
        except TimeoutError:
            pass
        finally:
            del self._open[number]
        return found

    def answer(self, asked: Scrape, meters: Meters) -> None:
        """Tell another worker what this one has counted."""
        self._say(Counted(asked.slot, asked.number, msgspec.Raw(encode_snapshot(meters.snapshot()))))

    def heard(self, told: Counted) -> None:
        """Another worker's answer; whoever asked may have stopped waiting."""
        waiting = self._open.get(told.number)
        if waiting is not None:
            waiting.put_nowait(decode_snapshot(told.series))
