"""What can be asked for: the aliases, in the shape of OpenAI's model list."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from proxy.endpoints.plain import answer, caller, failed
from proxy.house import House


def handlers(house: House) -> list[HTTPRouteHandler]:
    """``GET /v1/models`` and ``GET /v1/models/{id}``."""

    @get("/v1/models", sync_to_thread=False)
    def models(request: Request[Any, Any, Any]) -> Response[bytes]:
        caller(house, request)
        data = [_model(house, name) for name in house.snapshot.listed()]
        return answer(house, {"object": "list", "data": data})

    @get("/v1/models/{model_id:path}", sync_to_thread=False)
    def model(request: Request[Any, Any, Any], model_id: str) -> Response[bytes]:
        caller(house, request)
        name = model_id.lstrip("/")
        known = house.snapshot.route(name) is not None
        pinned = name.startswith("backend/") and name.removeprefix("backend/") in house.snapshot.backends
        if not known and not pinned:
            near = " or ".join(house.snapshot.near(name))
            hint = f"Did you mean {near}?" if near else "GET /v1/models lists what there is."
            raise failed(404, f"The model '{name}' does not exist. {hint}", "model_not_found", "model")
        return answer(house, _model(house, name))

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
