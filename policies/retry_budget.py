"""How many calls may be asked again at one backend: a share of its calls and a small floor, so that retries never
become the load that keeps it down.

Source: Finagle's and linkerd's retry budgets.
"""

from __future__ import annotations

from msgspec import Struct

from adapters import ir

SECONDS = 10
"""What is counted is what went there in so many seconds."""


class RetryBudget(Struct, frozen=True):
    """``share`` of the calls of the last ten seconds may be asked again, and ``floor`` more for each second of them."""

    share: float = 0.2
    floor: float = 3.0

    def left(self, tries: int, retries: int) -> int:
        """Retries that may still be made. ``tries`` and ``retries`` are those of the last ten seconds; a retry is a
        try, too."""
        return max(0, int(self.share * (tries - retries) + self.floor * SECONDS) - retries)


class Recent:
    """How often something happened in the last ten seconds, second by second. ``now`` is monotonic, in seconds."""

    __slots__ = ("_counts", "_second")

    def __init__(self) -> None:
        self._counts = [0] * SECONDS
        self._second = 0

    def add(self, now: float) -> None:
        """It happens now."""
        second = int(now)
        if second != self._second:
            self._turn(second)
        self._counts[second % SECONDS] += 1

    def count(self, now: float) -> int:
        """How often it has happened."""
        self._turn(int(now))
        return sum(self._counts)

    def _turn(self, second: int) -> None:
        """Forget the seconds that have gone by."""
        if second > self._second:
            for gone in range(max(self._second + 1, second - SECONDS + 1), second + 1):
                self._counts[gone % SECONDS] = 0
            self._second = second


def is_free(failure: ir.Failure) -> bool:
    """Is asking again after this failure no burden on a backend in trouble? A better answer is asked for once, and a
    model that is being loaded refuses cheaply."""
    return failure.kind == "bad_output" or failure.code == ir.LOADING
