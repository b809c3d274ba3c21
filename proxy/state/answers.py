"""The answers that a worker keeps: in its own memory, bounded in bytes, the least used let go first.

Each worker has its own, so that with several an answer may be asked for once in each. Nothing is written to a disk.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from msgspec import Struct

from adapters import ir
from adapters.recording import Recording
from policies.caching import Caching, Wish
from policies.verdict import Target

SHARE = 8
"""An answer larger than an eighth of all is not kept: it would push out too many others."""
_OVERHEAD = 1024
"""Bytes that an entry takes beside its events: the key, the names, Python's own."""


class Kept(Struct, frozen=True, kw_only=True):
    """One answer. ``events`` is ``adapters.recording``'s."""

    request_id: str
    at: float
    """When it was whole, monotonic seconds."""
    until: float
    """When the rule that kept it would let go of it, monotonic seconds."""
    target: Target
    """Who gave it: it is given again only while a decision would ask the very same."""
    model: str
    """What that upstream called its model."""
    effort: str | None = None
    dropped: str = ""
    condensed: str | None = None
    """It answers a request whose old text was shortened: ``1500>100``."""
    finish: str | None = None
    usage: ir.Usage | None = None
    """What it took to make it, for what a baseline would have charged."""
    events: bytes = b""

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.events) + len(self.dropped) + _OVERHEAD

    def age(self, now: float) -> float:
        """Seconds."""
        return max(now - self.at, 0.0)


@dataclass(slots=True)
class Flight:
    """A question that is being asked, for all who ask it meanwhile."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    kept: Kept | None = None

    def land(self, kept: Kept | None) -> None:
        """Everybody who waits goes on, with this answer or without one; the first landing holds."""
        if not self.over.is_set():
            self.kept = kept
            self.over.set()


@dataclass(slots=True)
class Lookup:
    """What one call has to do with the cache, where its rule asks for it."""

    told: str
    """``x-turnout-cache``: ``hit; age=12``, ``miss``, ``bypass; tools``; empty while it is not known."""
    key: bytes | None = None
    """Under which its answer is kept; None: it is not."""
    largest: int = 0
    """Bytes of an answer that is kept."""
    kept: Kept | None = None
    """The answer that it was given."""
    flight: Flight | None = None
    """That it leads."""
    waits: bool = False
    """For the answer to the same question, which another call has asked."""

    def recording(self) -> Recording | None:
        """For one attempt, if its answer is to be kept."""
        return Recording(self.largest) if self.key is not None else None


class Answers:
    """Key -> answer. Times are monotonic seconds, handed in."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._most = 0
        self.size = 0
        """Bytes."""
        self.flights: dict[bytes, Flight] = {}

    def resize(self, most: int) -> None:
        """From now on at most so many bytes."""
        self._most = most
        self._make_room()

    @property
    def largest(self) -> int:
        """Bytes of the largest answer that is kept."""
        return self._most // SHARE

    def find(self, key: bytes) -> Kept | None:
        """The answer under this key, used now. Whether it is ``fresh`` is for its reader to say."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def drop(self, key: bytes) -> None:
        """Let go of this answer, if it is here."""
        gone = self._kept.pop(key, None)
        self.size -= gone.size if gone is not None else 0

    def put(self, key: bytes, kept: Kept) -> bool:
        """Keep it in the place of what was there; False: it is too large."""
        self.drop(key)
        if kept.size > self.largest:
            return False
        self._kept[key] = kept
        self.size += kept.size
        self._make_room(kept.at)
        return True

    def _make_room(self, now: float = 0.0) -> None:
        """The least used go: those that are too old, and as many as are too many."""
        while self._kept and (self.size > self._most or next(iter(self._kept.values())).until <= now):
            _, gone = self._kept.popitem(last=False)
            self.size -= gone.size


def fresh(kept: Kept, rule: Caching, wish: Wish, now: float) -> bool:
    """May it still be given, by the rule in force and by what this client takes?"""
    age = kept.age(now)
    return age < rule.ttl and (wish.age is None or age <= wish.age)
