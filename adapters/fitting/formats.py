"""Structured output for a backend that does not enforce it."""

from __future__ import annotations

from adapters import ir
from adapters.fitting.fitted import Fitted


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    return Fitted(request)
