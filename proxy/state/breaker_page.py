"""Breakers that the workers of one machine share: rows beside their calls in flight, in the same file without a name.

A monotonic clock is the same for all processes of a machine, so its times are written as they are.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256

from policies.health import CAUSES, LONGEST
from proxy.breakers import News, Opening
from proxy.state.memory import Key

_ROWS = 256
"""Backends; one more than so many since the start is known to each worker alone."""
_MARK, _UNTIL, _PAUSE, _CAUSE, _PROBER, _SINCE, _WORDS = range(7)
"""Of a row: whose it is; the end of its pause, or 0 (nanoseconds); milliseconds; place in ``CAUSES``; which worker
probes, from 1, and since when."""
_WORD = 8
"""Bytes."""
_NANO = 10**9


class BreakerPage:
    """See proxy.breakers.Peers."""

    def __init__(self, descriptor: int, slot: int, offset: int) -> None:
        """``descriptor``: of the file; ``slot``: which worker this is, from 0. ``offset``: bytes before these rows, of
        whole pages."""
        self._descriptor, self._own = descriptor, slot + 1
        size = _ROWS * _WORDS * _WORD
        # It only ever grows: whoever has mapped it already must find its pages where they were.
        os.posix_fallocate(descriptor, 0, offset + size)
        self._cells = memoryview(mmap.mmap(descriptor, size, offset=offset)).cast("q")
        self._rows: dict[Key, int | None] = {}
        with self._alone():
            for row in range(0, _ROWS * _WORDS, _WORDS):
                # A worker that died while it probed has another in its place now.
                if self._cells[row + _PROBER] == self._own:
                    self._cells[row + _PROBER] = 0

    async def news(self, keys: Iterable[Key]) -> News:
        now, found = time.monotonic_ns(), {}
        for key in keys:
            row = self._row(key)
            if row is None:
                continue
            until, pause, cause = self._cells[row + _UNTIL], self._cells[row + _PAUSE], self._cells[row + _CAUSE]
            if until:
                found[key] = Opening(until, (until - now) / _NANO, pause / 1000, CAUSES[cause])
        return News(found)

    async def opened(self, key: Key, left: float, pause: float, cause: str) -> int:
        until = time.monotonic_ns() + int(left * _NANO)
        self._write(key, until, int(pause * 1000), CAUSES.index(cause))
        return until

    async def closed(self, key: Key) -> None:
        self._write(key, 0, 0, 0)

    async def probe(self, key: Key) -> bool:
        row, now = self._row(key), time.monotonic_ns()
        if row is None:
            return True
        with self._alone():
            prober, since = self._cells[row + _PROBER], self._cells[row + _SINCE]
            if prober not in (0, self._own) and now < since + int(LONGEST * _NANO):
                return False
            self._cells[row + _PROBER], self._cells[row + _SINCE] = self._own, now
        return True

    async def probing(self, key: Key) -> None:
        return

    async def left(self, key: Key) -> None:
        row = self._row(key)
        if row is not None:
            with self._alone():
                self._leave(row)

    async def close(self) -> None:
        return

    def _write(self, key: Key, until: int, pause: int, cause: int) -> None:
        row = self._row(key)
        if row is None:
            return
        with self._alone():
            self._cells[row + _UNTIL], self._cells[row + _PAUSE], self._cells[row + _CAUSE] = until, pause, cause
            self._leave(row)

    def _leave(self, row: int) -> None:
        if self._cells[row + _PROBER] == self._own:
            self._cells[row + _PROBER] = 0

    def _row(self, key: Key) -> int | None:
        if key not in self._rows:
            self._rows[key] = self._claimed(key)
        return self._rows[key]

    def _claimed(self, key: Key) -> int | None:
        """The row of this backend, by whichever worker was the first to ask; None: they are all taken."""
        mark = int.from_bytes(sha256("\n".join(key).encode()).digest()[:7], "big") + 1
        with self._alone():
            for step in range(_ROWS):
                row = (mark + step) % _ROWS * _WORDS
                if self._cells[row + _MARK] in (0, mark):
                    self._cells[row + _MARK] = mark
                    return row
            return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A lock of the process, held for microseconds: the descriptor is the same open file everywhere."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
