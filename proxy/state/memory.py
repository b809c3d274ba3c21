"""In-process state: a breaker per (backend, credential), and the calls that each backend has from this worker."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from policies import health
from policies.verdict import Target
from proxy.snapshot import Backend, Snapshot

if TYPE_CHECKING:
    from proxy.attempt import Attempt

Key = tuple[str, str]
"""``Backend.identity``."""


class Standing(Mapping[str, str]):
    """backend -> up | down, found out when a rule asks for it: most rules ask for none."""

    __slots__ = ("_backends", "_now", "_snapshot")

    def __init__(self, backends: Backends, snapshot: Snapshot, now: float) -> None:
        self._backends = backends
        self._snapshot = snapshot
        self._now = now

    def __getitem__(self, name: str) -> str:
        target = self._snapshot.backends[name].target
        return "up" if self._backends.available(self._snapshot, target, self._now) is None else "down"

    def __iter__(self) -> Iterator[str]:
        return iter(self._snapshot.backends)

    def __len__(self) -> int:
        return len(self._snapshot.backends)


def _nobody(key: Key, state: health.Breaker) -> None:
    """Nobody else is to know."""


class Backends:
    """The health and load of every backend, keyed so that a reload keeps them (decision D12)."""

    def __init__(self, told: Callable[[str, health.Breaker], None]) -> None:
        """``told`` hears of each change of a breaker's word, with the backend's name."""
        self._told = told
        self.changed: Callable[[Key, health.Breaker], None] = _nobody
        """Hears of each breaker that this worker has seen open or close (``proxy.breakers``)."""
        self._terms = health.USUAL
        self._breakers: dict[Key, health.Breaker] = {}
        """Those that are not as if nothing had ever happened."""
        self.in_flight: Counter[str] = Counter()
        """backend -> calls from this worker, those that wait for their turn there included."""

    def available(self, snapshot: Snapshot, target: Target, now: float) -> str | None:
        """Why this target is not to be offered now, or None. ``now``: monotonic seconds."""
        backend = snapshot.backends[target.backend]
        if backend.unavailable is not None:
            return backend.unavailable
        breaker = self._breakers.get(backend.identity)
        return None if breaker is None else health.available(breaker, now)

    def patience(self, snapshot: Snapshot, names: Iterable[str], now: float) -> float:
        """Seconds after which one of these may be offered again, and up to one more: not everybody at once."""
        states = [
            self.breaker(snapshot.backends[name]) for name in names if snapshot.backends[name].unavailable is None
        ]
        waits = [health.patience(state, now) for state in states if state.opened_until is not None]
        return min(waits, default=1.0) + random.random()  # noqa: S311 - jitter

    def adopt(self, snapshot: Snapshot) -> None:
        """Follow a configuration. What metrics tell of a backend is of the credential that it has now."""
        rules = snapshot.config.breaker
        self._terms = health.Terms(rules.failures, rules.pause, rules.share)
        for name in {name for name, _ in self._breakers}:
            if name in snapshot.backends:
                self._told(name, self.breaker(snapshot.backends[name]))

    def standing(self, snapshot: Snapshot, now: float) -> Mapping[str, str]:
        """backend -> up | down, for rules that ask."""
        return Standing(self, snapshot, now)

    def calm(self, backend: Backend) -> bool:
        """Has nothing happened there that is remembered?"""
        return backend.identity not in self._breakers

    def enter(self, attempt: Attempt, now: float) -> None:
        """A call goes there; where the breaker is open, it is the probe."""
        backend = attempt.backend
        self.in_flight[backend.name] += 1
        state = self._breakers.get(backend.identity)
        if state is not None and state.opened_until is not None:
            attempt.probe = True
            self._set(backend.identity, health.started(state, now))

    def leave(self, attempt: Attempt, now: float) -> None:
        """It has ended. Nothing is learned where the upstream had no part in it (a client that left says nothing)."""
        backend, failure, probe = attempt.backend, attempt.failure, attempt.probe
        self.in_flight[backend.name] -= 1
        state = self.breaker(backend)
        theirs = backend.from_client and failure is not None and failure.kind == "upstream_auth"
        if failure is not None and not theirs:
            spread = random.random()  # noqa: S311 - jitter
            after = health.failed(state, failure, now, probe=probe, jitter=spread, terms=self._terms)
        elif attempt.answered or theirs:
            # A caller's own key that is refused tells nothing of the next caller's, but that the backend is up.
            after = health.succeeded(state, now, probe=probe)
        else:
            after = health.left(state, probe=probe)
        if after is not state:
            self._set(backend.identity, after)
            if probe or after.opened_until != state.opened_until:
                self.changed(backend.identity, after)

    def breaker(self, backend: Backend) -> health.Breaker:
        return self._breakers.get(backend.identity, health.CLOSED)

    def known(self, key: Key) -> health.Breaker:
        """The same by what it is kept under."""
        return self._breakers.get(key, health.CLOSED)

    def left(self, backend: Backend) -> None:
        """The call that was to be its probe does not go there."""
        state = health.left(self.breaker(backend))
        self._set(backend.identity, state)
        self.changed(backend.identity, state)

    def learn(self, key: Key, state: health.Breaker) -> None:
        """Somebody else has seen it open or close."""
        self._set(key, state)

    def _set(self, key: Key, state: health.Breaker) -> None:
        before = self._breakers.get(key, health.CLOSED)
        if state is health.CLOSED:
            self._breakers.pop(key, None)
        else:
            self._breakers[key] = state
        if health.word(before) != health.word(state) or before.opened_until != state.opened_until:
            self._told(key[0], state)
