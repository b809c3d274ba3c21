"""When the next answer of an engine would begin: from its gauges, and from our own calls where it has none."""

from __future__ import annotations

import math

from msgspec import Struct

_MEMORY = 30.0
"""Seconds in which an observation loses most of its weight, and after which the last one is forgotten: a backend that
looked slow is then asked again."""
_PACE = 10.0
_HEAVIEST = 20.0
"""No past weighs more than so many observations."""
_OUTLIER = 3.0
"""One observation counts as at most so many times what was expected."""
_FEW = 4
"""Calls that wait for their first token; from so many on their ages say how long the wait is."""
_FULL = 0.95
"""Of the KV memory: nobody is let in beyond it."""
_TAKEN = 0.9
"""Of the seats: the rest changes hands between two steps."""
_QUEUED = 0.05
"""A queue is one when it is at least this share of what runs: smaller ones are gone within a step of the engine."""


class Gauges(Struct, frozen=True, kw_only=True):
    """What an engine tells at its metrics endpoint; None: it does not."""

    running: float | None = None
    waiting: float | None = None
    kv: float | None = None
    """Share of one."""
    finished: float | None = None
    """Requests answered since it was started."""

    @property
    def queued(self) -> bool:
        """Do calls really wait, or were they seen on their way in?"""
        waiting = self.waiting or 0.0
        return waiting >= 2 and waiting >= _QUEUED * (self.running or 0.0)


class Line(Struct, frozen=True):
    """y over x as a straight line, by least squares with fading weights: seconds to the first token over tokens."""

    at: float = -math.inf
    n: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def seen(self, x: float, y: float, now: float) -> Line:
        """With one more observation. ``now``: monotonic seconds."""
        keep = 0.0 if self.stale(now) else min(math.exp(-(now - self.at) / _MEMORY), 1 - 1 / _HEAVIEST)
        if keep and self.n >= _FEW - 1:
            y = min(y, _OUTLIER * max(self.of(x), self.y / self.n))
        return Line(
            now, keep * self.n + 1, keep * self.x + x, keep * self.y + y, keep * self.xx + x * x, keep * self.xy + x * y
        )

    def stale(self, now: float) -> bool:
        """Is the last observation forgotten?"""
        return now - self.at > _MEMORY

    @property
    def slope(self) -> float:
        """Never falling, and 0 while the observations are alike."""
        spread = self.n * self.xx - self.x * self.x
        if self.n < _FEW or spread <= 1e-6 * self.n * self.xx:
            return 0.0
        return max(0.0, (self.n * self.xy - self.x * self.y) / spread)

    def of(self, x: float) -> float:
        """y at x, never below 0."""
        return max(0.0, self.y / self.n + self.slope * (x - self.x / self.n))


class Pace(Struct, frozen=True):
    """Events in a span of busy seconds, both fading: how fast a queue moves."""

    events: float = 0.0
    busy: float = 0.0

    def went(self, events: float, seconds: float) -> Pace:
        """After ``seconds`` more in which there was something to do."""
        keep = math.exp(-seconds / _PACE)
        return Pace(keep * self.events + events, keep * self.busy + seconds)

    @property
    def rate(self) -> float | None:
        """Events a second; None while too few were seen."""
        return self.events / self.busy if self.events >= _FEW and self.busy > 0 else None


class Seen(Struct, frozen=True, kw_only=True):
    """All that is known of one engine at this instant."""

    gauges: Gauges | None = None
    """None: it has none, or they are stale."""
    age: float = 0.0
    """Seconds since they were read."""
    sent: float = 0.0
    """Calls that have reached it since, others' included as far as can be told."""
    steady: bool = False
    """The reading before showed a queue, too."""
    seats: float | None = None
    """Calls that it runs at once, once that was seen."""
    finishing: float | None = None
    """Calls that it finishes in a second while it is full."""
    occupied: float | None = None
    """Seconds for which a call holds its seat."""
    ours: float = 0.0
    """Calls of ours that are there, others' with them as far as can be told."""
    pending: int = 0
    """Calls of ours that wait for their first token."""
    age_of_half: float = 0.0
    """Seconds for which half of them have waited, or longer."""
    starting: float | None = None
    """First tokens of our calls in a second, while some wait."""
    reading: float | None = None
    """Seconds to the first token of a call that does not wait."""


def predicted(seen: Seen) -> float | None:
    """Seconds that a call sent now would wait for its turn; None: nothing is known.

    With gauges: those ahead of it over the pace at which seats become free (Little's law). Without: our own calls that
    wait over the pace at which they begin, and those that are there against the seats that were once seen. In both
    cases our waiting calls' ages bear witness: where gauges lie, these do not.
    """
    reading = seen.reading or 0.0
    witness = max(0.0, 2 * seen.age_of_half - reading) if seen.pending >= _FEW else 0.0
    if seen.gauges is not None:
        return max(witness, _by_gauges(seen, seen.gauges))
    if not seen.pending and seen.reading is None:
        return None
    rate = _rate(seen)
    beyond = (seen.ours - seen.seats + 1) / rate if rate and seen.seats else 0.0
    return max(witness, _by_ours(seen), beyond)


def _by_ours(seen: Seen) -> float:
    return max(0.0, seen.pending / seen.starting - (seen.reading or 0.0)) if seen.starting else 0.0


def _by_gauges(seen: Seen, gauges: Gauges) -> float:
    rate, running, waiting = _rate(seen), gauges.running or 0.0, gauges.waiting or 0.0
    full = (gauges.kv or 0.0) >= _FULL or (seen.seats is not None and running >= _TAKEN * seen.seats)
    proven = full or seen.steady
    if rate is None or (gauges.queued and not proven):
        return _by_ours(seen) if gauges.queued else 0.0
    if gauges.queued or full:
        standing = waiting
    elif seen.seats is not None:
        standing = min(0.0, running + waiting - seen.seats)
    else:
        return 0.0
    return max(0.0, (standing + seen.sent - rate * seen.age + 1) / rate)


def _rate(seen: Seen) -> float | None:
    """Seats that become free in a second while all are taken."""
    return seen.finishing or (seen.seats / seen.occupied if seen.seats and seen.occupied else None)


def share(seen: Seen, places: int | None, ours: int) -> float | None:
    """Of its capacity: seats or KV memory, whichever is fuller; without gauges our calls of the ``places`` that the
    operator gave it. None: nobody knows its capacity."""
    gauges = seen.gauges
    if gauges is None:
        return ours / places if places else None
    seats = seen.seats or places
    shares = [gauges.kv] if gauges.kv is not None else []
    if seats and gauges.running is not None:
        shares.append((gauges.running + (gauges.waiting or 0.0)) / seats)
    return max(shares, default=None)
