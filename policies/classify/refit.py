"""The shipped weights, moved by an operator's own labels as far as they earn it, and no further."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, log

import msgspec
from msgspec import Struct

from policies.classify import PromptView, Verdict
from policies.classify.measuring import Outcome, apgr, difference

PULLS = (30.0, 100.0, 300.0, 1_000.0)
"""How strongly the shipped weights hold, tried in turn: the pull on each change, against the about 0.2 of a label. They
stand for some 10,000 training rows of which a label outweighs 6 to 8; more is tried for labels that agree less."""
_FOLDS = 5
_STEPS = 8
_SURE = 1e-6


class Labelled(Struct, frozen=True):
    """A prompt, as the shipped model sees it, and how its answers turned out."""

    verdict: Verdict
    outcome: Outcome
    view: PromptView | None = None

    @property
    def values(self) -> Mapping[str, float]:
        """Feature -> value, of those that are not zero."""
        return {each.feature: each.value for each in self.verdict.reasons if each.feature not in _FIXED}

    @property
    def worse(self) -> float:
        """Was the local answer worse? 0..1."""
        return min(max(self.outcome.gap, 0.0), 1.0)


_FIXED = frozenset({"bias", "words"})
"""Parts of a score that labels do not move: the bias has its own change, the words too many weights."""


class Change(Struct, frozen=True):
    """What is added to the shipped model, in logits."""

    bias: float = 0.0
    weights: Mapping[str, float] = {}


class Refit(Struct, frozen=True, kw_only=True):
    """``change`` is empty where the prior was kept. APGR by cross-validation; None where the labels cannot tell."""

    change: Change
    kept_prior: bool
    prior_apgr: float | None
    refit_apgr: float | None
    error: float | None
    """Standard error of the difference."""


def refit(labels: Sequence[Labelled]) -> Refit:
    """The labels' wish, if it wins by two standard errors on prompts that it has not seen; else the prior."""
    outcomes = [each.outcome for each in labels]
    before = [each.verdict.score for each in labels]
    # One fold's bias against another's would only stir the order of the whole.
    crossed = _crossed(labels, lambda learnt: msgspec.structs.replace(fit(learnt, _best_pull(learnt)), bias=0.0))
    told = difference(crossed, before, outcomes) if len(labels) >= 2 * _FOLDS else None
    won = told is not None and told[0] > 2 * told[1]
    return Refit(
        change=fit(labels, _best_pull(labels)) if won else Change(),
        kept_prior=not won,
        prior_apgr=apgr(before, outcomes),
        refit_apgr=apgr(crossed, outcomes),
        error=told[1] if told is not None else None,
    )


def _crossed(labels: Sequence[Labelled], learn: Callable[[Sequence[Labelled]], Change]) -> list[float]:
    """The score of each prompt, by what was learnt from the folds that it is not in."""
    found = [0.0] * len(labels)
    for fold in range(_FOLDS):
        learnt = learn([each for index, each in enumerate(labels) if index % _FOLDS != fold])
        for index in range(fold, len(labels), _FOLDS):
            found[index] = moved(labels[index], learnt)
    return found


def _best_pull(labels: Sequence[Labelled]) -> float:
    """The pull under which labels that were held back are told best (log loss)."""
    return min(PULLS, key=lambda pull: _loss(_crossed(labels, lambda learnt: fit(learnt, pull)), labels))


def _loss(scores: Sequence[float], labels: Sequence[Labelled]) -> float:
    chances = [_chance(score) for score in scores]
    return -sum(
        each.worse * log(chance) + (1 - each.worse) * log(1 - chance)
        for chance, each in zip(chances, labels, strict=True)
    )


def moved(labelled: Labelled, change: Change) -> float:
    """The score with the change laid over it."""
    return (
        labelled.verdict.score
        + change.bias
        + sum(change.weights.get(name, 0.0) * value for name, value in labelled.values.items())
    )


def fit(labels: Sequence[Labelled], pull: float) -> Change:
    """The most likely change, where ``pull`` draws every weight back to the shipped one: ridge logistic regression by
    Newton's steps. Features are scaled by their spread, so that the prior weighs alike on all."""
    scales = _scales(labels)
    names = sorted(scales)
    rows = [[1.0, *(each.values.get(name, 0.0) / scales[name] for name in names)] for each in labels]
    base = [each.verdict.score for each in labels]
    target = [each.worse for each in labels]
    found = [0.0] * (len(names) + 1)
    for _ in range(_STEPS):
        step = _newton(rows, base, target, found, pull)
        found = [value + change for value, change in zip(found, step, strict=True)]
        if max(map(abs, step)) < _SURE:
            break
    weights = {name: round(value / scales[name], 5) for name, value in zip(names, found[1:], strict=True)}
    return Change(bias=round(found[0], 5), weights={name: value for name, value in weights.items() if value})


def _scales(labels: Sequence[Labelled]) -> dict[str, float]:
    """Feature -> standard deviation, of those that vary."""
    names = {name for each in labels for name in each.values}
    found: dict[str, float] = {}
    for name in names:
        values = [each.values.get(name, 0.0) for each in labels]
        mean = sum(values) / len(values)
        spread = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
        if spread > _SURE:
            found[name] = spread
    return found


def _newton(
    rows: Sequence[Sequence[float]],
    base: Sequence[float],
    target: Sequence[float],
    found: Sequence[float],
    pull: float,
) -> list[float]:
    """One step: the penalised gradient through the penalised curvature. The bias is not pulled."""
    size = len(found)
    pulls = [0.0] + [pull] * (size - 1)
    gradient = [-pulls[i] * found[i] for i in range(size)]
    curve = [[pulls[i] + _SURE if i == j else 0.0 for j in range(size)] for i in range(size)]
    for row, offset, wanted in zip(rows, base, target, strict=True):
        chance = _chance(offset + sum(a * b for a, b in zip(row, found, strict=True)))
        weight = chance * (1 - chance)
        used = [i for i, value in enumerate(row) if value]
        for i in used:
            gradient[i] += (wanted - chance) * row[i]
            for j in used:
                curve[i][j] += weight * row[i] * row[j]
    return _solved(curve, gradient)


def _chance(score: float) -> float:
    return 1 / (1 + exp(-max(min(score, 30.0), -30.0)))


def _solved(matrix: list[list[float]], wanted: list[float]) -> list[float]:
    """``matrix`` x = ``wanted`` for a symmetric positive matrix, by elimination."""
    size = len(wanted)
    rows = [[*row, value] for row, value in zip(matrix, wanted, strict=True)]
    for i in range(size):
        for j in range(i + 1, size):
            factor = rows[j][i] / rows[i][i]
            if factor:
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    found = [0.0] * size
    for i in reversed(range(size)):
        found[i] = (rows[i][size] - sum(rows[i][j] * found[j] for j in range(i + 1, size))) / rows[i][i]
    return found
