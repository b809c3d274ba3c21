"""The demo upstream: speaks all four dialects by rule, so that Turnout runs, and is tested, without a key or a model.

It is written against the vendors' wire formats by hand and imports no adapter: an independent judge of what we write.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.demo.server import ASGIApp, Receive, Scope, Send

__all__ = ["app", "create_app"]


def create_app(**options: Any) -> ASGIApp:
    """``proxy.demo.server.create_app``; its rooms are read when they are first wanted, for they are a megabyte and a
    half that an idle worker need not hold."""
    from proxy.demo import server

    return server.create_app(**options)


@cache
def _own() -> ASGIApp:
    return create_app()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The demo that a worker serves beside itself."""
    await _own()(scope, receive, send)
