"""Which reasoning effort an upstream is really sent."""

from __future__ import annotations

from adapters import ir

_LOW, _MEDIUM = 4096, 16_384
"""Thinking budgets below these are ``low`` and ``medium`` effort, above ``high`` (protocol.md 3.3)."""


def effective(effort: str | None, budget: int | None, can: ir.Capabilities) -> str | None:
    """The effort to send: the asked one, or the allowed one nearest to it; None where the model takes none."""
    asked = effort or _from_budget(budget)
    if asked is None or can.thinking == "none":
        return None
    return clamped(asked, can)


def clamped(asked: str, can: ir.Capabilities) -> str:
    """The nearest allowed word; of two equally near the lower. A word that we do not know passes."""
    order: list[str] = list(ir.EFFORTS)
    if not can.efforts or asked in can.efforts or asked not in order:
        return asked
    place = order.index(asked)
    known = [word for word in can.efforts if word in order]
    return min(known, key=lambda word: (abs(order.index(word) - place), order.index(word)), default=asked)


def _from_budget(budget: int | None) -> str | None:
    if budget is None:
        return None
    if budget == 0:
        return "none"
    return "low" if budget < _LOW else "medium" if budget < _MEDIUM else "high"
