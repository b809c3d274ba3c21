"""Keys of the store for admins: the twins of ``turnout keys``. A secret is in the answer that makes it, and nowhere
else."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from adapters import ir
from proxy.endpoints.admin import admit
from proxy.endpoints.plain import answer, changed, read
from proxy.house import House
from proxy.state.keys import Entry, News

if TYPE_CHECKING:
    from proxy.key_desk import Listed

Asked = Request[Any, Any, Any]
T = TypeVar("T")
_MOST = 64 * 1024
"""Bytes of a body."""
_AWAY = ir.Failure(
    "internal", 503, "The store of keys cannot be reached now: try again later.", "server_error", "keys_unavailable"
)
_body = msgspec.json.Decoder(dict[str, Any])


class _Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /admin/keys/NAME/rotate``, which may be left out."""

    grace: str = "24h"
    expires: str | None = None


_rotation = msgspec.json.Decoder(_Rotation)


def handlers(house: House) -> list[HTTPRouteHandler]:
    """``GET`` and ``POST /admin/keys``, ``POST /admin/keys/{name}/rotate`` and ``DELETE /admin/keys/{name}``."""

    @get("/admin/keys")
    async def listed(request: Asked) -> Response[bytes]:
        from proxy import key_desk  # here and below: most workers never need it

        admit(house, request)
        await house.keyring.refresh()
        news = News(0, tuple(house.keyring.entries))
        told = key_desk.listed(house.snapshot.config, news, time.time())
        return answer(house, {"keys": told, "store": house.keyring.away or "ok"})

    @post("/admin/keys", status_code=201)
    async def create(request: Asked) -> Response[bytes]:
        from proxy import key_desk

        admit(house, request)
        wanted = read(await request.body(), _body, '{"name": …}, and more words of an entry under keys:', _MOST)
        return _made(house, *await _done(house, key_desk.create(*_desk(house), wanted, time.time())), 201)

    @post("/admin/keys/{name:str}/rotate", status_code=200)
    async def rotate(request: Asked, name: FromPath[str]) -> Response[bytes]:
        from proxy import key_desk

        admit(house, request)
        wanted = read(await request.body() or b"{}", _rotation, '{"grace": "24h"}', _MOST)
        desk = key_desk.rotate(*_desk(house), name, time.time(), grace=wanted.grace, expires=wanted.expires)
        return _made(house, *await _done(house, desk), 200)

    @delete("/admin/keys/{name:str}", status_code=200)
    async def revoke(request: Asked, name: FromPath[str]) -> Response[bytes]:
        from proxy import key_desk

        admit(house, request)
        return answer(house, _key(house, await _done(house, key_desk.revoke(*_desk(house), name, time.time()))))

    return [listed, create, rotate, revoke]


def _desk(house: House) -> tuple[Any, Any]:
    return house.keyring.store, house.snapshot.config


async def _done(house: House, work: Awaitable[T]) -> T:
    return await changed(house, work, house.keyring.refresh, "key_not_changed", _AWAY)


def _made(house: House, secret: str, entry: Entry, status: int) -> Response[bytes]:
    found = answer(house, {"secret": secret, "key": _key(house, entry)}, status)
    found.headers["cache-control"] = "no-store"
    return found


def _key(house: House, entry: Entry) -> Listed:
    from proxy import key_desk

    return key_desk.of_entry(entry, house.snapshot.config, time.time())
