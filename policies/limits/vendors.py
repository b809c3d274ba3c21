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


class Bucket(Struct, frozen=True):
    """What one holder may send at once, and how much more in a second."""

    size: float
    rate: float


def bucket(of: int, *, holders: int, active: int) -> Bucket:
    """One holder's part of a quota ``of`` so much a minute: ``holders`` may begin to send, ``active`` of them do."""
    return Bucket(max(of * BURST / _MINUTE, 1.0) / holders, of / _MINUTE / active)


class Pace(Struct, frozen=True):
    """How full a bucket of our own is. Below nothing where more was sent than it could hold."""

    level: float = math.inf
    at: float = 0.0

    def spent(self, amount: int, own: Bucket, now: float) -> Pace:
        """After so much was sent."""
        return Pace(self._level(own, now) - amount, now)

    def wait(self, amount: int, own: Bucket, now: float) -> float:
        """Seconds until so much may be sent; what is larger than the bucket goes when it is full."""
        return max(min(amount, own.size) - self._level(own, now), 0.0) / own.rate

    def _level(self, own: Bucket, now: float) -> float:
        return min(own.size, self.level + (now - self.at) * own.rate)


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
        """What each of ``holders`` that send may send now."""
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
