"""The retry budget of every backend, counted in this worker and kept by identity, over reloads (D12)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from policies.retry_budget import Recent, RetryBudget
from proxy.telemetry import names
from proxy.telemetry.names import Metric

if TYPE_CHECKING:
    from proxy.snapshot import Backend


class Retrying:
    """What was tried at each backend in the last seconds, and how much of that once more. ``now`` is monotonic, in
    seconds."""

    def __init__(self, told: Callable[[str, bool], None]) -> None:
        """``told`` hears of each retry that was wanted: its backend, and whether it was made."""
        self._told = told
        self._tries: dict[tuple[str, str], Recent] = {}
        self._retries: dict[tuple[str, str], Recent] = {}

    def tried(self, backend: Backend, now: float) -> None:
        """An attempt goes there, the first one of its call or a retry."""
        recent = self._tries.get(backend.identity)
        if recent is None:
            recent = self._tries[backend.identity] = Recent()
        recent.add(now)

    def draw(self, backend: Backend, budget: RetryBudget, now: float) -> bool:
        """Take one retry out of the budget; False: it is spent."""
        made = self.left(backend, budget, now) > 0
        if made:
            self._retries.setdefault(backend.identity, Recent()).add(now)
        self._told(backend.name, made)
        return made

    def left(self, backend: Backend, budget: RetryBudget, now: float) -> int:
        """Retries that may still be made there."""
        tries, retries = self._tries.get(backend.identity), self._retries.get(backend.identity)
        return budget.left(tries.count(now) if tries else 0, retries.count(now) if retries else 0)

    def gauges(
        self, backends: Iterable[Backend], budget: RetryBudget
    ) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
        """What is left to each backend that was tried, for the metrics."""
        now = time.monotonic()
        for backend in backends:
            if backend.identity in self._tries:
                yield names.RETRY_BUDGET, (backend.name,), self.left(backend, budget, now)
