"""Fitting: how much better the cloud answers, by structure, then by words what structure left; then a probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from policies.classify.lexicon import BUCKETS
from policies.classify.model import Numbers, Thresholds, version_of
from policies.classify.priors import PRIORS
from policies.classify.training.data import Row
from policies.classify.training.matrix import Floats, Matrix, Sparse


@dataclass(frozen=True)
class Recipe:
    """What was chosen by cross-validation; every value is coarse, for the data cannot tell finer ones apart."""

    balance: float = 0.3
    """A source of n rows weighs n to this power: none drowns the others."""
    keep: float = 0.6
    """Share of a source's own mean that stays in the target: what all its prompts have in common may be its form."""
    penalty: float = 20_000.0
    """Ridge on standardised structural features."""
    word_penalty: float = 5_000.0
    prior: tuple[tuple[str, float], ...] = (("size", 0.03), ("repeats", 0.03))
    """Gap per standard deviation that ridge shrinks towards, in place of 0: longer is harder in every source."""
    steps: int = 40
    """Of conjugate gradients."""


@dataclass(frozen=True)
class Fitted:
    """A predicted gap (cloud minus local, in score points): ``bias`` + shape x ``weights`` + words."""

    bias: float
    weights: Floats
    words: Floats
    word_offset: float

    def structure(self, seen: Matrix) -> Floats:
        return self.bias + seen.shape @ self.weights

    def lexical(self, seen: Matrix) -> Floats:
        return seen.words.times(self.words) + self.word_offset * seen.read

    def gap(self, seen: Matrix) -> Floats:
        return self.structure(seen) + self.lexical(seen)


def gaps(rows: Sequence[Row]) -> Floats:
    """How much better the cloud did, -1..1."""
    return np.array([row.cloud - row.local for row in rows])


def row_weights(rows: Sequence[Row], balance: float) -> Floats:
    """Weights with mean 1 under which a source counts by its rows to the power of ``balance``."""
    _, index, counts = np.unique([row.source for row in rows], return_inverse=True, return_counts=True)
    weights = (counts.astype(float) ** (balance - 1))[index]
    return np.asarray(weights / weights.mean())


def fit(rows: Sequence[Row], seen: Matrix, recipe: Recipe) -> Fitted:
    """Two ridge regressions, the second on what the first left over."""
    weight = row_weights(rows, recipe.balance)
    target = _levelled(gaps(rows), rows, recipe.keep)
    centre, spread = seen.shape.mean(axis=0), seen.shape.std(axis=0) + 0.1
    prior = np.zeros(len(seen.names))
    for name, value in recipe.prior:
        prior[seen.names.index(name)] = value
    scaled = np.clip((seen.shape - centre) / spread, -3, 3)
    weights = (prior + _ridge(scaled, target - scaled @ prior, weight, recipe.penalty)) / spread
    bias = float(np.average(target - seen.shape @ weights, weights=weight))
    left = target - bias - seen.shape @ weights
    words, offset = _word_ridge(seen.words, left, weight * seen.read, recipe)
    return Fitted(bias, weights, words, offset)


def _levelled(gap: Floats, rows: Sequence[Row], keep: float) -> Floats:
    sources = np.array([row.source for row in rows])
    level = gap.copy()
    for source in np.unique(sources):
        level[sources == source] -= (1 - keep) * (gap[sources == source].mean() - gap.mean())
    return level


def _ridge(inputs: Floats, target: Floats, weight: Floats, penalty: float) -> Floats:
    inputs = inputs - np.average(inputs, axis=0, weights=weight)
    target = target - np.average(target, weights=weight)
    normal = inputs.T @ (inputs * weight[:, None]) + penalty * np.eye(inputs.shape[1])
    return np.asarray(np.linalg.solve(normal, inputs.T @ (weight * target)))


def _word_ridge(words: Sparse, left: Floats, weight: Floats, recipe: Recipe) -> tuple[Floats, float]:
    """Conjugate gradients on the normal equations; the mean of all rows is taken out of each column."""
    total = max(weight.sum(), 1e-9)
    mean = words.transposed_times(weight) / total
    found, rest = np.zeros(BUCKETS), words.transposed_times(weight * (left - weight @ left / total))
    step, size = rest.copy(), rest @ rest
    for _ in range(recipe.steps):
        made = words.times(step) - mean @ step
        pulled = words.transposed_times(weight * made) - mean * (weight @ made) + recipe.word_penalty * step
        rate = size / max(step @ pulled, 1e-12)
        found, rest = found + rate * step, rest - rate * pulled
        size, before = rest @ rest, size
        step = rest + size / max(before, 1e-12) * step
    return found, float(weight @ left / total - mean @ found)


def calibrate(gap: Floats, priors: Floats, rows: Sequence[Row], balance: float) -> tuple[float, float]:
    """(slope, bias) that make slope x gap + bias + priors the logit of P(local wrong and cloud right)."""
    label = np.array([row.cloud * (1 - row.local) for row in rows])
    weight = row_weights(rows, balance)
    inputs = np.stack([gap, np.ones_like(gap)], axis=1)
    found = np.array([4.0, -2.0])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ found + priors, -30, 30)))
        slope = weight * chance * (1 - chance)
        normal = inputs.T @ (inputs * slope[:, None]) + 1e-3 * np.eye(2)
        found = found + np.linalg.solve(normal, inputs.T @ (weight * (label - chance)))
    return float(found[0]), float(found[1])


def quantise(
    fitted: Fitted, names: Sequence[str], line: tuple[float, float], fixed: Thresholds
) -> tuple[Numbers, bytes]:
    """The two files of a model: logits, structural weights rounded to 4 places, words to int8."""
    slope, bias = line
    logits = fitted.words * slope
    step = float(np.quantile(np.abs(logits[logits != 0]), 0.9995)) / 127
    table = (np.clip(np.rint(logits / step), -127, 127) + 128).astype(np.uint8).tobytes()
    learned = {name: round(float(weight * slope), 4) for name, weight in zip(names, fitted.weights, strict=True)}
    numbers = Numbers(
        thresholds=fixed,
        bias=round(fitted.bias * slope + bias, 4),
        weights=learned | PRIORS,
        word_step=round(step, 8),
        word_offset=round(fitted.word_offset * slope, 4),
    )
    return msgspec.structs.replace(numbers, version=version_of(numbers, table)), table
