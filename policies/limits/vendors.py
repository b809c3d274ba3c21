"""A vendor's quota, as it is kept: how quickly it may be used, and how much of it the vendor itself says is left.

Nobody knows how a vendor counts: by the minutes of the clock, over any sixty seconds, or by a bucket that refills all
the time and may be small. All of them are content where no sixty seconds see more than the quota, which the pots see
to. Beside that a pace is kept, so that no bucket of at least ten seconds' worth runs over: at the most half as much at
once, then as fast as the quota refills. A vendor that says what is left is believed instead of the pace, for it may
allow more at once, or less, because others use its quota, too.
"""

from __future__ import annotations

import math

from msgspec import Struct

BURST = 5.0
"""Seconds' worth that may be sent at once: half of the smallest bucket that we reckon with, for what is sent evenly
does not arrive so."""
FRESH = 60.0
"""Seconds for which a vendor's word holds."""
_LIKE = 0.2
"""A reset that is within this share of the time that refilling takes is a bucket's."""
_MINUTE = 60.0


class Pace(Struct, frozen=True):
    """A bucket of our own. Below nothing where more was sent than it could hold."""

    level: float = math.inf
    at: float = 0.0

    def spent(self, amount: int, of: int, holders: int, now: float) -> Pace:
        """After so much was sent ``of`` a quota that ``holders`` share."""
        return Pace(self._level(of, holders, now) - amount, now)

    def wait(self, amount: int, of: int, holders: int, now: float) -> float:
        """Seconds until so much may be sent; what is larger than the bucket goes when it is full."""
        short = min(amount, _size(of, holders)) - self._level(of, holders, now)
        return max(short, 0.0) * _MINUTE * holders / of

    def _level(self, of: int, holders: int, now: float) -> float:
        return min(_size(of, holders), self.level + (now - self.at) * of / _MINUTE / holders)


class Told(Struct, frozen=True):
    """What a vendor has said, and when (monotonic seconds)."""

    remaining: int
    """Without what was on its way there."""
    at: float
    limit: int | None = None
    reset: float | None = None
    """Seconds from then."""
    spent: int = 0
    """What this holder has sent since."""

    def fresh(self, now: float) -> bool:
        """Does it still hold? When its reset is past, nobody knows what is left."""
        return now < self.at + min(FRESH, math.inf if self.reset is None else self.reset)

    def left(self, holders: int, now: float) -> float:
        """What each of ``holders`` may send now."""
        return (self.remaining + self._rate * (now - self.at)) / holders - self.spent

    def wait(self, amount: int, holders: int, now: float) -> float:
        """Seconds until so much is left."""
        short = amount - self.left(holders, now)
        if short <= 0:
            return 0.0
        whole = max(self.at + min(FRESH, math.inf if self.reset is None else self.reset) - now, 0.0)
        return min(whole, short * holders / self._rate) if self._rate else whole

    @property
    def _rate(self) -> float:
        """At which it is refilled, per second: of a bucket, whose reset is the time that it takes. Any other is the end
        of a window, and nothing comes before it."""
        if self.limit is None or self.reset is None or not self.limit:
            return 0.0
        refilling = (self.limit - self.remaining) * _MINUTE / self.limit
        return self.limit / _MINUTE if abs(refilling - self.reset) <= 1 + _LIKE * self.reset else 0.0


def _size(of: int, holders: int) -> float:
    """Of one holder's bucket."""
    return max(of * BURST / _MINUTE, 1.0) / holders
