"""What old texts were shortened to, and how well, remembered: a thread's prefix stays byte for byte what is cached.

In this process only, bounded, and never written anywhere: it is what callers said.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec import Struct

MOST_BYTES = 16 * 1024 * 1024
"""Of all remembered texts together; the one that was not asked for the longest goes first."""
_OVERHEAD = 300
"""About the bytes of an entry beside its text."""
_FRESH = 600.0
"""Seconds that the skill of a backend is held against it; then it is tried again."""
_WEIGHT = 0.5
"""Of the newest result beside all before it."""


class Entry(Struct, frozen=True):
    """``text`` is "" where the original must stay. ``classes``: the data classes of what it was made from."""

    text: str
    classes: frozenset[str]


class Condensed:
    """Keys name a text together with its owner and all that stands before it (``policies.condensing.condensable``)."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._shares: dict[str, tuple[float, float]] = {}

    def share(self, backend: str, now: float) -> float | None:
        """Of what it was given to shorten, the share that was left lately; what could not be used is left whole. None:
        nobody knows. ``now``: monotonic seconds."""
        share, at = self._shares.get(backend, (0.0, now - _FRESH))
        return share if now - at < _FRESH else None

    def observe(self, backend: str, share: float, now: float) -> None:
        """One more result."""
        before = self.share(backend, now)
        mean = share if before is None else before + _WEIGHT * (share - before)
        self._shares[backend] = (mean, now)

    def get(self, key: str, classes: frozenset[str]) -> str | None:
        """The text for a call of these data classes; None: not known, or made from data that is more restricted."""
        entry = self._entries.get(key)
        if entry is None or not entry.classes <= classes:
            return None
        self._entries.move_to_end(key)
        return entry.text

    def put(self, key: str, text: str, classes: frozenset[str]) -> None:
        """Remember it, and forget the oldest where there is no room."""
        self._forget(self._entries.pop(key, None))
        self._entries[key] = Entry(text, classes)
        self._size += _size(self._entries[key])
        while self._size > self._most and self._entries:
            self._forget(self._entries.popitem(last=False)[1])

    def _forget(self, entry: Entry | None) -> None:
        self._size -= _size(entry) if entry is not None else 0


def _size(entry: Entry) -> int:
    return len(entry.text.encode("utf-8", "surrogatepass")) + _OVERHEAD
