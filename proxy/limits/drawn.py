"""What one call has drawn of its limits, until it is settled: exactly once, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from policies.limits.reserving import Question
from policies.pricing import Price
from proxy.limits.stake import Hold, Stake


class Funded(Struct, frozen=True):
    """The money behind one attempt."""

    holds: tuple[tuple[Stake, Hold], ...]
    """For each budget that counts its target; the first ``strict`` of them would have refused it."""
    strict: int = 0
    price: Price | None = None
    """What its reservation was reckoned with; None: there was nothing to reckon with, or nothing to count."""
    cap: int | None = None
    """Tokens to which its answer was limited."""


UNFUNDED = Funded(())


class Wallet(Struct, frozen=True):
    """The stakes of one caller: all of them, and those of budgets. ``measured``: one of them counts tokens or money."""

    stakes: tuple[Stake, ...]
    budgets: tuple[Stake, ...]
    measured: bool


class Drawn:
    """One call's part in its stakes."""

    __slots__ = (
        "budgets", "cap", "funded", "limited", "measured", "outright", "question", "rates", "stakes", "unlimited",
    )  # fmt: skip

    def __init__(self, wallet: Wallet) -> None:
        self.stakes, self.budgets, self.measured = wallet.stakes, wallet.budgets, wallet.measured
        self.rates: Sequence[tuple[Stake, int]] = ()
        """Requests (spent as they were drawn), tokens and places (held)."""
        self.funded: dict[int, Funded] = {}
        """By the number of the attempt."""
        self.question: Question | None = None
        self.cap: int | None = None
        """Tokens to which the answer of the attempt that is on is limited, for want of money."""
        self.unlimited: int | None = None
        """The client's own limit, once another stands in its place."""
        self.limited = False
        self.outright = False
        """Nothing of it is ever sent: a kept answer is given."""
