"""A limit: so much of something in a window of time, for one team or one key."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal["requests", "tokens", "parallel", "usd"]
Exhausted: TypeAlias = Literal["deny", "local", "policy"]
"""What becomes of a call when its budget is spent: it is refused, meets local backends only, or follows its rules,
which may ask for ``budget_used``."""


class Window(Struct, frozen=True):
    """The time over which a limit counts. ``day``, ``week`` (from Monday) and ``month`` are those of the calendar in
    ``timezone``; ``rolling`` is the last ``seconds``; ``now`` counts what is under way."""

    span: Literal["day", "week", "month", "rolling", "now"]
    seconds: float = 0.0
    timezone: str = "UTC"

    def __str__(self) -> str:
        """As an operator writes it: ``month``, ``30d``, ``60s``."""
        if self.span != "rolling":
            return self.span
        days = self.seconds / 86_400
        return f"{days:g}d" if days >= 1 else f"{self.seconds:g}s"


MINUTE = Window("rolling", 60.0)
NOW = Window("now")


class BudgetTerms(Struct, frozen=True, kw_only=True):
    """What a budget says beside its amount."""

    soft: float | None = None
    """Share of the amount at which the operator is told, and nobody is refused."""
    counts: Literal["all", "cloud"] = "all"
    on_exhausted: Exhausted = "deny"
    on_unknown_price: Literal["assume", "deny"] = "assume"
    """A target without a price: the dearest known price of its provider is counted and the row flagged, or it is not
    asked."""


class Limit(Struct, frozen=True, kw_only=True):
    """``amount``: requests, tokens, calls at one time, or nano-dollars."""

    scope: Literal["team", "key", "backend"]
    """A backend's are its vendor's quotas."""
    name: str
    """Of the team, the key or the quota."""
    kind: Kind
    amount: int
    window: Window = MINUTE
    budget: BudgetTerms | None = None
    """Of ``usd`` alone."""

    @property
    def owner(self) -> str:
        """The team or the key, as pots know it: ``team:interns``."""
        return f"{self.scope}:{self.name}"

    @property
    def id(self) -> str:
        """What is counted under it outlives a change of its amount."""
        return f"{self.kind}:{self.scope}:{self.name}:{self.window}:{self.window.timezone}"
