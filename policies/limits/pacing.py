"""How full a budget is, and how full it will be when its window ends."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from policies.limits import windows
from policies.limits.limit import Limit

FLOOR = 0.03
"""Share of a window over which a pace is reckoned at the least: the first calls of a month say nothing of the rest."""


class Share(Struct, frozen=True):
    """One budget now."""

    limit: Limit
    used: int
    """Nano-dollars that are spent or reserved."""
    amount: int
    """What was granted beside the limit's own amount included."""

    @property
    def full(self) -> float:
        """Share of one; a budget of nothing is full."""
        return round(self.used / self.amount, 6) if self.amount > 0 else 1.0

    def pace(self, now: float) -> float:
        """Share of the budget that will be used at the window's end if things go on like this. ``now``: wall clock."""
        return round(self.full / max(windows.elapsed(self.limit.window, now), FLOOR), 6)


def exhausted(shares: Iterable[Share]) -> str | None:
    """Why only local backends may be asked, where a budget that says so is spent."""
    for share in shares:
        terms = share.limit.budget
        if terms is not None and terms.on_exhausted == "local" and share.full >= 1:
            return f"the budget of {share.limit.scope} '{share.limit.name}' is spent"
    return None


def fullest(shares: Iterable[Share]) -> float | None:
    """``budget_used``: of several budgets the fullest counts; None: there is none."""
    return max((share.full for share in shares), default=None)


def fastest(shares: Iterable[Share], now: float) -> float | None:
    """``budget_pace``, in the same way."""
    return max((share.pace(now) for share in shares), default=None)
