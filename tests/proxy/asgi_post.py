"""A POST to an ASGI app without a socket, with every sent event kept, and a client that may hang up."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import msgspec


class Reply:
    """What the app sent: ``status``, ``headers``, the body's parts as they were sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.ended = False

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    def take(self, event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.headers = {name.decode(): value.decode() for name, value in event["headers"]}
            return
        if event.get("body"):
            self.parts.append(event["body"])
        self.ended = not event.get("more_body", False)


async def post(
    app: Any,
    path: str,
    body: dict[str, Any] | bytes,
    headers: dict[str, str] | None = None,
    *,
    query: str = "",
    hang_up_after: int | None = None,
) -> Reply:
    """POST ``body`` to ``app``; the client disconnects once ``hang_up_after`` body parts have come."""
    reply, gone = Reply(), asyncio.Event()
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await gone.wait()
            return {"type": "http.disconnect"}
        asked = True
        if hang_up_after == 0:
            gone.set()
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(event: MutableMapping[str, Any]) -> None:
        reply.take(event)
        if hang_up_after is not None and len(reply.parts) >= hang_up_after:
            gone.set()
        await asyncio.sleep(0)

    pairs = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query.encode(), "headers": pairs}
    await app(scope, receive, send)
    return reply
