"""A worker's seat: the slot and the inherited descriptors that its supervisor hands it on the command line."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class Seat(Struct, frozen=True):
    """What the supervisor hands a worker on its command line."""

    slot: int
    workers: int
    control: int
    listen: int
    demo: int
    counts: int
    """Of the page in which workers tell each other their calls in flight (``state.counts``)."""

    def words(self) -> list[str]:
        """As arguments for ``python -m proxy.worker``."""
        return list(map(str, msgspec.structs.astuple(self)))

    @classmethod
    def of(cls, words: list[str]) -> Seat:
        return cls(*map(int, words))
