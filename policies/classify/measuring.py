"""How well an order of prompts tells where a dear model is worth its price: RouteLLM's measure, in plain Python.

https://arxiv.org/abs/2406.18665, section 4: the performance gap recovered, averaged over the share of calls that go to
the strong model. Random is 0.5, and 1 is not reachable.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct


class Outcome(Struct, frozen=True):
    """How good the local and the cloud answer to one prompt were, 0..1 each."""

    local: float
    cloud: float

    @property
    def gap(self) -> float:
        return self.cloud - self.local


def apgr(scores: Sequence[float], outcomes: Sequence[Outcome]) -> float | None:
    """Average performance gap recovered when those with the highest score go to the cloud first. None where the cloud
    is no better than the local model."""
    whole = sum(each.gap for each in outcomes)
    if not outcomes or whole <= 0:
        return None
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    won, area = 0.0, 0.0
    for index in order:
        gain = outcomes[index].gap
        area += won + gain / 2
        won += gain
    return area / (whole * len(outcomes))


def difference(
    one: Sequence[float], other: Sequence[float], outcomes: Sequence[Outcome], *, draws: int = 200
) -> tuple[float, float] | None:
    """APGR of ``one`` less that of ``other`` on the same prompts, and its standard error (paired bootstrap, seeded)."""
    first, second = apgr(one, outcomes), apgr(other, outcomes)
    if first is None or second is None:
        return None
    rng = random.Random(len(outcomes))  # noqa: S311 - a resampling, not a secret
    found: list[float] = []
    for _ in range(draws):
        chosen = rng.choices(range(len(outcomes)), k=len(outcomes))
        drawn = [outcomes[i] for i in chosen]
        a, b = apgr([one[i] for i in chosen], drawn), apgr([other[i] for i in chosen], drawn)
        if a is not None and b is not None:
            found.append(a - b)
    if len(found) < 2:
        return None
    mean = sum(found) / len(found)
    spread = sum((each - mean) ** 2 for each in found) / (len(found) - 1)
    return first - second, spread**0.5
