"""Thresholds by target, not by number: from prompts of the operator's own to the share that is to stay local.

Every prompt has one place on a line: first what a gate rule calls simple, then by its P(the local answer is worse),
last what a gate rule calls complex. A cut through that line is a share; the gates give way only where the share that
was asked for cannot be met otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from policies.classify import Thresholds, Verdict

_TIERS = {"simple": 0.0, None: 1.0, "complex": 2.0}


class Cut(Struct, frozen=True):
    """Where the line is cut, and the share of the prompts it was made from that lies below."""

    thresholds: Thresholds
    share: float
    gates_held: bool
    """No prompt that a gate rule decides lies on the other side of the cut."""


def place(verdict: Verdict) -> float:
    """Where a prompt stands on the line, 0..3."""
    return _TIERS[verdict.gated] + verdict.p_local_worse


def cut(verdicts: Iterable[Verdict], share: float, before: Thresholds) -> Cut:
    """The thresholds below which ``share`` (0..1) of these prompts lies. ``before``: the thresholds so far, whose
    border between moderate and complex stays where it can. Raises ValueError without any prompt."""
    places = sorted(map(place, verdicts))
    if not places:
        raise ValueError("there are no prompts to set thresholds by")
    at = _nearest(places, share)
    border = 3.0 if at == len(places) else 0.0 if at == 0 else (places[at - 1] + places[at]) / 2
    return Cut(thresholds(border, before), at / len(places), gates_held=_held(places, border))


def thresholds(border: float, before: Thresholds) -> Thresholds:
    """The thresholds that cut the line at ``border``, 0..3."""
    ungated = min(max(border - 1, 0.0), 1.0)
    return Thresholds(
        simple_below=ungated,
        complex_from=max(before.complex_from, ungated),
        gated_simple_below=min(border, 1.0) if border < 1 else 1.01,
        gated_complex_below=max(border - 2, 0.0),
        any_form=True,
    )


def _nearest(places: Sequence[float], share: float) -> int:
    """How many of the sorted places are to lie below, where equals stay together: the number nearest to the share."""
    wanted = share * len(places)
    borders = [0, *(i for i in range(1, len(places)) if places[i - 1] < places[i]), len(places)]
    return min(borders, key=lambda count: abs(count - wanted))


def _held(places: Sequence[float], border: float) -> bool:
    return not any(border <= each < 1 or 2 <= each < border for each in places)
