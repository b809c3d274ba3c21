"""The hot endpoints, as raw ASGI handlers: chat, Responses, and what is passed on unread."""

from __future__ import annotations

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from adapters.catalog import DIALECTS
from adapters.passthrough import Passthrough
from proxy.call import Api
from proxy.endpoints.door import enter
from proxy.house import House

APIS: dict[str, Api] = {
    "/v1/chat/completions": Api("chat", DIALECTS["openai_chat"], DIALECTS["openai_chat"]),
    "/v1/responses": Api("responses", DIALECTS["openai_responses"], DIALECTS["openai_responses"]),
    "/v1/embeddings": Api("embeddings", Passthrough("embeddings", "/embeddings"), None),
    "/v1/completions": Api("completions", Passthrough("completions", "/completions"), None),
}


def handlers(house: House) -> list[ASGIRouteHandler]:
    """One handler per path. Litestar's raw handlers answer every method: 405 is written at the door (D21)."""
    return [_handler(path, api, house) for path, api in APIS.items()]


def _handler(path: str, api: Api, house: House) -> ASGIRouteHandler:
    @asgi(path, copy_scope=False)
    async def hot(scope: Scope, receive: Receive, send: Send) -> None:
        await enter(api, house, scope, receive, send)  # type: ignore[arg-type]

    return hot
