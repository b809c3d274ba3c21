"""Overrides for admins: the twins of ``turnout override``."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from adapters import ir
from proxy.endpoints.admin import admit
from proxy.endpoints.plain import answer, changed, read
from proxy.house import House
from proxy.overrides import listed

Asked = Request[Any, Any, Any]
T = TypeVar("T")
_MOST = 64 * 1024
"""Bytes of a body."""
_AWAY = ir.Failure(
    "internal",
    503,
    "The store of overrides cannot be reached now: what stands goes on; try again later.",
    "server_error",
    "overrides_unavailable",
)
_EXAMPLE = '{"policy": "auto=local_only", "ttl": "1h"} or {"drain": "claude", "ttl": "30m", "reason": "…"}'


def handlers(house: House) -> list[HTTPRouteHandler]:
    """``GET`` and ``POST /admin/overrides``, and ``DELETE /admin/overrides/{id}``."""

    @get("/admin/overrides")
    async def shown(request: Asked) -> Response[bytes]:
        admit(house, request)
        await house.overrides.refresh()
        return answer(house, _all(house))

    @post("/admin/overrides", status_code=201)
    async def put(request: Asked) -> Response[bytes]:
        from proxy import override_desk  # here and below: most workers never need it

        admit(house, request)
        wanted = read(await request.body(), msgspec.json.Decoder(override_desk.Wanted), _EXAMPLE, _MOST)
        desk = override_desk.put(
            house.overrides.store, house.snapshot, wanted, by=_who(house, request), now=time.time()
        )
        made = await _done(house, desk)
        [told] = listed([made.override], {})
        replaced = [each.told for each in (made.replaced,) if each is not None]
        return answer(house, {"override": told, "replaced": replaced, "warnings": made.warnings}, 201)

    @delete("/admin/overrides/{id:str}", status_code=200)
    async def clear(request: Asked, id: FromPath[str]) -> Response[bytes]:  # noqa: A002 - the path's own word
        from proxy import override_desk

        admit(house, request)
        gone = await _done(house, override_desk.clear(house.overrides.store, id, time.time()))
        return answer(house, {"cleared": listed(gone, {})})

    return [shown, put, clear]


def _all(house: House) -> dict[str, Any]:
    board = house.overrides
    return {"generation": board.generation, "overrides": board.listed(), "store": board.away or "ok"}


def _who(house: House, request: Asked) -> str:
    peer = request.client.host if request.client else "nobody knows where"
    return f"admin key at {peer}" if house.snapshot.config.server.admin_key is not None else f"admin at {peer}"


async def _done(house: House, work: Awaitable[T]) -> T:
    return await changed(house, work, house.overrides.refresh, "override_not_changed", _AWAY)
