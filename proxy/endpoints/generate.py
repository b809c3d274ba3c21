"""The hot endpoints, as raw ASGI handlers: chat, Responses, and what is passed on unread."""

from __future__ import annotations

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from proxy.apis import APIS
from proxy.call import Api
from proxy.endpoints.door import enter
from proxy.house import House


def handlers(house: House) -> list[ASGIRouteHandler]:
    """One handler per path. Litestar's raw handlers answer every method: 405 is written at the door (D21)."""
    return [_handler(path, api, house) for path, api in APIS.items()]


def _handler(path: str, api: Api, house: House) -> ASGIRouteHandler:
    @asgi(path, copy_scope=False)
    async def hot(scope: Scope, receive: Receive, send: Send) -> None:
        await enter(api, house, scope, receive, send)  # type: ignore[arg-type]

    return hot
