"""The three homes of pots, each empty and on clocks that a test can move where it has any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from policies.limits.leasing import Order
from proxy.state.pots import MemoryPots, Pots
from proxy.state.pots_redis import RedisPots
from proxy.state.pots_sqlite import SqlitePots


@dataclass
class Clock:
    """Seconds; it moves when it is told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Home:
    """One home. ``clock`` is what its leases end by; None: Redis has its own."""

    name: str
    folder: Path
    url: str
    clock: Clock | None = field(default_factory=Clock)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Pots]:
        pots: Pots
        if self.name == "memory":
            pots = MemoryPots(self.clock or Clock())
        elif self.name == "sqlite":
            pots = SqlitePots(self.folder / f"{uuid4().hex}.db", monotonic=self.clock or Clock())
        else:
            self.clock = None
            pots = RedisPots(self.url)
        try:
            yield pots
        finally:
            await pots.close()


def order(pot: str, amount: int = 100, **more: object) -> Order:
    told = {"newest": 2**40, **more}
    return Order(pot=pot, of="team:interns", amount=amount, **told)  # type: ignore[arg-type]
