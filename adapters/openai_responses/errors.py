"""Errors of a Responses upstream read, and ours written: as a body, in a stream, and where a relayed stream broke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters import failures, ir, sse
from adapters.openai_responses import wire

_LITERALS = frozenset(
    {
        *("server_error", "rate_limit_exceeded", "invalid_prompt", "data_residency_mismatch", "bio_policy"),
        *("misalignment_policy_violation", "vector_store_timeout", "invalid_image", "invalid_image_format"),
        *("invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small", "image_parse_error"),
        *("image_content_policy_violation", "invalid_image_mode", "image_file_too_large", "empty_image_file"),
        *("unsupported_image_media_type", "failed_to_download_image", "image_file_not_found"),
    }
)
"""The values of ``response.error.code``."""
_CODES = {
    "limited": "rate_limit_exceeded",
    "quota": "rate_limit_exceeded",
    "invalid": "invalid_prompt",
    "context_length": "invalid_prompt",
    "unsupported": "invalid_prompt",
    "too_large": "invalid_prompt",
}


def error_object(failure: ir.Failure) -> dict[str, Any]:
    """``response.error``, its code one of OpenAI's."""
    code = failure.code if failure.code in _LITERALS else _CODES.get(failure.kind, "server_error")
    return {"code": code, "message": failure.message}


def error_event(failure: ir.Failure, sequence_number: int) -> bytes:
    """The flat ``error`` event of a stream that has not begun."""
    said = {"type": "error", "code": failure.code, "message": failure.message, "param": failure.param}
    return sse.render(msgspec.json.encode({**said, "sequence_number": sequence_number}), "error")


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
    """An error answer, whatever it holds."""
    wait = failures.retry_after(headers)
    try:
        told = wire.OBJECT.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return failures.by_status(status, failures.no_json(status), retry_after=wait)
    message, code, param, kind = _words(told)
    return failures.by_status(
        status, message or failures.no_json(status), code=code, param=param, type=kind, retry_after=wait
    )


def _words(told: Mapping[str, Any]) -> tuple[str | None, str | None, str | None, str | None]:
    """(message, code, param, type) of ``{"error": {…}}``, ``{"error": "…"}``, ``{"detail": …}`` or the flat event."""
    error = told.get("error", told)
    if not isinstance(error, Mapping):
        return (str(error) if error else None), None, None, None
    message = error.get("message") or error.get("detail")
    code, param, kind = error.get("code"), error.get("param"), error.get("type")
    return (
        str(message) if message else None,
        None if code is None else str(code),
        param if isinstance(param, str) else None,
        kind if isinstance(kind, str) else None,
    )


def failure_in_stream(told: Mapping[str, Any]) -> ir.Failure:
    """An error told under a 200: ``response.error``, an ``error`` event, flat or nested."""
    message, code, param, kind = _words(told)
    kind = None if kind in {"error", "response.failed"} else kind
    default = 400 if (code or "").startswith(("invalid_", "image_")) else 500
    status = failures.status_of(code, kind, default=default)
    return failures.by_status(
        status, message or "The upstream failed without a word.", code=code, param=param, type=kind
    )


def write_error(failure: ir.Failure) -> bytes:
    """The body of an error answer."""
    return failures.error_body(failure)


class _Seen(msgspec.Struct):
    sequence_number: int = -1
    response: dict[str, msgspec.Raw] | None = None


_seen = msgspec.json.Decoder(_Seen)


def _look(frame: sse.Frame | None) -> _Seen:
    try:
        return _seen.decode(frame.data) if frame is not None else _Seen()
    except msgspec.MsgspecError:
        return _Seen()


def cut(failure: ir.Failure, first: sse.Frame | None, last: sse.Frame | None, echo: ir.Echo) -> list[bytes]:
    """The end of a relayed stream that broke off: the response that the client was shown, failed."""
    response, number = _look(first).response, _look(last).sequence_number + 1
    if response is None:
        return [error_event(failure, number), sse.DONE]
    whole = {**response, "model": echo.model, "status": "failed", "error": error_object(failure), "output": []}
    event = {"type": "response.failed", "response": whole, "sequence_number": number}
    return [sse.render(msgspec.json.encode(event), "response.failed"), sse.DONE]
