"""Who is next where many wait: the tenants in turn, and of each the one who came first."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A tenant that sends a hundred calls makes another one's single call wait for one of them, not for a hundred."""

    __slots__ = ("_tenants",)

    def __init__(self) -> None:
        self._tenants: dict[str, deque[T]] = {}
        """In the order of their turns; none is empty."""

    def __len__(self) -> int:
        return sum(map(len, self._tenants.values()))

    def add(self, tenant: str, item: T) -> None:
        """A tenant that waits for nothing yet is the last to have its turn. An item is in the queue at most once."""
        self._tenants.setdefault(tenant, deque()).append(item)

    @property
    def first(self) -> T | None:
        """Who is next; nobody who comes later changes that."""
        tenant = next(iter(self._tenants), None)
        return None if tenant is None else self._tenants[tenant][0]

    def served(self, tenant: str, item: T) -> None:
        """Its wait has led somewhere: the tenant's next turn is after everybody else's."""
        self.leave(tenant, item)
        if tenant in self._tenants:
            self._tenants[tenant] = self._tenants.pop(tenant)

    def leave(self, tenant: str, item: T) -> None:
        """It waits no longer, and its tenant keeps its turn. Nothing where it is not there."""
        waiting = self._tenants.get(tenant)
        if waiting is None or item not in waiting:
            return
        waiting.remove(item)
        if not waiting:
            del self._tenants[tenant]
