"""How hard is this prompt: simple, moderate or complex, with the reasons that add up to its score."""

from __future__ import annotations

from math import exp

from msgspec import Struct

from policies.classify.features import extract
from policies.classify.gates import gate
from policies.classify.model import Model, Thresholds, shipped
from policies.prompt import PromptView

__all__ = ["Model", "PromptView", "Reason", "Thresholds", "Verdict", "classify", "shipped"]


class Reason(Struct, frozen=True):
    """One feature's part in the score."""

    feature: str
    value: float
    contribution: float


class Verdict(Struct, frozen=True):
    """``cls``: simple | moderate | complex. ``score`` is the sum of all contributions (a logit), ``p_local_worse`` its
    probability, ``gate`` the rule that decided before the score, if one did."""

    cls: str
    score: float
    p_local_worse: float
    gate: str | None = None
    reasons: tuple[Reason, ...] = ()
    """Every contribution that is not zero, the largest first; the bias is one of them. No word of the prompt."""
    weights: str = ""
    """The version of the model."""
    lexical: bool = False
    """Was the prompt's language one whose words were learned? If not, its shape alone was scored."""
    thresholds: Thresholds | None = None


def classify(view: PromptView, model: Model | None = None, thresholds: Thresholds | None = None) -> Verdict:
    """The class of a prompt. Looks at no more than 4 KB of it, whatever its length.

    ``model`` is the shipped one by default, ``thresholds`` those of the model.
    """
    model = model or shipped()
    thresholds = thresholds or model.thresholds
    seen = extract(view)
    parts = [Reason("bias", 1.0, model.bias)]
    parts += [Reason(name, value, model.weights[name] * value) for name, value in seen.values.items() if value]
    score = round(sum(part.contribution for part in parts), 6)
    worse = round(1 / (1 + exp(-score)), 4)
    decided = gate(seen)
    plain = seen.question and seen.numbers <= 1
    return Verdict(
        cls=decided[0] if decided is not None else _by_score(worse, thresholds, plain=plain),
        score=score,
        p_local_worse=worse,
        gate=decided[1] if decided is not None else None,
        reasons=tuple(sorted(parts, key=lambda part: -abs(part.contribution))),
        weights=model.version,
        thresholds=thresholds,
    )


def _by_score(worse: float, thresholds: Thresholds, *, plain: bool) -> str:
    """Only a question without sums may be simple by its score: a short order in a language that we do not know may
    mean anything."""
    if worse >= thresholds.complex_from:
        return "complex"
    return "simple" if plain and worse < thresholds.simple_below else "moderate"
