"""The table of measured figures, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from policies.classify.training import fit, folds, measure
from policies.classify.training.matrix import Floats
from policies.classify.training.trial import PARTS, SEEDS, Bench, baselines, crossed, line


def table(trial: Bench, recipe: fit.Recipe) -> Iterator[str]:
    """The lines of the table, each as soon as it is measured."""
    rows = trial.rows
    head: tuple[str, ...] = ()
    for name, score in baselines(rows).items():
        found = line(score, rows, mixed=True)
        if not head:
            head = tuple(found)
            yield _row("order of prompts", head)
            yield _row("---", ["---"] * len(head))
        yield _row(name, _cells(found, head))
    by_subject = [crossed(trial, lambda seed: folds.by_subject(rows, PARTS, seed), recipe, seed) for seed in SEEDS]
    yield _row("unseen subjects", _cells(_mean([line(score, rows, mixed=True) for score in by_subject]), head))
    by_prompt = [crossed(trial, lambda seed: folds.by_prompt(rows, PARTS, seed), recipe, seed) for seed in SEEDS]
    yield _row("unseen prompts", _cells(_mean([line(score, rows, mixed=True) for score in by_prompt]), head))
    left_out = crossed(trial, lambda _: folds.by_source(rows), recipe, 0)
    yield _row("source left out", _cells(line(left_out, rows, mixed=False), head))
    errors = {source: _error(by_subject[0], trial, source) for source in sorted({row.source for row in rows})}
    errors["mixed"] = measure.standard_error(by_subject[0], rows)
    yield _row("standard error", _cells(errors, head))
    chance = 1 / (1 + np.exp(-by_subject[0]))
    yield f"\nCalibration error of P(local worse), unseen subjects: {measure.calibration_error(chance, rows):.3f}"


def _error(score: Floats, trial: Bench, source: str) -> float:
    places = np.array([place for place, row in enumerate(trial.rows) if row.source == source])
    return measure.standard_error(score[places], [trial.rows[place] for place in places])


def _mean(lines: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in lines])) for name in lines[0]}


def _cells(found: Mapping[str, float], head: tuple[str, ...]) -> list[str]:
    return [f"{found[name]:.3f}" if name in found else "" for name in head]


def _row(name: str, cells: list[str] | tuple[str, ...]) -> str:
    return f"| {name} | {' | '.join(cells)} |"
