"""A request made sayable: what one backend has no words for is said in words that it has, and undone in its answer.

Each step is pure, hub in and hub out, and changes nothing where the backend can say it all:

- ``values``: a vendor's own words and limits for single parameters
- ``leftovers``: what of a conversation can only be left behind, by name
- ``offers``: all tools in one list, wherever the conversation brought them
- ``history``: turns that a vendor would refuse (calls without tools, without results, apart from their results)
- ``media``: documents that are text
- ``tools``: names, free-text tools, namespaces, and what of the tool choice a backend cannot obey
- ``formats``: structured output by tool or by instruction
"""

from __future__ import annotations

from adapters import ir
from adapters.fitting import formats, history, leftovers, media, offers, tools, values
from adapters.fitting.fitted import Chain, Emulation, Fitted, Undo

__all__ = ["Chain", "Emulation", "Fitted", "Undo", "fit"]

_STEPS = (values.fit, leftovers.fit, offers.fit, history.fit, media.fit, tools.fit, formats.fit)


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    """The request as this upstream can be told it. ``dialect.refuses`` judges what comes out of here."""
    fitted = Fitted(request)
    for step in _STEPS:
        fitted = fitted.then(step(fitted.request, upstream))
    return fitted
