"""Sets the classifier's thresholds by a share or a budget, and its weights by labels: for ``turnout calibrate``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from policies.classify import Model, Verdict, classify, shipped
from policies.classify.calibration import Cut, cut, place
from policies.classify.refit import Change, Labelled, Refit, refit
from proxy.corpus import Sample
from proxy.ledger.record import UsageRecord
from proxy.settings.grammar import Calibration

MONTH_MS = 30 * 86_400_000
FEWEST = 50
"""Prompts below which a share of them says nothing."""


class Calibrated(Struct, frozen=True, kw_only=True):
    """What was found. ``asked`` and ``share``: the share that was wanted, and what the thresholds give on the prompts
    they were set by."""

    calibration: Calibration
    asked: float | None
    share: float | None
    gates_held: bool
    refit: Refit | None


class Past(Struct, frozen=True):
    """A call of the ledger that was classified. ``cost``: nano-dollars that it cost, None where nobody knows."""

    verdict: Verdict
    cost: int | None
    at: int
    """Milliseconds since 1970."""
    local: bool


def of_samples(samples: Iterable[Sample], model: Model) -> list[Verdict]:
    """The verdicts on prompts of a file."""
    return [classify(each.view, model) for each in samples]


def labelled(samples: Iterable[Sample], model: Model) -> list[Labelled]:
    """Those that have a label."""
    return [Labelled(classify(s.view, model), s.outcome, s.view) for s in samples if s.outcome is not None]


def of_ledger(rows: Iterable[UsageRecord], model: Model, local: Mapping[str, bool]) -> list[Past]:
    """The calls that this very model has scored, each once. ``local``: backend -> is it local."""
    last = {row.request_id: row for row in rows if row.parent_id is None and row.facts}
    found = (_past(row, model, local) for row in last.values())
    return [past for past in found if past is not None]


def _past(row: UsageRecord, model: Model, local: Mapping[str, bool]) -> Past | None:
    facts: dict[str, Any] = msgspec.json.decode(row.facts or "{}", type=dict[str, Any])
    score, worse = facts.get("score"), facts.get("p_local_worse")
    if facts.get("weights") != model.version or score is None or worse is None:
        return None
    gate = facts.get("gate")
    cls = row.cls or "moderate"
    verdict = Verdict(cls, score, worse, gate=gate, gated=cls if gate is not None else None, weights=model.version)
    return Past(verdict, row.cost_nano_usd, row.started_at, local.get(row.backend or "", False))


def share_of_budget(past: Sequence[Past], budget_nano: int) -> float:
    """The least share that must stay local so that 30 days like these cost no more than ``budget_nano`` (nano-dollars).
    A call that stayed local would have cost what others did on average. Raises ValueError where no cost is known."""
    known = [each.cost for each in past if not each.local and each.cost is not None]
    if not known:
        raise ValueError("no call to a cloud backend with a known cost is in the ledger: use --local-share")
    mean = sum(known) / len(known)
    span = max(max(each.at for each in past) - min(each.at for each in past), 3_600_000)
    left = budget_nano * span / MONTH_MS
    order = sorted(past, key=lambda each: -place(each.verdict))
    for taken, each in enumerate(order):
        left -= mean if each.local or each.cost is None else each.cost
        if left < 0:
            return 1 - taken / len(order)
    return 0.0


def calibrated(
    model: Model,
    *,
    samples: Sequence[Sample] = (),
    labels: Sequence[Labelled] = (),
    past: Sequence[Past] = (),
    share: float | None = None,
    budget_nano: int | None = None,
) -> Calibrated:
    """``model``: the shipped one. The prompts are ``samples`` where there are any, else those of ``labels``, else
    ``past``. Raises ValueError where there are too few."""
    fitted = refit(labels) if labels else None
    if fitted is not None and not fitted.kept_prior:
        model = model.adjusted(fitted.change.bias, fitted.change.weights, f"{model.version}+{len(labels)}")
    if budget_nano is not None:
        share = share_of_budget(past, budget_nano)
    verdicts = of_samples(samples, model) if samples else _again(labels, model) or [each.verdict for each in past]
    found = None
    if share is not None:
        if len(verdicts) < FEWEST:
            raise ValueError(f"{len(verdicts)} prompts are too few to set thresholds by: at least {FEWEST}")
        found = cut(verdicts, share, model.thresholds)
    return Calibrated(
        calibration=_written(model, found, fitted, len(verdicts), len(labels)),
        asked=share,
        share=found.share if found is not None else None,
        gates_held=found is None or found.gates_held,
        refit=fitted,
    )


def _again(labels: Sequence[Labelled], model: Model) -> list[Verdict]:
    return [classify(each.view, model) for each in labels if each.view is not None]


def _written(model: Model, found: Cut | None, fitted: Refit | None, prompts: int, labels: int) -> Calibration:
    thresholds = found.thresholds if found is not None else model.thresholds
    change = fitted.change if fitted is not None else Change()
    return Calibration(
        weights=shipped().version,
        simple_below=round(thresholds.simple_below, 4),
        complex_from=round(thresholds.complex_from, 4),
        gated_simple_below=round(thresholds.gated_simple_below, 4),
        gated_complex_below=round(thresholds.gated_complex_below, 4),
        any_form=thresholds.any_form,
        bias=change.bias,
        adjust=dict(change.weights),
        prompts=prompts,
        labels=labels,
    )
