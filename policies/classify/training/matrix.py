"""Prompts as arrays: a dense one of structural features, a sparse one of hashed words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from policies.classify.features import extract
from policies.classify.lexicon import BUCKETS, damping
from policies.classify.priors import PRIORS
from policies.prompt import PromptView

Floats: TypeAlias = "npt.NDArray[np.float64]"
Ints: TypeAlias = "npt.NDArray[np.int64]"


@dataclass(frozen=True)
class Sparse:
    """A matrix by its filled cells, rows in order: ``row``, ``column``, ``value``."""

    row: Ints
    column: Ints
    value: Floats
    rows: int

    def times(self, weights: Floats) -> Floats:
        return np.asarray(np.bincount(self.row, self.value * weights[self.column], minlength=self.rows), dtype=float)

    def transposed_times(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.column, self.value * values[self.row], minlength=BUCKETS), dtype=float)

    def take(self, chosen: Ints) -> Sparse:
        """The chosen rows, numbered anew."""
        place = np.full(self.rows, -1)
        place[chosen] = np.arange(len(chosen))
        cells = place[self.row] >= 0
        return Sparse(place[self.row[cells]], self.column[cells], self.value[cells], len(chosen))


@dataclass(frozen=True)
class Matrix:
    """``shape``: rows x ``names``, the learned features; ``priors``: logits of the hand-set ones; ``words``: hashed;
    ``read``: 1 where the words were in a learned language, else 0."""

    names: tuple[str, ...]
    shape: Floats
    priors: Floats
    words: Sparse
    read: Floats

    def take(self, chosen: Ints) -> Matrix:
        """The chosen rows."""
        words = self.words.take(chosen)
        return Matrix(self.names, self.shape[chosen], self.priors[chosen], words, self.read[chosen])


def matrix(prompts: Sequence[str]) -> Matrix:
    """What the classifier sees of each prompt, by the very code that runs in the proxy."""
    seen = [extract(PromptView(text=prompt)) for prompt in prompts]
    names = tuple(name for name in seen[0].values if name not in PRIORS)
    cells = [(row, one.places or ()) for row, one in enumerate(seen)]
    words = Sparse(
        np.array([row for row, places in cells for _ in places], dtype=np.int64),
        np.array([place for _, places in cells for place in places], dtype=np.int64),
        np.array([1 / damping(len(places)) for _, places in cells for _ in places]),
        len(seen),
    )
    return Matrix(
        names,
        np.array([[one.values[name] for name in names] for one in seen]),
        np.array([sum(one.values[name] * weight for name, weight in PRIORS.items()) for one in seen]),
        words,
        np.array([float(one.places is not None) for one in seen]),
    )
