"""Which reasoning effort an upstream is really sent."""

from __future__ import annotations

from adapters import efforts, ir


def effective(effort: str | None, budget: int | None, can: ir.Capabilities) -> str | None:
    """The effort to send: the asked one, or the allowed one nearest to it; None where the model takes none."""
    asked = effort or (None if budget is None else efforts.of_budget(budget))
    return None if asked is None else efforts.clamp(asked, can)
