"""The operators' room: what configuration runs, and a reload. On loopback, or with the admin key."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from adapters import ir
from proxy import keys
from proxy.call import Rejected
from proxy.endpoints.plain import answer
from proxy.house import House

Reload = Callable[[], Awaitable[dict[str, Any]]]
"""Asks the supervisor to reload; the outcome once every worker has swapped."""


def handlers(house: House, reload: Reload | None) -> list[HTTPRouteHandler]:
    """``GET /admin/config`` and ``POST /admin/config/reload``."""

    @get("/admin/config", sync_to_thread=False)
    def config(request: Request[Any, Any, Any]) -> Response[bytes]:
        admit(house, request)
        snapshot = house.snapshot
        return answer(
            house,
            {
                "generation": snapshot.generation,
                "hash": snapshot.hash,
                "file": snapshot.file,
                "loaded_at": snapshot.loaded_at,
                "last_reload": house.last_reload,
                "warnings": list(snapshot.warnings),
                "config": snapshot.masked(),
            },
        )

    @post("/admin/config/reload", status_code=200)
    async def reload_config(request: Request[Any, Any, Any]) -> Response[bytes]:
        admit(house, request)
        if reload is None:
            message = "This process has no supervisor that could reload it."
            raise Rejected(ir.Failure("invalid", 409, message, code="no_supervisor"))
        outcome = await reload()
        return answer(house, outcome, 200 if outcome.get("ok") else 422)

    return [config, reload_config]


def admit(house: House, request: Request[Any, Any, Any]) -> None:
    """Raises Rejected (401) unless the admin key is given or, where there is none, loopback trust holds (D22)."""
    admin_key = house.snapshot.config.server.admin_key
    headers = dict(request.headers)
    given = keys.bearer(headers) or ""
    if admin_key is not None:
        if hmac.compare_digest(given.encode(), admin_key.reveal().encode()):
            return
        message = "Admin routes need the admin key: send it as 'Authorization: Bearer …'."
        raise Rejected(ir.Failure("unauthorized", 401, message, code="invalid_api_key"))
    found = keys.authenticate(
        headers,
        peer_host=request.client.host if request.client else None,
        bound_loopback=house.bound_loopback,
        callers={},
        admin_configured=False,
    )
    if isinstance(found, ir.Failure):
        message = "Admin routes answer on loopback, or to server.admin_key once it is set."
        raise Rejected(ir.Failure("unauthorized", 401, message, code="invalid_api_key"))
