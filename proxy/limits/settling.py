"""Station 10 for limits: what was held is released, and what a call has really used is spent. Once a call."""

from __future__ import annotations

from collections.abc import Iterator

from policies import pricing
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.limits.drawn import UNFUNDED, Drawn, Funded

_UNSURE = frozenset({"timeout", "interrupted", "cancelled", "bad_response", "bad_output", "poor_answer"})
"""Failures before the first event after which the upstream may have gone on, or had answered, and charged."""


def settle(call: Call, drawn: Drawn) -> int:
    """Flags the attempts whose cost is not what the ledger says, or whose answer was limited. Returns the nano-dollars
    by which they have cost more than anybody reckoned with."""
    _settle_rates(call, drawn)
    over = 0
    for attempt in call.attempts:
        funded = drawn.funded.pop(attempt.number, UNFUNDED)
        if funded.cap is not None:
            attempt.flags.append(f"budget_cap {funded.cap}")
        cost = _cost(attempt, funded)
        for place, (stake, hold) in enumerate(funded.holds):
            charged = hold.held if cost is None else cost
            stake.release(hold)
            stake.spend(charged)
            if place < funded.strict:
                over = max(over, charged - hold.held - hold.exposed)
    for funded in drawn.funded.values():
        release(funded)
    drawn.funded.clear()
    for stake in drawn.stakes:
        stake.open -= 1
    return over


def release(funded: Funded) -> None:
    """Nothing was paid."""
    for stake, hold in funded.holds:
        stake.release(hold)


def nothing_came(attempt: Attempt) -> bool:
    """Can the upstream have charged nothing for this attempt, whose usage nobody told?"""
    if attempt.sent is None or attempt.upstream_status not in (None, 200):
        return True
    return attempt.first_event is None and attempt.failure is not None and attempt.failure.kind not in _UNSURE


def _settle_rates(call: Call, drawn: Drawn) -> None:
    for stake, amount in drawn.rates:
        match stake.limit.kind:
            case "requests":
                if not call.attempts and not drawn.outright:
                    stake.untake(amount)
            case "tokens":
                stake.free += amount
                stake.held -= amount
                stake.spend(sum(_tokens(call, amount)))
            case _:
                stake.free += amount
                stake.held -= amount


def _tokens(call: Call, reserved: int) -> Iterator[int]:
    """What each attempt has used; where nobody told, what was reserved."""
    for attempt in call.attempts:
        usage = attempt.usage
        if usage is not None and usage.input is not None:
            yield usage.input + (usage.output or 0)
        elif not nothing_came(attempt):
            yield reserved


def _cost(attempt: Attempt, funded: Funded) -> int | None:
    """What this attempt is charged with; None: what was reserved for it."""
    if attempt.cost is not None or not funded.holds:
        return attempt.cost
    if attempt.usage is not None and funded.price is not None:
        cost = pricing.cost(attempt.usage, funded.price)
        if cost is not None:
            attempt.flags.append("price_assumed")
            return cost
    if funded.price is None or (attempt.usage is None and nothing_came(attempt)):
        return 0
    attempt.flags.append("budget_assumed")
    return None
