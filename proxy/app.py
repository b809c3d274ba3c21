"""The ASGI application of one worker: Litestar, with the hot endpoints as raw handlers."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException

from adapters import ir
from proxy.call import Rejected
from proxy.endpoints import admin, config, generate, health, keys, models, overrides, plain, stored, unbuilt, usage
from proxy.house import House


class _Light(Litestar):
    """Litestar without its default plugins: they bring pydantic (9 MiB, 0.15 s), which no handler here needs."""

    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        return plugins


def create_app(
    house: House,
    *,
    reload: admin.Reload | None = None,
    others: health.Others = health.nobody,
    wishes: config.Wishes | None = None,
) -> Litestar:
    """Every route of ``house``. ``reload`` asks the supervisor for a reload and answers with its outcome, ``wishes``
    for whatever else only it can do; ``others`` asks the other workers for their metrics."""

    def rejected(request: Request[Any, Any, Any], error: Rejected) -> Response[bytes]:
        return plain.on_rejected(house, request, error)

    def http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        return plain.on_http(house, request, error)

    def crashed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        return plain.on_crash(house, request, error)

    return _Light(
        route_handlers=[
            *generate.handlers(house),
            *models.handlers(house),
            *stored.handlers(house),
            *usage.handlers(house),
            *unbuilt.handlers(house),
            *health.handlers(house, others),
            *admin.handlers(house, reload, wishes),
            *keys.handlers(house),
            *overrides.handlers(house),
        ],
        exception_handlers={Rejected: rejected, ir.Invalid: rejected, HTTPException: http, Exception: crashed},
        openapi_config=None,
        logging_config=None,
    )
