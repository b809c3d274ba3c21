"""The operators' room: what configuration runs, a reload, and an explanation. On loopback, or with the admin key."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from adapters import ir
from policies.verdict import Caller
from proxy import keys
from proxy.apis import guessed
from proxy.call import Rejected
from proxy.endpoints import config as configuration
from proxy.endpoints.config import Wishes
from proxy.endpoints.plain import answer, failed, read
from proxy.explain import as_json, explain_here
from proxy.house import House

Reload = Callable[[str], Awaitable[dict[str, Any]]]
"""Asks the supervisor to reload, for whom it names; the outcome once every worker has swapped."""


def handlers(house: House, reload: Reload | None, wishes: Wishes | None = None) -> list[HTTPRouteHandler]:
    """``GET /admin/config``, ``POST /admin/config/reload`` (``?dry_run=1&last=N``: says what it would change),
    ``POST /admin/explain``, and those of ``configuration``."""

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
                "overrides": {"generation": house.overrides.generation, "overrides": house.overrides.listed()},
                "config": snapshot.masked(),
            },
        )

    @post("/admin/config/reload", status_code=200)
    async def reload_config(request: Request[Any, Any, Any]) -> Response[bytes]:
        admit(house, request)
        if reload is None:
            raise configuration.alone()
        if _dry(request):
            outcome = await configuration.weighed(request, wishes)
        else:
            outcome = await reload(configuration.who(request))
        return answer(house, outcome, 200 if outcome.get("ok") else 422)

    @post("/admin/explain", status_code=200)
    async def explain(request: Request[Any, Any, Any]) -> Response[bytes]:
        admit(house, request)
        asked = read(await request.body(), _question, _EXAMPLE, _MOST)
        body = bytes(asked.request)
        found = await explain_here(house, asked.api or guessed(body), body, asked.headers, _caller(house, asked.key))
        return answer(house, {"api": asked.api or guessed(body), **as_json(found)})

    return [config, reload_config, explain, *configuration.handlers(house, wishes, admit)]


def _dry(request: Request[Any, Any, Any]) -> bool:
    """Is only to be told what would happen? A word that is misspelt must not reload."""
    for name in request.query_params:
        if name not in {"dry_run", "last"}:
            raise failed(400, f"There is no '{name}' here: there is dry_run, last.", "unknown_parameter", name)
    word = request.query_params.get("dry_run", "0")
    if word not in {"0", "1", "true", "false"}:
        raise failed(400, "Invalid value for 'dry_run': send 1 or 0.", "invalid_value", "dry_run")
    return word in {"1", "true"}


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /admin/explain``."""

    request: msgspec.Raw
    """What a client would send, whole."""
    api: Literal["chat", "responses", "messages", "embeddings", "completions"] | None = None
    """Default: by the request's fields."""
    key: str | None = None
    """The name of the key that asks, in proxy.yaml or in the store."""
    headers: dict[str, str] = {}


_question = msgspec.json.Decoder(_Question)
_EXAMPLE = '{"request": {…}}, and where needed "api", "key" (its name) and "headers"'
_MOST = 10_000_000
"""Bytes of a body; the framework takes no more."""


def _caller(house: House, key: str | None) -> Caller | None:
    if key is None:
        return None
    found = house.keyring.named(key)
    if found is None:
        raise failed(400, f"There is no key '{key}', neither in proxy.yaml nor in the store.", "unknown_key", "key")
    return found


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
        find=None,
        admin_configured=False,
    )
    if isinstance(found, keys.Refusal):
        message = "Admin routes answer on loopback, or to server.admin_key once it is set."
        raise Rejected(ir.Failure("unauthorized", 401, message, code="invalid_api_key"))
