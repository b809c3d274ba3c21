"""The classifier's numbers as one value: what is shipped, and what an operator's own labels change in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec
from msgspec import Struct

from policies.classify.weights import BIAS, VERSION, WEIGHTS


class Thresholds(Struct, frozen=True):
    """Both are a P(the local answer is worse), 0..1."""

    simple_below: float
    complex_from: float


class Model(Struct, frozen=True):
    """Weights, their version, and the thresholds that go with them."""

    version: str
    """Changes with every change of a weight; it stands in the ledger beside the score."""
    thresholds: Thresholds
    bias: float
    weights: Mapping[str, float]
    """Structural feature -> weight; a contribution is weight x value."""

    def with_thresholds(self, simple_below: float, complex_from: float) -> Model:
        """The same weights with other thresholds."""
        return msgspec.structs.replace(self, thresholds=Thresholds(simple_below, complex_from))

    def adjusted(self, bias: float, weights: Mapping[str, float], version: str) -> Model:
        """These weights with an operator's re-fit laid over them: ``bias`` and ``weights`` are differences.

        Raises KeyError for a feature that the model does not know.
        """
        changed = {name: self.weights[name] + change for name, change in weights.items()}
        return msgspec.structs.replace(
            self, version=version, bias=self.bias + bias, weights={**self.weights, **changed}
        )


@cache
def shipped() -> Model:
    """The model that the package carries."""
    return Model(VERSION, Thresholds(0.269, 0.574), BIAS, WEIGHTS)
