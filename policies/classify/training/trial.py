"""Cross-validation of the whole recipe: features, fit, calibration, int8, each fold by a model that saw none of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from policies.classify.model import Numbers, Thresholds
from policies.classify.training import fit, folds, measure
from policies.classify.training.data import Row
from policies.classify.training.matrix import Floats, Matrix, matrix

FIXED = Thresholds(simple_below=0.2, complex_from=0.4)
SEEDS = (0, 1, 2)
PARTS = 6
INNER = 3
"""Parts in which the predictions are made that a model is calibrated on."""
_KEYWORDS = (
    "prove", "derive", "explain", "why", "analyze", "design", "implement", "code", "function", "algorithm", "calculate",
    "equation", "integral", "theorem", "compare", "evaluate", "optimize", "debug", "step by step", "architecture",
)  # fmt: skip
"""As public keyword routers list them; a baseline to stand beside, no part of the model."""


@dataclass(frozen=True)
class Bench:
    """Rows, what is learned from them (their bare questions), and what is judged (the prompts as they were asked)."""

    rows: Sequence[Row]
    learn: Matrix
    judge: Matrix


def bench(rows: Sequence[Row]) -> Bench:
    """Rows with their features."""
    return Bench(rows, matrix([row.question for row in rows]), matrix([row.prompt for row in rows]))


def train(rows: Sequence[Row], seen: Matrix, recipe: fit.Recipe) -> tuple[Numbers, bytes]:
    """A model of these rows, calibrated on predictions that were made without the row they are for."""
    gap = np.zeros(len(rows))
    for train_on, judge in folds.by_subject(rows, INNER, seed=9):
        some = fit.fit([rows[place] for place in train_on], seen.take(train_on), recipe)
        gap[judge] = some.gap(seen.take(judge))
    line = fit.calibrate(gap, seen.priors, rows, recipe.balance)
    return fit.quantise(fit.fit(rows, seen, recipe), seen.names, line, FIXED)


def scores(model: tuple[Numbers, bytes], seen: Matrix) -> Floats:
    """The logit of each prompt, as the classifier adds it up."""
    numbers, table = model
    weights = np.array([numbers.weights[name] for name in seen.names])
    steps = np.frombuffer(table, dtype=np.uint8).astype(float) - 128
    words = seen.words.times(steps) * numbers.word_step + numbers.word_offset * seen.read
    return np.asarray(numbers.bias + seen.shape @ weights + seen.priors + words)


def crossed(trial: Bench, split: Callable[[int], folds.Folds], recipe: fit.Recipe, seed: int) -> Floats:
    """Each row's score by a model that was trained without its fold."""
    found = np.zeros(len(trial.rows))
    for learn, judge in split(seed):
        model = train([trial.rows[place] for place in learn], trial.learn.take(learn), recipe)
        found[judge] = scores(model, trial.judge.take(judge))
    return found


def baselines(rows: Sequence[Row]) -> dict[str, Floats]:
    """Orders that need no training."""
    length = np.array([float(len(row.prompt)) for row in rows])
    keywords = np.array([float(sum(word in row.prompt.lower() for word in _KEYWORDS)) for row in rows])
    return {"prompt length": length, "keyword list": keywords}


def line(score: Floats, rows: Sequence[Row], *, mixed: bool) -> dict[str, float]:
    """The figures of one order: APGR of each source, of its means where it has them, and of the mixes."""
    found = {}
    for source in sorted({row.source for row in rows}):
        places = np.array([place for place, row in enumerate(rows) if row.source == source])
        some = [rows[place] for place in places]
        found[source] = measure.apgr(score[places], some)
        if some[0].weak_mean is not None:
            found[f"{source} (means)"] = measure.apgr(score[places], some, means=True)
    if mixed:
        found["mixed"], found["CPT50"] = measure.apgr(score, rows), measure.cpt50(score, rows)
        found["mixed evenly"], found["CPT50 evenly"] = measure.evenly(score, rows)
    return found
