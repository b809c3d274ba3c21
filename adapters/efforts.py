"""Reasoning effort between models that know different words, and between words and token budgets."""

from __future__ import annotations

from collections.abc import Collection

from adapters import ir


def nearest(effort: str, allowed: Collection[str]) -> str | None:
    """The allowed effort next to ``effort``, the lower of two equally near; None where nothing is allowed.

    A word that we do not know counts as ``medium``."""
    if effort in allowed:
        return effort
    known = [word for word in ir.EFFORTS if word in allowed]
    wanted = _rank(effort)
    return min(known, key=lambda word: abs(_rank(word) - wanted), default=None)


def _rank(effort: str) -> int:
    return next((at for at, word in enumerate(ir.EFFORTS) if word == effort), ir.EFFORTS.index("medium"))


def of_budget(tokens: int) -> str:
    """The word for a budget of thinking tokens (protocol.md section 3.3); 0 is ``none``, below 0 ``medium``."""
    if tokens < 0:
        return "medium"
    if tokens == 0:
        return "none"
    return "low" if tokens < 4096 else "medium" if tokens < 16_384 else "high"
