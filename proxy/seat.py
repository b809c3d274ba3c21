"""A worker's seat: the slot and the inherited sockets that its supervisor hands it on the command line."""

from __future__ import annotations

from msgspec import Struct


class Seat(Struct, frozen=True):
    """What the supervisor hands a worker on its command line."""

    slot: int
    workers: int
    control: int
    listen: int
    demo: int

    def words(self) -> list[str]:
        """As arguments for ``python -m proxy.worker``."""
        return [str(self.slot), str(self.workers), str(self.control), str(self.listen), str(self.demo)]

    @classmethod
    def of(cls, words: list[str]) -> Seat:
        return cls(*map(int, words))
