"""Errors, both ways: ``{type: error, error: {type, message}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from adapters import failures, ir
from adapters.anthropic_messages.wire import ANY

_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class _Told(Struct):
    type: str | None = None
    message: str | None = None


class _Body(Struct):
    error: _Told


_body = msgspec.json.Decoder(_Body)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
    """An HTTP error answer -> Failure, by its status; the body is used where it can be read (G47)."""
    try:
        told = _body.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        told = _Told()
    message = told.message or failures.no_json(status)
    return failures.by_status(status, message, type=told.type, retry_after=failures.retry_after(headers))


def read_event(error: Any) -> ir.Failure:
    """The ``error`` of a stream's error event -> Failure; the vendor's own type is kept as the code (G06)."""
    kind, message = None, None
    if isinstance(error, Mapping):
        kind, message = error.get("type"), error.get("message")
    elif isinstance(error, str):
        message = error
    failure = failures.by_status(failures.status_of(kind), str(message or "The upstream reported an error."))
    if failure.kind in ("context_length", "upstream_auth", "quota") or not isinstance(kind, str):
        return failure
    return msgspec.structs.replace(failure, code=kind)


def read_text(data: bytes) -> ir.Failure:
    """An error event whose data is not this dialect's JSON."""
    try:
        told = ANY.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return read_event(data.decode("utf-8", "replace"))
    return read_event(told.get("error", told) if isinstance(told, Mapping) else str(told))


def write_error(failure: ir.Failure, request_id: str | None = None) -> bytes:
    """The body of an error answer, and the data of a stream's error event."""
    kind = "billing_error" if failure.kind == "quota" else _TYPES.get(failure.status, _fallback(failure.status))
    error = {"type": kind, "message": failure.message}
    named = {} if request_id is None else {"request_id": request_id}
    return msgspec.json.encode({"type": "error", "error": error, **named})


def _fallback(status: int) -> str:
    return "invalid_request_error" if 400 <= status < 500 else "api_error"
