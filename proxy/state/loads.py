"""What each backend's gauges and our own calls there have told: kept by identity, over reloads (D12)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from policies.load import Load, Spill, turned
from policies.queueing import Gauges, Line, Pace, Seen, predicted, share

if TYPE_CHECKING:
    from proxy.attempt import Attempt
    from proxy.snapshot import Backend, Snapshot

STALE = 3.0
"""Seconds after which gauges are no longer believed."""
COLD = 300.0
"""Seconds without an answer after which a model may have been unloaded (Ollama's ``keep_alive``)."""
WANTED = 60.0
"""Seconds for which a backend is watched after a decision last looked at its load."""
_CROWD = 4
"""So many calls of ours that wait are a queue."""
_MOST_OTHERS = 16.0
_SMOOTH = 0.3
_NONE: frozenset[float] = frozenset()


class Watch:
    """One backend of one worker. ``now`` everywhere: monotonic seconds."""

    def __init__(self) -> None:
        self.wanted = self.answered = self._read_at = -math.inf
        self.modes: dict[float, Spill] = {}
        self._gauges = self._before = Gauges()
        self._riding: dict[int, tuple[Attempt, bool]] = {}
        self._unborn: list[Attempt] = []
        self._counted = -math.inf
        self._sent = self._others = 0.0
        self._last = Load()
        self._moved = False
        self._seats: float | None = None
        self._starting, self._finishing, self._stay = Pace(), Pace(), Pace()
        self._reading = Line()

    def enter(self, attempt: Attempt, now: float) -> None:
        """One of our calls is about to be sent there. Nobody does sums for a backend whose load nobody looks at."""
        if now - self.wanted > WANTED:
            self._riding[id(attempt)] = (attempt, True)
            return
        self._count(now)
        queued = bool(self._last.wait) or self._gauges.queued or len(self._unborn) >= _CROWD
        self._riding[id(attempt)] = (attempt, queued)
        self._unborn.append(attempt)
        self._sent += 1
        self._moved = True

    def leave(self, attempt: Attempt, now: float) -> None:
        """It has ended, well or not."""
        _, queued = self._riding.pop(id(attempt))
        if attempt.first_event is not None:
            self.answered = now
        if now - self.wanted > WANTED:
            self._unborn = []
            return
        self._count(now)
        self._moved = True
        self._unborn = [each for each in self._unborn if each is not attempt]
        if attempt.first_event is None or attempt.sent is None or not attempt.streamed:
            return
        start = attempt.first_event - attempt.sent
        usage = attempt.usage
        if not (queued or attempt.cold) and usage is not None and usage.input is not None:
            self._reading = self._reading.seen(usage.input - (usage.cached or 0), start, now)
        self._stay = self._stay.went(1, now - attempt.first_event)

    def read(self, gauges: Gauges, now: float) -> None:
        """The gauges have been read. Those that stand still while our calls come and go are no news."""
        if gauges == self._gauges and self._moved:
            return
        self._moved = False
        span = now - self._read_at
        self._before, self._gauges, self._read_at = self._gauges, gauges, now
        if span > STALE:
            self._before = Gauges()
        if self._before.queued and gauges.queued:
            self._seats = gauges.running
            done = (gauges.finished or 0.0) - (self._before.finished or 0.0)
            self._finishing = self._finishing.went(done, span) if done >= 0 else Pace()
        elif self._seats is not None:
            self._seats = max(self._seats, gauges.running or 0.0)
        there = (gauges.running or 0.0) + (gauges.waiting or 0.0)
        if self._riding:
            others = min(_MOST_OTHERS, max(1.0, (there + 1) / (len(self._riding) + 1)))
            self._others += _SMOOTH * (others - self._others) if self._others else others
        self._sent = 0.0

    @property
    def spilling(self) -> frozenset[float]:
        """The targets for whose sake calls go elsewhere, as of the last look."""
        return self._last.spilling

    def load(self, places: int | None, targets: frozenset[float], now: float) -> Load:
        """What is so now, and, told by it, for which targets calls are sent elsewhere."""
        self._count(now)
        seen = self._seen(now)
        wait = predicted(seen)
        found = Load(
            share=share(seen, places, len(self._riding)),
            wait=wait,
            reading=seen.reading,
            usual=self._reading.x / self._reading.n if seen.reading is not None else 0.0,
            per_token=self._reading.slope if seen.reading is not None else 0.0,
            waiting=seen.gauges.waiting if seen.gauges is not None else None,
            kv=seen.gauges.kv if seen.gauges is not None else None,
        )
        self.modes = {each: turned(self.modes.get(each, Spill()), found.start, each, now) for each in targets}
        self._last = replace(found, spilling=frozenset(each for each, mode in self.modes.items() if mode.on))
        return self._last

    def _seen(self, now: float) -> Seen:
        fresh = now - self._read_at <= STALE
        return Seen(
            gauges=self._gauges if fresh else None,
            age=now - self._read_at if fresh else 0.0,
            sent=self._sent * max(1.0, self._others),
            steady=self._before.queued,
            seats=self._seats,
            finishing=self._finishing.rate,
            occupied=self._occupied(),
            ours=len(self._riding) * max(1.0, self._others),
            pending=len(self._unborn),
            age_of_half=self._age_of_half(now),
            starting=self._starting.rate,
            reading=None if self._reading.stale(now) else self._reading.y / self._reading.n,
        )

    def _age_of_half(self, now: float) -> float:
        """They stand in the order in which they were sent."""
        half = self._unborn[len(self._unborn) // 2] if self._unborn else None
        return 0.0 if half is None or half.sent is None else now - half.sent

    def _occupied(self) -> float | None:
        if not self._stay.events:
            return None
        reading = self._reading.y / self._reading.n if self._reading.n else 0.0
        return self._stay.busy / self._stay.events + reading

    def _count(self, now: float) -> None:
        """Who of those that waited has begun; the time in which somebody waited is what a pace is counted over."""
        if self._unborn:
            left = [each for each in self._unborn if each.first_event is None]
            span = max(0.0, now - self._counted)
            self._starting = self._starting.went(len(self._unborn) - len(left), span)
            if self._gauges.queued:
                # Not one that is just leaving: nobody would ever take it out again.
                self._riding.update((id(each), (each, True)) for each in self._unborn if id(each) in self._riding)
            self._unborn = left
        self._counted = now


def _nothing() -> None:
    """Nobody listens."""


def _nobody(backend: str, target: float, load: Load) -> None:
    """Nobody is told."""


class Loads:
    """All backends of one worker."""

    def __init__(self, told: Callable[[str, float, Load], None] = _nobody) -> None:
        """``told`` hears of each change of a mode: backend, target (seconds), and the load that made it."""
        self._told = told
        self._watches: dict[tuple[str, str], Watch] = {}
        self.looked: Callable[[], None] = _nothing
        """Is told whenever a decision looks at a load."""

    def of(self, backend: Backend) -> Watch:
        """Its watch, made when it is first asked for."""
        found = self._watches.get(backend.identity)
        if found is None:
            found = self._watches[backend.identity] = Watch()
        return found

    def enter(self, attempt: Attempt, now: float) -> None:
        """A call is about to be sent; its model may be a cold one, on machines of the operator's own."""
        watch = self.of(attempt.backend)
        attempt.cold = attempt.backend.local and now - watch.answered > COLD
        watch.enter(attempt, now)

    def leave(self, attempt: Attempt, now: float) -> None:
        """It has ended, well or not."""
        self.of(attempt.backend).leave(attempt, now)

    def wanted(self, snapshot: Snapshot, now: float) -> list[Backend]:
        """The backends whose load a decision has looked at lately."""
        return [each for each in snapshot.backends.values() if each.local and now - self.of(each).wanted <= WANTED]

    def look(self, backend: Backend, targets: frozenset[float], now: float) -> Load:
        """What is so at ``backend``; whose mode has changed is told."""
        watch = self.of(backend)
        before, found = watch.spilling, watch.load(backend.max_parallel, targets if backend.local else _NONE, now)
        for target in before ^ found.spilling:
            self._told(backend.name, target, found)
        return found

    def now(self, snapshot: Snapshot, now: float) -> Mapping[str, Load]:
        """backend -> its load at this instant, worked out when somebody looks."""
        return _AtOnce(self, snapshot, now)


class _AtOnce(Mapping[str, Load]):
    """Every look at one instant sees the same."""

    def __init__(self, loads: Loads, snapshot: Snapshot, now: float) -> None:
        self._loads, self._snapshot, self._now = loads, snapshot, now
        self._found: dict[str, Load] = {}

    def __getitem__(self, name: str) -> Load:
        if name not in self._found:
            backend = self._snapshot.backends[name]
            self._loads.of(backend).wanted = self._now
            self._loads.looked()
            self._found[name] = self._loads.look(backend, self._snapshot.ttft_targets, self._now)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._snapshot.backends)

    def __len__(self) -> int:
        return len(self._snapshot.backends)
