"""The classifier's numbers as one value: what is shipped, and what an operator's own labels change in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from operator import itemgetter

import msgspec
from msgspec import Struct

from policies.classify.lexicon import damping

NUMBERS, TABLE = "model.json", "words.bin"
"""The packaged files: all numbers but the table of words, and that table, a byte for each bucket."""

_ZERO = 128
"""The byte of the table that stands for no weight: int8, moved up so that a byte can be used as it is read."""


class Thresholds(Struct, frozen=True, omit_defaults=True):
    """All are a P(the local answer is worse), 0..1. The later three hold for those that are set by a share that the
    operator wants (``policies.classify.calibration``)."""

    simple_below: float
    complex_from: float
    gated_simple_below: float = 1.01
    """What a gate rule calls simple is, below this."""
    gated_complex_below: float = 0.0
    """What a gate rule calls complex is simple all the same, below this."""
    any_form: bool = False
    """Not only a question without sums may be simple by its score."""


class Numbers(Struct, frozen=True, kw_only=True):
    """What ``model.json`` holds."""

    version: str = ""
    """Told by all the rest and the table of words (``version_of``)."""
    thresholds: Thresholds
    bias: float
    weights: dict[str, float]
    word_step: float
    """Logits per step of a byte of the table."""
    word_offset: float
    """Added where words were read, so that they raise and lower the score alike."""


class Model(Struct, frozen=True):
    """Weights, their version, and the thresholds that go with them."""

    version: str
    """Changes with every change of a weight; it stands in the ledger beside the score."""
    thresholds: Thresholds
    bias: float
    weights: Mapping[str, float]
    """Structural feature -> weight in logits; a contribution is weight x value."""
    word_table: bytes = b""
    word_step: float = 0.0
    word_offset: float = 0.0

    def with_thresholds(self, simple_below: float, complex_from: float) -> Model:
        """The same weights with other thresholds."""
        return msgspec.structs.replace(self, thresholds=Thresholds(simple_below, complex_from))

    def adjusted(self, bias: float, weights: Mapping[str, float], version: str) -> Model:
        """These weights with an operator's re-fit laid over them: ``bias`` and ``weights`` are differences in logits.

        Raises KeyError for a feature that the model does not know.
        """
        changed = {name: self.weights[name] + change for name, change in weights.items()}
        return msgspec.structs.replace(
            self, version=version, bias=self.bias + bias, weights={**self.weights, **changed}
        )

    def of_words(self, places: frozenset[int]) -> float:
        """What the words in these buckets add to the score, in logits."""
        if not places or not self.word_table:
            return 0.0
        found: tuple[int, ...] = itemgetter(*places, 0)(self.word_table)
        steps = sum(found) - found[-1] - _ZERO * len(places)
        return self.word_offset + self.word_step * steps / damping(len(places))


def version_of(numbers: Numbers, table: bytes) -> str:
    """The version that two such files have by right: another one as soon as a byte of them changes."""
    said = msgspec.json.encode(msgspec.structs.replace(numbers, version=""), order="deterministic")
    return f"trained-{sha256(said + table).hexdigest()[:10]}"


def build(numbers: Numbers, table: bytes) -> Model:
    """A model of its two files."""
    return Model(
        version=numbers.version,
        thresholds=numbers.thresholds,
        bias=numbers.bias,
        weights=numbers.weights,
        word_table=table,
        word_step=numbers.word_step,
        word_offset=numbers.word_offset,
    )


@cache
def shipped() -> Model:
    """The model that the package carries, read when it is first asked for."""
    files = resources.files("policies.classify")
    numbers = msgspec.json.decode(files.joinpath(NUMBERS).read_bytes(), type=Numbers)
    return build(numbers, files.joinpath(TABLE).read_bytes())
