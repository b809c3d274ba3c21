"""Turns that a vendor would refuse, in a form that it takes."""

from __future__ import annotations

from adapters import ir
from adapters.fitting.fitted import Fitted


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    return Fitted(request)
