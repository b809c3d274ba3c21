"""Google's error body, ``{"error": {code, message, status, details}}``, and what it means to our client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from adapters import failures, ir
from adapters.google_gemini.wire import UNREADABLE


class Told(Struct, frozen=True):
    """What stands under ``error``."""

    code: Any = None
    message: str | None = None
    status: str | None = None
    details: list[dict[str, Any]] | None = None


class _Body(Struct, frozen=True):
    error: Told


_decoder: msgspec.json.Decoder[_Body | list[_Body]] = msgspec.json.Decoder(_Body | list[_Body])
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 502,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
    """An HTTP error, or the error object of a stream that has begun (``status`` 200 then), as a Failure."""
    told = _told(body)
    if told is None:
        return failures.by_status(status, failures.no_json(status), retry_after=failures.retry_after(headers))
    if status < 400:
        status = failures.status_of(told.code, default=_CODES.get(told.status or "", 500))
    if status == 400 and _bad_key(told):
        status = 401
    wait = failures.retry_after(headers)
    message = told.message or failures.no_json(status)
    return failures.by_status(status, message, retry_after=_delay(told) if wait is None else wait)


def _told(body: bytes) -> Told | None:
    try:
        found = _decoder.decode(body)
    except UNREADABLE:
        return None
    if isinstance(found, list):
        return found[0].error if found else None
    return found.error


def _bad_key(told: Told) -> bool:
    return any(detail.get("reason") == "API_KEY_INVALID" for detail in told.details or ()) or (
        "API key not valid" in (told.message or "")
    )


def _delay(told: Told) -> float | None:
    """Seconds, from the RetryInfo among the details."""
    for detail in told.details or ():
        match = _SECONDS.fullmatch(str(detail.get("retryDelay", "")))
        if match is not None:
            return float(match[1])
    return None


def write_error(failure: ir.Failure) -> bytes:
    """The body of an error answer to a Gemini client."""
    word = _WORDS.get(failure.status, "INTERNAL" if failure.status >= 500 else "FAILED_PRECONDITION")
    return msgspec.json.encode({"error": {"code": failure.status, "message": failure.message, "status": word}})
