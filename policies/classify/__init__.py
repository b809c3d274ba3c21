"""How hard is this prompt: simple, moderate or complex, with the reasons that add up to its score."""

from __future__ import annotations

from math import exp

from msgspec import Struct

from policies.classify.features import extract
from policies.classify.gates import gate
from policies.classify.weights import BIAS, COMPLEX_FROM, SIMPLE_BELOW, VERSION, WEIGHTS
from policies.prompt import PromptView

__all__ = ["PromptView", "Reason", "Verdict", "classify"]


class Reason(Struct, frozen=True):
    """One feature's part in the score: ``contribution`` = weight x value."""

    feature: str
    value: float
    contribution: float


class Verdict(Struct, frozen=True):
    """``cls``: simple | moderate | complex. ``score`` is the sum of all contributions, ``p_local_worse`` its
    probability, ``gate`` the rule that decided before the score, if one did."""

    cls: str
    score: float
    p_local_worse: float
    gate: str | None = None
    reasons: tuple[Reason, ...] = ()
    """Every contribution that is not zero, the largest first; the bias is one of them."""
    weights: str = VERSION


def classify(view: PromptView) -> Verdict:
    """The class of a prompt. Looks at no more than 4 KB of it, whatever its length."""
    seen = extract(view)
    parts = [Reason("bias", 1.0, BIAS)]
    parts += [Reason(name, value, WEIGHTS[name] * value) for name, value in seen.values.items() if value]
    score = round(sum(part.contribution for part in parts), 6)
    decided = gate(seen)
    cls = decided[0] if decided is not None else _by_score(score, plain=seen.question and seen.numbers <= 1)
    return Verdict(
        cls=cls,
        score=score,
        p_local_worse=round(1 / (1 + exp(-score)), 4),
        gate=decided[1] if decided is not None else None,
        reasons=tuple(sorted(parts, key=lambda part: -abs(part.contribution))),
    )


def _by_score(score: float, *, plain: bool) -> str:
    """Only a question without sums may be simple by its score: a short order in a language that we do not know may
    mean anything."""
    if score >= COMPLEX_FROM:
        return "complex"
    return "simple" if plain and score < SIMPLE_BELOW else "moderate"
