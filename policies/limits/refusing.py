"""What a client is told when a limit or a budget stands in the way: which one, what is left, when it resets, why."""

from __future__ import annotations

from msgspec import Struct

from adapters import ir
from policies.limits import windows
from policies.limits.limit import Limit
from policies.pricing import NANO

SOON = 1.0
"""Seconds after which to ask again when nothing but calls under way stands in the way."""
_MEND = {
    "requests": "Ask less often, or ask the operator for more.",
    "tokens": "Ask for less (a shorter prompt, a lower limit of output tokens), or ask the operator for more.",
}


class Left(Struct, frozen=True):
    """A limit at this moment, in its own unit."""

    limit: Limit
    amount: int
    """What was granted beside the limit's own amount included."""
    used: int
    """In the window, and settled."""
    held: int
    """Behind open calls."""
    frees: float | None = None
    """Seconds until what is asked for leaves the window; None: that alone will not bring it."""

    @property
    def left(self) -> int:
        return max(self.amount - self.used - self.held, 0)


def refusal(left: Left, need: int, now: float) -> ir.Failure:
    """Why ``need`` of this limit cannot be had. ``now``: wall clock, seconds since 1970."""
    match left.limit.kind:
        case "parallel":
            return _parallel(left)
        case "usd":
            return _budget(left, need, now)
    return _rate(left, need)


def away(limit: Limit) -> ir.Failure:
    """What is used of this limit cannot be found out now, and the operator would rather wait than guess."""
    what = "budget" if limit.kind == "usd" else "limits"
    message = f"The {what} of {owner(limit)} cannot be checked now: the store that keeps count cannot be reached."
    return _failure("overloaded", f"{message} Try again in a moment.", "limits_unavailable", SOON)


def unpriced(limit: Limit) -> str:
    """Why a backend is left out, in words for the trace and the client."""
    assume = ", or the budget 'on_unknown_price: assume'"
    told = assume if limit.budget is not None and limit.budget.on_unknown_price == "deny" else ""
    mend = f"give it a 'price' or a 'cost', or the budget 'counts: cloud' where it is local{told}"
    return f"nobody knows its price, and the budget of {owner(limit)} counts it: {mend}"


def owner(limit: Limit) -> str:
    """``team 'interns'``."""
    return f"{limit.scope} '{limit.name}'"


def money(nano: int, of: int, *, up: bool = False) -> str:
    """To the cent, and more exactly where it is a part ``of`` less than a dollar. ``up``: rounded up."""
    places = 2 if of >= NANO else 4 if of >= NANO // 100 else 6
    step = NANO // 10**places
    units = -(-nano // step) if up else nano // step
    return f"${units / 10**places:,.{places}f}"


def _rate(left: Left, need: int) -> ir.Failure:
    limit, unit = left.limit, left.limit.kind
    wait = SOON if left.frees is None else max(left.frees, 0.001)
    size = f"{_capital(limit)} may use {left.amount:,} {unit} per minute"
    rest = f"{left.left:,} {'is' if left.left == 1 else 'are'} left"
    this = "" if need == 1 else f" and this call may use {need:,}"
    message = f"Rate limit reached: {size}; {rest}{this}. It resets in {wait:.3g} s. {_MEND[unit]}"
    return _failure("limited", message, "rate_limit_exceeded", wait, unit)


def _parallel(left: Left) -> ir.Failure:
    size = f"{_capital(left.limit)} may have {left.amount:,} calls under way at one time; {left.left:,} are left"
    mend = "It resets with the next answer: wait for one, or ask the operator for more."
    return _failure("limited", f"Rate limit reached: {size}. {mend}", "rate_limit_exceeded", SOON, "requests")


def _budget(left: Left, need: int, now: float) -> ir.Failure:
    limit, window = left.limit, left.limit.window
    waits = left.held > 0 and need <= left.amount - left.used
    whole = left.amount
    spent = f"{_capital(limit)} has spent {money(left.used, whole)} of its {money(whole, whole)} for"
    held = f", and {money(left.held, whole)} is held for calls that are under way" if left.held > 0 else ""
    rest = f"{money(left.left, whole)} is left and this call may cost {money(need, whole, up=True)}"
    frees = left.frees if window.span == "rolling" and left.frees is not None else windows.resets(window, now) - now
    when = f"It resets on {windows.iso(now + frees)}."
    mend = "Try again in a moment." if waits else "Wait until then, or ask the operator for more."
    message = f"{spent} {windows.named(window, now)}{held}; {rest}. {when} {mend}"
    return _failure("quota", message, "insufficient_quota", SOON if waits else None, "insufficient_quota")


def _failure(kind: str, message: str, code: str, wait: float | None, type_: str = "server_error") -> ir.Failure:
    return ir.Failure(kind, 503 if kind == "overloaded" else 429, message, type_, code, retry_after=wait)


def _capital(limit: Limit) -> str:
    return f"{limit.scope.capitalize()} '{limit.name}'"
