"""In-process state: a breaker per (backend, credential), and the calls in flight per backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from adapters import ir
from policies import health
from policies.verdict import Target
from proxy.snapshot import Backend, Snapshot

Key = tuple[str, str]


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


class Backends:
    """The health and load of every backend, keyed so that a reload keeps them (decision D12)."""

    def __init__(self, told: Callable[[str, str], None]) -> None:
        """``told`` hears of each change of a breaker: backend, and ``closed`` | ``half_open`` | ``open``."""
        self._told = told
        self._breakers: dict[Key, health.Breaker] = {}
        self.in_flight: Counter[str] = Counter()
        """backend -> calls from this worker."""

    def available(self, snapshot: Snapshot, target: Target, now: float) -> str | None:
        """Why this target is not to be offered now, or None. ``now``: monotonic seconds."""
        backend = snapshot.backends[target.backend]
        if backend.unavailable is not None:
            return backend.unavailable
        breaker = self._breakers.get(backend.identity)
        return None if breaker is None else health.available(breaker, now)

    def standing(self, snapshot: Snapshot, now: float) -> Mapping[str, str]:
        """backend -> up | down, for rules that ask."""
        return Standing(self, snapshot, now)

    def enter(self, backend: Backend, now: float) -> ir.Failure | None:
        """Station 6: draw one place at this backend; the answer says why there is none."""
        if backend.max_parallel is not None and self.in_flight[backend.name] >= backend.max_parallel:
            message = f"all {backend.max_parallel} places are taken (max_parallel)"
            return ir.Failure("overloaded", 503, message, "server_error", "backend_busy", retry_after=1.0)
        self.in_flight[backend.name] += 1
        self._set(backend, health.started(self.breaker(backend), now))
        return None

    def leave(self, backend: Backend, failure: ir.Failure | None, now: float, *, answered: bool) -> None:
        """The place is free again. ``answered``: the upstream did its part (a client that left says nothing)."""
        self.in_flight[backend.name] -= 1
        theirs = backend.from_client and failure is not None and failure.kind == "upstream_auth"
        if failure is not None and not theirs:
            self._set(backend, health.failed(self.breaker(backend), failure, now))
        elif answered or theirs:
            # A caller's own key that is refused tells nothing of the next caller's, but that the backend is up.
            self._set(backend, health.succeeded(self.breaker(backend)))
        else:
            self._set(backend, health.left(self.breaker(backend)))

    def breaker(self, backend: Backend) -> health.Breaker:
        return self._breakers.get(backend.identity, health.CLOSED)

    def _set(self, backend: Backend, state: health.Breaker) -> None:
        key = backend.identity
        if self._breakers.get(key, health.CLOSED) is not state:
            self._breakers[key] = state
            self._told(backend.name, health.word(state))
