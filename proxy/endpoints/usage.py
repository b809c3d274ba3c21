"""Usage over HTTP: one call for whoever made it, and the totals for the operator."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from adapters import ir
from proxy.call import Rejected
from proxy.endpoints.admin import admit
from proxy.endpoints.plain import answer, caller, failed
from proxy.house import House
from proxy.ledger import told
from proxy.ledger.question import Asked, asked
from proxy.ledger.record import UsageRecord, public
from proxy.ledger.schema import LedgerError

_MOST = 10_000
"""Rows of one answer."""
_KNOWN = frozenset({"since", "until", "by", "where", "timezone", "rows", "limit"})


def handlers(house: House) -> list[HTTPRouteHandler]:
    """``GET /v1/usage/{request id}`` and ``GET /admin/usage``."""

    @get("/v1/usage/{request_id:str}")
    async def one(request: Request[Any, Any, Any], request_id: FromPath[str]) -> Response[bytes]:
        tenant = (await caller(house, request)).tenant
        found = await _read(house, lambda: house.book().find(request_id))
        if not found or found[0].tenant != tenant or found[0].request_id != request_id:
            message = (
                f"There is no call '{request_id}' of yours: give the x-request-id of an answer "
                "(it may also be older than ledger.retention)."
            )
            raise Rejected(ir.Failure("not_found", 404, message, code="usage_not_found", param="request_id"))
        return answer(house, told.call(found))

    @get("/admin/usage")
    async def totals(request: Request[Any, Any, Any]) -> Response[bytes]:
        admit(house, request)
        question, limit = _asked(request)
        if limit is not None:
            rows = await _read(house, lambda: _rows(house, question, limit))
            return answer(house, {"object": "list", "data": [public(row) for row in rows]})
        return answer(house, await _read(house, lambda: _totals(house, question)))

    return [one, totals]


def _rows(house: House, question: Asked, limit: int) -> list[UsageRecord]:
    return house.book().rows(since=question.since, until=question.until, limit=limit, filters=question.filters)


def _totals(house: House, question: Asked) -> dict[str, Any]:
    folded = house.book().totals(
        question.by, since=question.since, until=question.until, filters=question.filters, timezone=question.timezone
    )
    return {
        "object": "usage.totals",
        "by": list(question.shown),
        "data": told.lines(folded, question.shown),
        "total": told.total(told.summed(folded)),
    }


async def _read(house: House, work: Any) -> Any:
    """Beside the loop: a long span may take seconds."""
    try:
        return await asyncio.to_thread(work)
    except LedgerError as error:
        house.telemetry.book_unread(str(error))
        message = "The ledger cannot be read now: ask again later."
        raise Rejected(ir.Failure("internal", 503, message, "server_error", "ledger_unavailable")) from error


def _asked(request: Request[Any, Any, Any]) -> tuple[Asked, int | None]:
    """What is asked for, and how many rows, where rows are wanted. Raises Rejected (400)."""
    query = request.query_params
    for name in query:
        if name not in _KNOWN:
            raise failed(
                400, f"There is no '{name}' here: there is {', '.join(sorted(_KNOWN))}.", "unknown_parameter", name
            )
    limit = None
    if query.get("rows") in {"1", "true"}:
        text = query.get("limit", "1000")
        if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= _MOST):
            raise failed(400, f"Invalid value for 'limit': send a number from 1 to {_MOST}.", "invalid_value", "limit")
        limit = int(text)
    try:
        found = asked(
            since=query.get("since"),
            until=query.get("until"),
            by=query.get("by", "day"),
            where=query.getall("where", []),
            timezone=query.get("timezone", "UTC"),
            now=time.time(),
        )
    except ValueError as error:
        raise failed(400, f"Invalid value for '{str(error).partition(' ')[0]}': {error}.", "invalid_value") from None
    return found, limit
