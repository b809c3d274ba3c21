"""The time of the operator's own machines, shared among the calls in flight there: who had how much of it.

Of one worker's calls the shares are exact. Several workers tell each other how many calls they have at each machine
(``Seen``), and look again at least ten times a second: what one has not yet seen of the others it charges its own calls
too much or too little, and on the average nothing. What other hosts send to the same machine nobody sees, and its
calls are charged as if they were alone here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from policies.machine import Learned, expected, learned
from policies.pricing import Price

if TYPE_CHECKING:
    from proxy.attempt import Attempt
    from proxy.snapshot import Backend

Post: TypeAlias = Callable[[Callable[[], Awaitable[None]]], bool]

_LOOK = 0.1
"""Seconds between two looks at the other workers' calls, while there are any of our own."""
_FINE = 32
"""Bits below the nanosecond, so that what a division leaves over never adds up to one."""


class Seen(Protocol):
    """The calls in flight at a machine, as workers tell each other. ``place`` is the machine's (``Machine.place``)."""

    def tell(self, place: str, calls: int) -> None:
        """So many are this worker's."""
        ...

    def others(self, place: str) -> int:
        """So many are the other workers', as far as they have told."""
        ...


class Clock:
    """One machine: the integral of the time that each call in flight gets. Times in whole nanoseconds."""

    __slots__ = ("area", "at", "calls", "others")

    def __init__(self) -> None:
        self.area = 0
        """In 2**-32 nanoseconds."""
        self.at = 0
        self.calls = 0
        self.others = 0

    def run(self, now: int) -> None:
        """Up to ``now`` everything was as it was."""
        if self.calls:
            self.area += (max(now - self.at, 0) << _FINE) // (self.calls + self.others)
        self.at = now

    def enter(self, now: int) -> int:
        """One call more; the mark that it leaves by."""
        self.run(now)
        self.calls += 1
        return self.area

    def leave(self, mark: int, now: int) -> int:
        """One call less; its share, in nanoseconds."""
        self.run(now)
        self.calls -= 1
        return (self.area - mark) >> _FINE


class Machines:
    """Every machine that a worker's calls are charged for. They outlive reloads (D12)."""

    def __init__(self, post: Post) -> None:
        """``post`` takes an errand."""
        self._post = post
        self._seen: Seen | None = None
        self._clocks: dict[str, Clock] = {}
        self._learned: dict[str, Learned] = {}
        self._looking = False

    def share(self, seen: Seen) -> None:
        """There are other workers, and this is how they tell each other."""
        self._seen = seen

    def enter(self, attempt: Attempt) -> None:
        """A call is about to be sent; if its backend is a machine, it has a share in it from now on."""
        machine = attempt.backend.machine
        if machine is None:
            return
        clock = self._clocks.get(machine.place)
        if clock is None:
            clock = self._clocks[machine.place] = Clock()
        attempt.entered = clock.enter(time.monotonic_ns())
        if self._seen is not None:
            self._tell(machine.place, clock, self._seen)

    def leave(self, attempt: Attempt) -> None:
        """It has ended, well or not: its share stands. Nothing for one that never entered or has left before."""
        machine = attempt.backend.machine
        if attempt.entered is None or machine is None:
            return
        clock = self._clocks[machine.place]
        attempt.machine_time = clock.leave(attempt.entered, time.monotonic_ns())
        attempt.entered = None
        if self._seen is not None:
            self._tell(machine.place, clock, self._seen)

    def learn(self, attempt: Attempt) -> None:
        """What an answered call took, for the prices that decisions go by."""
        if attempt.machine_time is not None and attempt.usage is not None and attempt.failure is None:
            name = attempt.backend.name
            self._learned[name] = learned(self._learned.get(name, Learned()), attempt.machine_time, attempt.usage)

    def price(self, backend: Backend) -> Price | None:
        """An estimate of what a token will cost there, by the calls so far; None before there were a few, and where it
        is no machine."""
        seen = self._learned.get(backend.name)
        return None if seen is None or backend.machine is None else expected(seen, backend.machine)

    def _tell(self, place: str, clock: Clock, seen: Seen) -> None:
        seen.tell(place, clock.calls)
        clock.others = seen.others(place)
        if clock.calls and not self._looking:
            self._looking = self._post(partial(self._look, seen))

    async def _look(self, seen: Seen) -> None:
        """While calls of ours are in flight, see how many others come and go."""
        try:
            while any(clock.calls for clock in self._clocks.values()):
                await asyncio.sleep(_LOOK)
                now = time.monotonic_ns()
                for place, clock in self._clocks.items():
                    clock.run(now)
                    clock.others = seen.others(place)
        finally:
            self._looking = False
