"""What the quiet endpoints share: JSON out, errors in the client's words, our headers, and who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from adapters import ir, strict
from policies.verdict import Caller
from proxy import answers, ids
from proxy.apis import APIS, spoken
from proxy.call import Rejected
from proxy.house import House
from proxy.state.store import StoreFailed

T = TypeVar("T")
_EXISTS = f"{', '.join(f'POST {path}' for path in APIS)}, GET /v1/models, GET /v1/responses/ID, GET /v1/usage/ID"

_WITHOUT_V1 = ("/models", *(path.removeprefix("/v1") for path in APIS))


def answer(house: House, value: Any, status: int = 200) -> Response[bytes]:
    """``value`` as JSON, with the headers that every answer has."""
    body = msgspec.json.encode(value)
    return Response(body, status_code=status, media_type="application/json", headers=_headers(house))


def text(house: House, body: bytes, media_type: str) -> Response[bytes]:
    """``body`` as it is, with the headers that every answer has; the framework adds the charset."""
    return Response(body, media_type=media_type, headers=_headers(house))


def failed(status: int, message: str, code: str, param: str | None = None) -> Rejected:
    """An error for the client of a quiet endpoint, to be raised."""
    return Rejected(ir.Failure("invalid", status, message, code=code, param=param))


def read(body: bytes, decoder: msgspec.json.Decoder[T], example: str, most: int) -> T:
    """An admin's body. Raises ir.Invalid, Rejected (400 that shows an ``example``; 413 past ``most`` bytes)."""
    if len(body) > most:
        raise failed(413, f"The body is larger than {most} bytes.", "request_too_large")
    strict.check(body)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise failed(400, f"{error}. Send {example}.", "invalid_request") from None


async def changed(
    house: House, work: Awaitable[T], refresh: Callable[[], Awaitable[None]], code: str, away: ir.Failure
) -> T:
    """What was asked of a desk, known to this worker at once (``refresh``); the others hear of it within a second.
    Raises Rejected: 400 ``code`` where it cannot be done, ``away`` while the store cannot be reached."""
    from proxy.key_desk import NotDone  # most workers never need it

    try:
        found = await work
    except NotDone as error:
        raise failed(400, f"{error}.", code) from None
    except StoreFailed as error:
        house.telemetry.store_failed(None, "write", str(error))
        raise Rejected(away) from None
    await refresh()
    return found


async def caller(house: House, request: Request[Any, Any, Any]) -> Caller:
    """Who asks. Raises Rejected (401, 403, 503)."""
    return await house.name(dict(request.headers), request.client.host if request.client else None)


def on_rejected(house: House, request: Request[Any, Any, Any], error: Rejected | ir.Invalid) -> Response[bytes]:
    """Rejected -> its answer."""
    return _error(house, request, error.failure)


def on_http(house: House, request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The framework's own refusals, in the client's words: never a foreign body (D21)."""
    path, method = request.scope["path"], request.scope["method"]
    if isinstance(error, NotFoundException):
        message = f"There is no {method} {path} here. {_hint(path)}"
        return _error(house, request, ir.Failure("not_found", 404, message, code="unknown_url"))
    if isinstance(error, MethodNotAllowedException):
        allowed = (error.headers or {}).get("allow", "GET")
        message = f"{method} is not allowed on {path}: send {allowed}."
        failure = ir.Failure("invalid", 405, message, code="method_not_allowed")
        return _error(house, request, failure, {"allow": allowed})
    return _error(house, request, ir.Failure("invalid", error.status_code, str(error.detail), code="bad_request"))


def on_crash(house: House, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A defect of ours: as at the door of the calls."""
    headers = _headers(house)
    house.telemetry.crashed(headers["x-request-id"], error)
    return _error(house, request, answers.crashed(headers["x-request-id"]), headers)


def _hint(path: str) -> str:
    """What a wrong base_url most often looks like, and its mend."""
    if path.startswith("/v1/v1/"):
        return "Your client adds /v1 itself: set its base_url so that it ends in one /v1."
    if path in _WITHOUT_V1:
        return "Set your client's base_url to this server's address followed by /v1."
    return f"What exists: {_EXISTS}."


def _error(
    house: House, request: Request[Any, Any, Any], failure: ir.Failure, more: dict[str, str] | None = None
) -> Response[bytes]:
    wire = spoken(request.scope["path"], request.headers)
    headers = {**_headers(house), **(more or {})}
    if failure.retry_after is not None:
        headers["retry-after"] = str(max(int(failure.retry_after + 0.999), 1))
    found = {**headers, wire.id_header: headers["x-request-id"]}
    body = wire.write_error(failure, headers["x-request-id"])
    return Response(body, status_code=failure.status, media_type="application/json", headers=found)


def _headers(house: House) -> dict[str, str]:
    return {"x-request-id": ids.uuid7(), "x-turnout-generation": str(house.snapshot.generation)}
