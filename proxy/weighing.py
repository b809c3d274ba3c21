"""The classifier as the configuration wants it: the shipped weights, an operator's calibration over them, and drift."""

from __future__ import annotations

from functools import cached_property

import msgspec

from policies.classify import Model, Thresholds, Verdict, shipped
from policies.classify.drift import Drift
from proxy.settings.grammar import Calibration, ClassifierRules


class Weights:
    """The classifier of one configuration; its data are read when a prompt is first to be judged."""

    def __init__(self, rules: ClassifierRules) -> None:
        self.rules = rules

    @cached_property
    def model(self) -> Model:
        """The weights and thresholds that hold."""
        return _model(self.rules)


def _model(rules: ClassifierRules) -> Model:
    """A calibration that was made with other weights does not count."""
    model, found = shipped(), rules.calibration
    if found is None or stale(found) is not None:
        return model
    if found.bias or found.adjust:
        model = model.adjusted(found.bias, found.adjust, f"{model.version}+{found.labels}")
    thresholds = Thresholds(
        found.simple_below, found.complex_from, found.gated_simple_below, found.gated_complex_below, found.any_form
    )
    return msgspec.structs.replace(model, thresholds=thresholds)


def stale(found: Calibration) -> str | None:
    """Why a calibration does not count, with the mend; None: it does."""
    model = shipped()
    if found.weights != model.version:
        return f"was made with the weights {found.weights}, these are {model.version}: run 'turnout calibrate' again"
    unknown = sorted(set(found.adjust) - set(model.weights))
    return f"moves a feature that there is not ({unknown[0]}): run 'turnout calibrate' again" if unknown else None


class Steering:
    """One worker's drift control, kept over reloads that want the same."""

    def __init__(self) -> None:
        self._wanted: tuple[float, Model] | None = None
        self._drift: Drift | None = None

    def adopt(self, weights: Weights) -> None:
        """Follow a configuration."""
        share = weights.rules.local_share
        wanted = None if share is None else (share, weights.model)
        if wanted != self._wanted:
            self._wanted = wanted
            self._drift = None if wanted is None else Drift(wanted[0], wanted[1].thresholds)

    @property
    def thresholds(self) -> Thresholds | None:
        """Those that hold now; None: the model's own."""
        return self._drift.thresholds if self._drift is not None else None

    def saw(self, verdict: Verdict | None) -> None:
        """A prompt was classified, if it was."""
        if self._drift is not None and verdict is not None:
            self._drift.saw(verdict)
