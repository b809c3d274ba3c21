"""What can be asked for: the aliases, in the shape of OpenAI's model list or, for its clients, of Anthropic's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from policies import aliases
from proxy.apis import is_anthropic
from proxy.endpoints.plain import answer, caller, failed
from proxy.house import House


def handlers(house: House) -> list[HTTPRouteHandler]:
    """``GET /v1/models`` and ``GET /v1/models/{id}``."""

    @get("/v1/models")
    async def models(request: Request[Any, Any, Any]) -> Response[bytes]:
        own = (await caller(house, request)).aliases
        names = house.snapshot.listed(own)
        if is_anthropic(request.headers):
            return answer(house, _page(house, names))
        return answer(house, {"object": "list", "data": [_model(house, name) for name in names]})

    @get("/v1/models/{model_id:path}")
    async def model(request: Request[Any, Any, Any], model_id: FromPath[str]) -> Response[bytes]:
        own = (await caller(house, request)).aliases
        name = model_id.lstrip("/")
        if own is not None and not aliases.allowed(own, name):
            denied = aliases.denied(own, name)
            raise failed(denied.status, denied.reason, denied.code, denied.param)
        known = house.snapshot.route(name) is not None
        pinned = name.startswith("backend/") and name.removeprefix("backend/") in house.snapshot.backends
        if not known and not pinned:
            near = " or ".join(house.snapshot.near(name, own))
            hint = f"Did you mean {near}?" if near else "GET /v1/models lists what there is."
            raise failed(404, f"The model '{name}' does not exist. {hint}", "model_not_found", "model")
        shape = _anthropic if is_anthropic(request.headers) else _model
        return answer(house, shape(house, name))

    return [models, model]


def _model(house: House, name: str) -> dict[str, Any]:
    snapshot = house.snapshot
    route = snapshot.route(name)
    via = route.policy if route is not None and route.policy else None
    entry: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": int(snapshot.loaded_at),
        "owned_by": "turnout-demo" if snapshot.demo else "turnout",
    }
    return {**entry, "turnout": {"policy": via}} if via else entry


def _anthropic(house: House, name: str) -> dict[str, Any]:
    created = datetime.fromtimestamp(int(house.snapshot.loaded_at), UTC)
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }


def _page(house: House, names: Sequence[str]) -> dict[str, Any]:
    """All of them on one page: aliases are few."""
    return {
        "data": [_anthropic(house, name) for name in names],
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }
