"""Tools, their names and their calls, in a form that a backend takes."""

from __future__ import annotations

from adapters import ir
from adapters.fitting.fitted import Fitted


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    return Fitted(request)
