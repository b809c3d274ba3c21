"""Keeps the share of simple prompts where the operator wants it while the prompts change: the cut follows them."""

from __future__ import annotations

from collections import deque

from policies.classify import Thresholds, Verdict
from policies.classify.calibration import place, thresholds

WINDOW = 1_000
"""Prompts that the cut is made from."""
EVERY = 25
"""Prompts between two cuts."""
ENOUGH = 100
"""Prompts before the first cut; until then the calibrated thresholds hold."""
_MOST = 0.1
"""How far the cut may lean to make up for a share that was missed."""


class Drift:
    """One worker's memory of its last prompts: numbers only, nothing of their text."""

    def __init__(self, share: float, before: Thresholds) -> None:
        """``share``: of the prompts that are to count as simple, 0..1. ``before``: the thresholds to begin with."""
        self._share = share
        self._before = before
        self._places: deque[float] = deque(maxlen=WINDOW)
        self._simple: deque[bool] = deque(maxlen=WINDOW)
        self._seen = 0
        self.thresholds = before
        """Those that hold now."""

    @property
    def realised(self) -> float | None:
        """The share of the last prompts that did count as simple."""
        return sum(self._simple) / len(self._simple) if self._simple else None

    def saw(self, verdict: Verdict) -> None:
        """One more prompt that was classified by these thresholds."""
        self._places.append(place(verdict))
        self._simple.append(verdict.cls == "simple")
        self._seen += 1
        if self._seen >= ENOUGH and self._seen % EVERY == 0:
            self.thresholds = thresholds(_quantile(sorted(self._places), self._wanted()), self._before)

    def _wanted(self) -> float:
        """The share that the next prompts are to have, so that the window as a whole comes to what is wanted."""
        missed = self._share - sum(self._simple) / len(self._simple)
        return min(max(self._share + min(max(missed, -_MOST), _MOST), 0.0), 1.0)


def _quantile(places: list[float], share: float) -> float:
    at = round(share * len(places))
    return 0.0 if at == 0 else 3.0 if at == len(places) else (places[at - 1] + places[at]) / 2
