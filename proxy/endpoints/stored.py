"""Stored responses: looked up, deleted, and their input listed, by the tenant who asked for them and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, Response, delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from adapters import ir
from adapters.openai_responses import thread
from proxy.call import Rejected
from proxy.endpoints.plain import answer, caller, failed
from proxy.house import House
from proxy.state.store import StoreFailed, Turn

Asked = Request[Any, Any, Any]
Listed = Sequence[tuple[str, msgspec.Raw]]

_PATH = "/v1/responses/{response_id:str}"
_INCLUDE = (
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
)
_LIMITS = range(1, 101)
_AWAY = ir.Failure(
    "internal", 503, "Stored responses cannot be read now: ask again later.", "server_error", "store_unavailable"
)


def handlers(house: House) -> list[HTTPRouteHandler]:
    """``GET`` and ``DELETE /v1/responses/{id}``, and ``GET /v1/responses/{id}/input_items``."""

    @get(_PATH)
    async def retrieve(request: Asked, response_id: FromPath[str]) -> Response[bytes]:
        turn = await _turn(house, request, response_id)
        if request.query_params.get("stream") == "true" or "starting_after" in request.query_params:
            message = "A stored response cannot be streamed again: leave out 'stream' and 'starting_after'."
            raise failed(400, message, "unsupported_parameter", "stream")
        _check_include(request)
        return answer(house, msgspec.Raw(turn.response))

    @delete(_PATH, status_code=200)
    async def remove(request: Asked, response_id: FromPath[str]) -> Response[bytes]:
        tenant = (await caller(house, request)).tenant
        try:
            gone = await house.store.forget_turn(tenant, response_id)
        except StoreFailed as error:
            raise _unreadable(house, error, "write") from error
        if not gone:
            raise _unknown(response_id)
        return answer(house, {"id": response_id, "object": "response", "deleted": True})

    @get(f"{_PATH}/input_items")
    async def input_items(request: Asked, response_id: FromPath[str]) -> Response[bytes]:
        turn = await _turn(house, request, response_id)
        _check_include(request)
        return answer(house, await asyncio.to_thread(page, turn, request.query_params))

    return [retrieve, remove, input_items]


def page(turn: Turn, asked: Any) -> dict[str, Any]:
    """One page of a turn's own input (items of the turns before it are listed with those). ``asked``: the query's
    ``order`` (newest first unless ``asc``), ``limit`` (1 to 100, 20) and ``after`` (an item's id). Raises Rejected."""
    order, limit, after = asked.get("order", "desc"), asked.get("limit", "20"), asked.get("after")
    if order not in ("asc", "desc"):
        raise failed(400, "Invalid value for 'order': send 'asc' or 'desc'.", "invalid_value", "order")
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 4 and int(limit) in _LIMITS):
        raise failed(400, "Invalid value for 'limit': send a number from 1 to 100.", "invalid_value", "limit")
    items: Listed = thread.listed(turn.input, turn.id)
    ordered = items if order == "asc" else items[::-1]
    start = _after([id_ for id_, _ in ordered], after)
    shown = ordered[start : start + int(limit)]
    return {
        "object": "list",
        "data": [item for _, item in shown],
        "first_id": shown[0][0] if shown else None,
        "last_id": shown[-1][0] if shown else None,
        "has_more": start + len(shown) < len(ordered),
    }


def _after(ids: Sequence[str], after: str | None) -> int:
    if after is None:
        return 0
    if after not in ids:
        raise failed(400, f"Invalid value for 'after': there is no item '{after}' here.", "invalid_value", "after")
    return ids.index(after) + 1


async def _turn(house: House, request: Asked, response_id: str) -> Turn:
    tenant = (await caller(house, request)).tenant
    try:
        found = await house.store.turn(tenant, response_id)
    except StoreFailed as error:
        raise _unreadable(house, error, "read") from error
    if found is None:
        raise _unknown(response_id)
    return found


def _check_include(request: Asked) -> None:
    """All that was stored is shown, whatever is asked for; a word that nobody knows is a mistake to be told."""
    query = request.query_params
    for word in (*query.getall("include", []), *query.getall("include[]", [])):
        if word not in _INCLUDE:
            message = f"Invalid value for 'include': '{word}'. Supported values are: {', '.join(_INCLUDE)}."
            raise failed(400, message, "invalid_value", "include")


def _unknown(response_id: str) -> Rejected:
    message = (
        f"Response with id '{response_id}' not found: it was not stored for you here, was deleted, or is older than "
        "state.retention."
    )
    return failed(404, message, "response_not_found", "id")


def _unreadable(house: House, error: StoreFailed, operation: str) -> Rejected:
    house.telemetry.store_failed(None, operation, str(error))
    return Rejected(_AWAY)
