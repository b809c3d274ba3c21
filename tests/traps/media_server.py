"""A web server with pictures on loopback: what links in the traps' tests point at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from live import serving

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
PDF = b"%PDF-1.7\n%%EOF"


@dataclass(frozen=True)
class Page:
    """What one path answers. ``parts`` go out one by one; ``hang`` never ends."""

    parts: tuple[bytes, ...] = (PNG,)
    kind: str | None = "image/png"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False


class Pages:
    """An ASGI application; ``asked`` are the requests' paths and headers so far."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append((scope["path"], {name.decode(): value.decode() for name, value in scope["headers"]}))
        page = self.pages.get(scope["path"], Page((b"",), "text/plain", 404))
        headers = {**({"content-type": page.kind} if page.kind else {}), **page.headers}
        told = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": page.status, "headers": told})
        for part in page.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        if page.hang:
            while (await receive())["type"] != "http.disconnect":
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@contextmanager
def pages() -> Iterator[tuple[str, Pages]]:
    """Its address (``http://127.0.0.1:PORT``), and the application."""
    app = Pages()
    with serving(app) as url:
        yield url, app
