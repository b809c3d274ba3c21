"""Which rows are kept from training while they are judged: by subject, by prompt, or a whole source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from policies.classify.training.data import Row
from policies.classify.training.matrix import Ints

Folds = Iterator[tuple[Ints, Ints]]
"""(rows to train on, rows to judge), by their places."""


def by_subject(rows: Sequence[Row], parts: int, seed: int) -> Folds:
    """No subject is split. A source that is one single subject is split by prompt, or it would be a source left out."""
    generator = np.random.default_rng(seed)
    alone = {source for source in {row.source for row in rows} if len(_subjects(rows, source)) == 1}
    keys = [f"{row.subject}/{place}" if row.source in alone else row.subject for place, row in enumerate(rows)]
    sizes = dict.fromkeys(keys, 0)
    for key in keys:
        sizes[key] += 1
    fold_of, loads = {}, {row.source: np.zeros(parts) for row in rows}
    source_of = dict(zip(keys, (row.source for row in rows), strict=True))
    shuffled = [list(sizes)[place] for place in generator.permutation(len(sizes))]
    for key in sorted(shuffled, key=lambda name: -sizes[name]):
        load = loads[source_of[key]]
        fold_of[key] = int(np.argmin(load + generator.random(parts)))
        load[fold_of[key]] += sizes[key]
    return _split(np.array([fold_of[key] for key in keys]), parts)


def by_prompt(rows: Sequence[Row], parts: int, seed: int) -> Folds:
    """Prompts at random: those judged are unseen, their subjects are not."""
    return _split(np.random.default_rng(seed).integers(0, parts, len(rows)), parts)


def by_source(rows: Sequence[Row]) -> Folds:
    """Each source is judged by a model that saw none of it: traffic unlike all that was learned from."""
    sources = np.array([row.source for row in rows])
    return ((np.flatnonzero(sources != name), np.flatnonzero(sources == name)) for name in np.unique(sources))


def _subjects(rows: Sequence[Row], source: str) -> set[str]:
    return {row.subject for row in rows if row.source == source}


def _split(fold: Ints, parts: int) -> Folds:
    return ((np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in range(parts))
