"""How many calls each worker has at each machine: a page of memory that the workers of one supervisor share.

The supervisor hands every worker the same file, which has no name. Nothing of it outlives them: what a worker that died
has left there is wiped by the one that takes its place.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from hashlib import sha256

_ROWS = 256
"""Machines; one more than so many since the start is counted by each worker for itself."""
_WORD = 8
"""Bytes."""


def room(workers: int) -> int:
    """Bytes that these take of the file: whole pages."""
    size = _ROWS * (workers + 1) * _WORD
    return -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY


class Shared:
    """One worker's view of it. Each row is a machine: its mark, and a cell for each worker, which alone writes it."""

    def __init__(self, descriptor: int, slot: int, workers: int) -> None:
        """``descriptor``: of the file. ``slot``: which worker this is, from 0."""
        self._descriptor, self._slot, self._workers = descriptor, slot, workers
        size = _ROWS * (workers + 1) * _WORD
        # It only ever grows: others may have mapped what lies behind.
        os.posix_fallocate(descriptor, 0, size)
        self._cells = memoryview(mmap.mmap(descriptor, size)).cast("q")
        self._rows: dict[str, int | None] = {}
        for row in range(_ROWS):
            self._cells[self._cell(row)] = 0

    def tell(self, place: str, calls: int) -> None:
        """This worker has so many calls in flight at the machine at ``place``."""
        row = self._row(place)
        if row is not None:
            self._cells[self._cell(row)] = calls

    def others(self, place: str) -> int:
        """The calls that the other workers have there."""
        row = self._row(place)
        if row is None:
            return 0
        first = row * (self._workers + 1) + 1
        return sum(self._cells[first : first + self._workers]) - self._cells[first + self._slot]

    def _cell(self, row: int) -> int:
        return row * (self._workers + 1) + 1 + self._slot

    def _row(self, place: str) -> int | None:
        if place not in self._rows:
            self._rows[place] = self._claimed(place)
        return self._rows[place]

    def _claimed(self, place: str) -> int | None:
        """The row of this machine, by whichever worker was the first to ask; None: they are all taken."""
        mark = int.from_bytes(sha256(place.encode()).digest()[:7], "big") + 1
        # A lock of the process, held for microseconds once a machine: the descriptor is the same open file everywhere.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            for step in range(_ROWS):
                row = (mark + step) % _ROWS
                at = row * (self._workers + 1)
                if self._cells[at] in (0, mark):
                    self._cells[at] = mark
                    return row
            return None
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
