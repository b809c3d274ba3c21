"""The moment: what is so now, outside the request, as one value that explain and the live call decide by alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from policies.classify import Thresholds
from policies.load import Load
from policies.pricing import Price
from policies.sticky import Home
from policies.verdict import Target, Told

Available: TypeAlias = Callable[[Target], str | None]
"""Why a target is not to be offered now, or None."""

PriceOf: TypeAlias = Callable[[Target], Price | None]
"""What a target charges; None where nobody knows."""


def everyone(_: Target) -> str | None:
    """Every target may be offered."""
    return None


def unpriced(_: Target) -> Price | None:
    """No price is known."""
    return None


class Moment(Struct, frozen=True, kw_only=True):
    """Two decisions on the same request at the same moment are the same."""

    time: datetime | None = None
    available: Available = everyone
    price: PriceOf = unpriced
    health: Mapping[str, str] = {}
    """backend -> up | down, by its breaker."""
    load: Mapping[str, Load] = {}
    """backend -> what its engine's gauges and its last calls say."""
    busy: Mapping[str, int] = {}
    """backend -> calls in flight from here."""
    contexts: Mapping[str, int] = {}
    """backend -> tokens that it was seen to read at the most, where that is less than it is said to take."""
    home: Home | None = None
    """Where this thread was answered before; None: it is new, or nobody remembers."""
    budget_used: float | None = None
    """Share of one: of the caller's budgets, the fullest."""
    budget_pace: float | None = None
    """Share of one that will be used at the window's end if things go on like this; the fastest."""
    spent: str | None = None
    """Why none but local backends may be asked now, where a budget says so; None: it does not."""
    thresholds: Thresholds | None = None
    """The classifier's, as the drift control has set them; None: those of its model."""
    dice: float = 0.0
    """0 <= dice < 1, from the call's id: what `order: weighted` draws by."""
    outside: Told | None = None
    """The class that a header or the operator's hook has given (S24)."""
