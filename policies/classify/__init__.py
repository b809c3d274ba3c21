"""How hard is this prompt: simple, moderate or complex, with the reasons that add up to its score."""

from __future__ import annotations

from math import exp

from msgspec import Struct

from policies.classify.model import Model, Thresholds, shipped
from policies.prompt import PromptView

__all__ = ["Model", "PromptView", "Reason", "Thresholds", "Verdict", "classify", "shipped"]


_SURE = 0.0001
"""Nothing is certain: P(the local answer is worse) is never 0 and never 1."""


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
    gated: str | None = None
    """The class that the gate rule gave."""
    lexical: bool = False
    """Was the prompt's language one whose words were learned? If not, its shape alone was scored."""
    thresholds: Thresholds | None = None
    plain: bool = False
    """It is a question without sums."""

    def by(self, thresholds: Thresholds) -> str:
        """Its class by these thresholds."""
        if self.gated is not None:
            return _gated(self.gated, self.p_local_worse, thresholds)
        return _by_score(self.p_local_worse, thresholds, plain=self.plain)


def classify(view: PromptView, model: Model | None = None, thresholds: Thresholds | None = None) -> Verdict:
    """The class of a prompt. Looks at no more than 4 KB of it, whatever its length.

    ``model`` is the shipped one by default, ``thresholds`` those of the model.
    """
    # Late: the word lists are a quarter of a megabyte that no process needs before its first prompt.
    from policies.classify.features import extract
    from policies.classify.gates import gate

    model = model or shipped()
    thresholds = thresholds or model.thresholds
    seen = extract(view)
    parts = [Reason("bias", 1.0, model.bias)]
    parts += [Reason(name, value, model.weights[name] * value) for name, value in seen.values.items() if value]
    if seen.places is not None:
        parts.append(Reason("words", float(len(seen.places)), model.of_words(seen.places)))
    score = round(sum(part.contribution for part in parts), 6)
    worse = min(max(round(1 / (1 + exp(-score)), 4), _SURE), 1 - _SURE)
    decided = gate(seen)
    plain = seen.question and seen.numbers <= 1
    return Verdict(
        cls=_by_score(worse, thresholds, plain=plain) if decided is None else _gated(decided[0], worse, thresholds),
        score=score,
        p_local_worse=worse,
        gate=decided[1] if decided is not None else None,
        gated=decided[0] if decided is not None else None,
        reasons=tuple(sorted(parts, key=lambda part: -abs(part.contribution))),
        weights=model.version,
        lexical=seen.places is not None,
        thresholds=thresholds,
        plain=plain,
    )


def _gated(cls: str, worse: float, thresholds: Thresholds) -> str:
    """A gate's word holds, but where the operator's share of local prompts could not be met with it."""
    if cls == "simple" and worse >= thresholds.gated_simple_below:
        return "moderate"
    return "simple" if cls == "complex" and worse < thresholds.gated_complex_below else cls


def _by_score(worse: float, thresholds: Thresholds, *, plain: bool) -> str:
    """Only a question without sums may be simple by its score: a short order in a language that we do not know may
    mean anything."""
    if worse >= thresholds.complex_from:
        return "complex"
    return "simple" if (plain or thresholds.any_form) and worse < thresholds.simple_below else "moderate"
