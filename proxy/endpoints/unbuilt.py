"""What OpenAI has and this proxy has not, yet: each answers with what to do instead, not as if the path were wrong."""

from __future__ import annotations

from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from proxy.endpoints.plain import caller, failed
from proxy.house import House

_METHODS = [HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE]
_CANCEL = "No response here runs in the background, so none can be cancelled: close its connection to end it."
_ABSENT = {
    "/v1/responses/compact": "Compaction is not built yet: shorten the input yourself, or begin a new thread.",
    "/v1/conversations": (
        "Conversations are not built yet: "
        "go on from the last answer with previous_response_id, or send the whole input."
    ),
    "/v1/batches": "Batches are not built yet: send the requests one by one to POST /v1/responses.",
    "/v1/files": "Files are not built yet: send the content in the request, as file_data or a data: URL.",
}


def handlers(house: House) -> list[HTTPRouteHandler]:
    """``POST /v1/responses/{id}/cancel`` (400), and every path of what is absent (404)."""

    @route("/v1/responses/{response_id:str}/cancel", http_method=[HttpMethod.POST])
    async def cancel(request: Request[Any, Any, Any], response_id: FromPath[str]) -> Response[bytes]:
        await caller(house, request)
        raise failed(400, _CANCEL, "not_built", "id")

    return [cancel, *(_absent(house, path, message) for path, message in _ABSENT.items())]


def _absent(house: House, path: str, message: str) -> HTTPRouteHandler:
    @route([path, f"{path}/{{rest:path}}"], http_method=_METHODS)
    async def absent(request: Request[Any, Any, Any]) -> Response[bytes]:
        await caller(house, request)
        raise failed(404, message, "not_built")

    return absent
