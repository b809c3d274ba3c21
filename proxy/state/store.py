"""What outlives a call, tenant by tenant: stored turns, and vendor state by tool call. One interface, several homes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from policies.sticky import Answered

MOST_TURNS = 1000
"""Turns of one thread; a longer one cannot be gone on from."""


class Turn(Struct, frozen=True, kw_only=True):
    """One stored response, as Responses tells it."""

    id: str
    tenant: str
    created: int
    """Wall clock, whole seconds."""
    previous: str | None = None
    """The id of the turn before it."""
    input: tuple[msgspec.Raw, ...]
    """The items that the client sent with this turn, without those of turns before it."""
    response: bytes
    """The response object, as the client got it."""
    home: Answered | None = None
    """Who answered, for the turn that goes on from this one."""
    data_class: frozenset[str] = frozenset()
    """What whoever refers to it inherits."""
    call: str | None = None
    """The request that made it, as the ledger knows it."""


class Store(Protocol):
    """Every method is scoped to one tenant; what another tenant stored does not exist. All raise StoreFailed."""

    trouble: str | None
    """Why nothing can be stored now, as far as is known; it is found out by itself when that is over."""
    retention: float
    """Seconds that a turn or a state is found; older ones are dropped in the background. A reload may change it."""

    async def keep_turn(self, turn: Turn, items: Collection[str] = ()) -> None:
        """Store it, durably, before returning. ``items``: the ids under which ``turns_with`` finds it."""
        ...

    async def turn(self, tenant: str, id: str) -> Turn | None: ...  # noqa: A002 - the wire's own word

    async def turns_with(self, tenant: str, items: Collection[str], *, most: int) -> list[Turn]:
        """The turns that hold one of these items, the oldest first; for each item the turn that was stored last.
        ``most``: bytes of them all. Raises ThreadTooLong."""
        ...

    async def thread(self, tenant: str, id: str, *, most: int) -> list[Turn] | None:  # noqa: A002
        """This turn and all before it, the oldest first; None when one of them is gone. ``most``: bytes of them all.
        Raises ThreadTooLong."""
        ...

    async def forget_turn(self, tenant: str, id: str) -> bool:  # noqa: A002
        """True when it was there."""
        ...

    async def keep_calls(self, tenant: str, states: Mapping[str, bytes]) -> None:
        """Vendor state by tool call id (adapters.states.Kept, encoded)."""
        ...

    async def calls(self, tenant: str, ids: Sequence[str]) -> dict[str, bytes]:
        """What is known of these tool calls."""
        ...

    async def mark(self, tenant: str, ids: Collection[str], data_class: Collection[str]) -> None:
        """These tool calls hold data of these classes, besides those that they were marked with before."""
        ...

    async def marked(self, tenant: str, ids: Sequence[str]) -> frozenset[str]:
        """All classes that any of these tool calls was marked with."""
        ...

    @property
    def has_marks(self) -> bool | None:
        """Is there any mark at all? As far as is known without looking; None: another machine may have made one."""
        ...

    async def keep_thread(self, tenant: str, names: Sequence[bytes], last: Answered) -> None:
        """Who answered the thread that goes by these names; found for a day at most."""
        ...

    async def thread_home(self, tenant: str, names: Sequence[bytes]) -> Answered | None:
        """Who answered last, by the first of these names that is known."""
        ...

    async def look(self) -> None:
        """Once a second, so that no call has to find out how it is."""
        ...

    def close(self) -> None: ...


class StoreFailed(Exception):  # noqa: N818 - a fact about the disk, not about the request
    """The store could not be read or written; the message says why."""


class ThreadTooLong(Exception):  # noqa: N818 - a fact about the thread
    """The thread has more turns or bytes than may be gone on from."""
