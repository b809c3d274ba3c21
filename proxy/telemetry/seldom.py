"""Log lines that many causes would repeat: each is written once in a while, and says how many it stands for."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct


class _Kept(Struct):
    due: float
    held: int = 0


class Seldom:
    """One line for each kind, every so many seconds."""

    def __init__(self, seconds: float = 10.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kinds: dict[str, _Kept] = {}

    def count(self, kind: str) -> int:
        """How many the line that is to be written now stands for, this one included; 0: write none. Kinds are few."""
        now, kept = self._clock(), self._kinds.get(kind)
        if kept is None:
            kept = self._kinds[kind] = _Kept(now)
        kept.held += 1
        if now < kept.due:
            return 0
        told, kept.held, kept.due = kept.held, 0, now + self._seconds
        return told
