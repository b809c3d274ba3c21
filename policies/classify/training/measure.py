"""How good an order of prompts is, under RouteLLM's protocol: the gap recovered against the share of strong calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policies.classify.training.data import Row
from policies.classify.training.matrix import Floats


def recovered(score: Floats, rows: Sequence[Row], *, means: bool = False) -> Floats:
    """Performance gap recovered when the k highest scores go to the cloud, k = 0..n; equal scores share theirs.

    0 is the local model on all, 1 the cloud model on all; ``means`` takes the classes' means instead of the pair.
    """
    gap = np.array([row.cloud - row.local if means else row.strong - row.weak for row in rows])
    order = np.argsort(-score, kind="stable")
    _, index = np.unique(-score[order], return_inverse=True)
    shared = (np.bincount(index, gap[order]) / np.bincount(index))[index]
    total = np.concatenate([[0.0], np.cumsum(shared)])
    return np.asarray(total / total[-1])


def apgr(score: Floats, rows: Sequence[Row], *, means: bool = False) -> float:
    """Average performance gap recovered over all shares of strong calls; a random order has 0.50."""
    curve = recovered(score, rows, means=means)
    return float(((curve[1:] + curve[:-1]) / 2).mean())


def cpt50(score: Floats, rows: Sequence[Row]) -> float:
    """The least share of strong calls that recovers half of the gap."""
    curve = recovered(score, rows)
    return float(np.argmax(curve >= 0.5) / (len(curve) - 1))


def evenly(score: Floats, rows: Sequence[Row], draws: int = 20) -> tuple[float, float]:
    """(APGR, CPT50) of a mix in which each source has as many rows as the smallest, mean of random draws."""
    sources = np.array([row.source for row in rows])
    names, counts = np.unique(sources, return_counts=True)
    generator = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        parts = [generator.choice(np.flatnonzero(sources == name), counts.min(), replace=False) for name in names]
        taken = np.concatenate(parts)
        some = [rows[place] for place in taken]
        found.append((apgr(score[taken], some), cpt50(score[taken], some)))
    return float(np.mean([one for one, _ in found])), float(np.mean([half for _, half in found]))


def standard_error(score: Floats, rows: Sequence[Row], draws: int = 100) -> float:
    """Of the APGR, by bootstrap over rows."""
    generator = np.random.default_rng(0)
    picks = (generator.integers(0, len(rows), len(rows)) for _ in range(draws))
    return float(np.std([apgr(score[pick], [rows[place] for place in pick]) for pick in picks]))


def calibration_error(chance: Floats, rows: Sequence[Row], bins: int = 10) -> float:
    """Mean distance of the predicted from the observed share of "local worse", over bins of equal size."""
    worse = np.array([row.cloud * (1 - row.local) for row in rows])
    parts = np.array_split(np.argsort(chance), bins)
    return float(sum(len(part) * abs(chance[part].mean() - worse[part].mean()) for part in parts) / len(rows))
