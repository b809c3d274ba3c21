"""Savings: what calls cost against what a baseline would have charged for them, net, signed, or unknown."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from adapters import ir
from policies.pricing import Price

_MILLION = 1_000_000
_NANO = 1_000_000_000


class Leg(Struct, frozen=True):
    """One row of a call: an attempt, or that of a call that helped it."""

    call: str
    """The request that the client sent, whoever helped it."""
    cost: int | None
    """Nano-dollars; None: unknown."""
    compared: bool = False
    """The client got this one's answer, and there is a baseline to compare it with."""
    baseline: int | None = None
    """Nano-dollars that it would have charged."""


class Saved(Struct):
    """A sum over calls that have a baseline; ``cost`` and ``baseline`` are of those whose saving is known."""

    calls: int = 0
    unknown: int = 0
    """Calls of which a term is unknown: they are in neither sum."""
    cost: int = 0
    baseline: int = 0

    @property
    def saved(self) -> int:
        """Nano-dollars, negative where the calls cost more than their baseline."""
        return self.baseline - self.cost

    @property
    def share(self) -> float | None:
        """Of what the baseline would have charged; None where it would have charged nothing."""
        return self.saved / self.baseline if self.baseline else None

    def add(self, legs: Iterable[Leg]) -> None:
        """The legs of one call. One that nobody compares changes nothing: it was refused or it failed, or its alias
        has no baseline."""
        all_ = tuple(legs)
        if not any(leg.compared for leg in all_):
            return
        self.calls += 1
        costs = [leg.cost for leg in all_]
        grants = [leg.baseline for leg in all_ if leg.compared]
        known_costs, known_grants = [c for c in costs if c is not None], [g for g in grants if g is not None]
        if len(known_costs) < len(costs) or len(known_grants) < len(grants):
            self.unknown += 1
            return
        self.cost += sum(known_costs)
        self.baseline += sum(known_grants)


def saved(legs: Iterable[Leg]) -> Saved:
    """The sum over all calls that these legs are of, in whatever order they come."""
    calls: dict[str, list[Leg]] = {}
    for leg in legs:
        calls.setdefault(leg.call, []).append(leg)
    found = Saved()
    for each in calls.values():
        found.add(each)
    return found


def off_sheet(usage: ir.Usage, cost: int, price: Price) -> str | None:
    """What is wrong with a charge of ``cost`` nano-dollars for these tokens at these rates, in words; None: it may be
    right. Only what no division of the tokens among the classes of the sheet could explain is told."""
    rates = price.at(usage.input or 0)
    told = [rate for name in _RATES if (rate := getattr(rates, name)) is not None]
    tokens = (usage.input or 0) + (usage.output or 0)
    if not told or not tokens:
        return None
    tools = sum(times * rates.calls.get(tool, 0) for tool, times in usage.calls.items())
    charged = cost * _MILLION - tools
    for bound, word, beyond in ((max(told), "dearest", 1), (min(told), "lowest", -1)):
        if (charged - bound * tokens) * beyond > _MILLION:
            implied = _dollars(charged / tokens)
            return f"implies {implied} per million tokens; the {word} rate of the sheet is {_dollars(bound)}"
    return None


_RATES = tuple(name for name in Price.__struct_fields__ if name not in ("calls", "above"))


def _dollars(nano: float) -> str:
    sign = "-" if nano < 0 else ""
    return f"{sign}${abs(nano) / _NANO:,.2f}"
