"""Thresholds by share, drift control, and the re-fit by labels."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.classify import PromptView, Reason, Thresholds, Verdict, classify, shipped
from policies.classify.calibration import cut, place, thresholds
from policies.classify.drift import EVERY, WINDOW, Drift
from policies.classify.measuring import Outcome, apgr, difference
from policies.classify.refit import Change, Labelled, moved, refit

BEFORE = Thresholds(0.27, 0.57)


def verdict(worse: float, gated: str | None = None) -> Verdict:
    return Verdict("moderate", 0.0, worse, gate=gated and f"by {gated}", gated=gated)


def classed(each: Verdict, by: Thresholds) -> bool:
    """Is it simple by these thresholds? As ``classify`` has it, for a verdict made up here."""
    if each.gated == "simple":
        return each.p_local_worse < by.gated_simple_below
    if each.gated == "complex":
        return each.p_local_worse < by.gated_complex_below
    return each.p_local_worse < by.simple_below


VERDICTS = st.lists(
    st.builds(
        verdict,
        st.floats(0.0001, 0.9999).map(lambda p: round(p, 4)),
        st.sampled_from([None, None, None, "simple", "complex"]),
    ),
    min_size=1,
    max_size=80,
)


@given(VERDICTS, st.floats(0, 1))
@settings(deadline=None)
def test_the_cut_is_the_nearest_there_is_to_the_share(verdicts: list[Verdict], share: float) -> None:
    found = cut(verdicts, share, BEFORE)
    local = sum(classed(each, found.thresholds) for each in verdicts) / len(verdicts)
    assert local == pytest.approx(found.share)
    places = sorted(map(place, verdicts))
    others = [sum(each <= border for each in places) / len(places) for border in (-1.0, *places)]
    assert abs(found.share - share) <= min(abs(other - share) for other in others) + 1e-9


@given(VERDICTS, st.floats(0, 1))
@settings(deadline=None)
def test_what_is_local_is_what_is_easiest(verdicts: list[Verdict], share: float) -> None:
    by = cut(verdicts, share, BEFORE).thresholds
    local = [place(each) for each in verdicts if classed(each, by)]
    cloud = [place(each) for each in verdicts if not classed(each, by)]
    assert not local or not cloud or max(local) < min(cloud)


def test_gates_hold_as_long_as_the_share_can_be_met() -> None:
    verdicts = [*(verdict(0.5, "simple") for _ in range(20)), *(verdict(i / 100) for i in range(60)),
                *(verdict(0.1 + i / 1000, "complex") for i in range(20))]  # fmt: skip
    easy = cut(verdicts, 0.5, BEFORE)
    assert easy.gates_held
    assert easy.thresholds.gated_complex_below == 0
    assert easy.thresholds.gated_simple_below > 1
    assert easy.share == 0.5
    much = cut(verdicts, 0.9, BEFORE)
    assert not much.gates_held
    assert much.share == 0.9
    assert not cut(verdicts, 0.1, BEFORE).gates_held


def test_the_live_classifier_obeys_them() -> None:
    view = PromptView(text="Create a FastAPI server")
    assert classify(view).cls == "complex"
    assert classify(view, thresholds=thresholds(2.99, BEFORE)).cls == "simple"
    assert classify(PromptView(text="Hi!"), thresholds=thresholds(0.0, BEFORE)).cls == "moderate"
    assert classify(PromptView(text="Hi!"), thresholds=thresholds(1.5, BEFORE)).cls == "simple"


def test_without_prompts_there_is_nothing_to_set() -> None:
    with pytest.raises(ValueError, match="no prompts"):
        cut([], 0.5, BEFORE)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_drift_control_holds_the_share_while_the_prompts_change(share: float, seed: int) -> None:
    rng = random.Random(seed)
    drift = Drift(share, cut([verdict(rng.betavariate(2, 4)) for _ in range(500)], share, BEFORE).thresholds)
    recent: list[bool] = []
    for number in range(8 * WINDOW):
        harder = number / (8 * WINDOW)
        seen = verdict(rng.betavariate(2 + 4 * harder, 4))
        local = classed(seen, drift.thresholds)
        recent.append(local)
        drift.saw(Verdict("simple" if local else "moderate", 0.0, seen.p_local_worse))
    for start in range(WINDOW, len(recent) - 2 * WINDOW, WINDOW):
        window = recent[start : start + 2 * WINDOW]
        assert abs(sum(window) / len(window) - share) <= 0.03
    assert drift.realised == pytest.approx(share, abs=0.03)


def test_drift_control_begins_with_what_was_calibrated() -> None:
    drift = Drift(0.5, BEFORE)
    for _ in range(EVERY):
        drift.saw(verdict(0.9))
    assert drift.thresholds is BEFORE
    assert Drift(0.5, BEFORE).realised is None


def test_apgr_of_the_perfect_the_worst_and_a_random_order() -> None:
    outcomes = [Outcome(0, 1)] * 500 + [Outcome(1, 1)] * 500
    assert apgr([1.0] * 500 + [0.0] * 500, outcomes) == pytest.approx(0.75)
    assert apgr([0.0] * 500 + [1.0] * 500, outcomes) == pytest.approx(0.25)
    rng = random.Random(1)
    assert apgr([rng.random() for _ in outcomes], outcomes) == pytest.approx(0.5, abs=0.03)
    assert apgr([0.0, 1.0], [Outcome(1, 0), Outcome(1, 1)]) is None
    assert difference([0.0, 1.0], [1.0, 0.0], [Outcome(1, 1), Outcome(1, 1)]) is None


def labels(many: int, seed: int, telling: str | None) -> list[Labelled]:
    """Prompts whose local answer is worse where ``telling`` is large, or at random."""
    rng = random.Random(seed)
    found: list[Labelled] = []
    for _ in range(many):
        values = {name: rng.random() for name in ("size", "repeats", "operators", "numbers")}
        reasons = (Reason("bias", 1, -1), *(Reason(name, value, 0.1 * value) for name, value in values.items()))
        worse = rng.random() < (values[telling] if telling else 0.4)
        found.append(
            Labelled(
                Verdict("moderate", sum(each.contribution for each in reasons), 0.3, reasons=reasons),
                Outcome(1 - worse, 1),
            )
        )
    return found


def test_labels_that_know_better_are_followed() -> None:
    found = refit(labels(300, 1, "operators"))
    assert not found.kept_prior
    assert found.change.weights["operators"] == max(found.change.weights.values())
    assert found.refit_apgr is not None
    assert found.prior_apgr is not None
    assert found.refit_apgr > found.prior_apgr + 0.05
    unseen = labels(1_000, 2, "operators")
    assert _apgr(unseen, found.change) > _apgr(unseen, Change()) + 0.05


@pytest.mark.parametrize("seed", range(5))
def test_labels_that_know_nothing_change_nothing(seed: int) -> None:
    found = refit(labels(300, seed, None))
    assert found.kept_prior
    assert found.change == Change()


def test_few_labels_are_too_few() -> None:
    found = refit(labels(6, 1, "operators"))
    assert found.kept_prior
    assert found.error is None


def _apgr(given: Sequence[Labelled], change: Change) -> float:
    found = apgr([moved(each, change) for each in given], [each.outcome for each in given])
    assert found is not None
    return found


def test_a_change_moves_the_shipped_model_by_what_it_says() -> None:
    view = PromptView(text="What is the capital of France, and why is it not Lyon?")
    before = classify(view)
    name = next(each.feature for each in before.reasons if each.feature in shipped().weights)
    value = next(each.value for each in before.reasons if each.feature == name)
    after = classify(view, shipped().adjusted(0.5, {name: 0.25}, "own"))
    assert after.weights == "own"
    assert after.score == pytest.approx(before.score + 0.5 + 0.25 * value, abs=1e-3)
