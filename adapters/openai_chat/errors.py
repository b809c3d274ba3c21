"""Errors of OpenAI-like chat servers, whichever of their many shapes: a status and a body to an ir.Failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters import failures, ir
from adapters.openai_chat import wire

_json = msgspec.json.Decoder()


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
    """An HTTP error answer. HTML, empty and unreadable bodies give a message of our own (G47)."""
    try:
        found = _words(_json.decode(body))
    except wire.GARBAGE:
        found = None
    message, code, param, kind = found or (failures.no_json(status), None, None, None)
    wait = failures.retry_after(headers)
    return failures.by_status(status, message, code=code, param=param, type=kind, retry_after=wait)


def in_body(body: wire.Chunk) -> ir.Failure | None:
    """The error within a 200, if that is what ``body`` is (G07; LM Studio's unknown path)."""
    if body.error:
        return from_object(body.error)
    if body.choices is None and (body.object == "error" or body.message or body.detail):
        return from_object({"message": body.message or body.detail, "type": body.type, "code": body.code})
    return None


def in_frame(data: bytes) -> ir.Failure:
    """The data of an event that is called ``error``."""
    try:
        value = _json.decode(data)
    except wire.GARBAGE:
        value = data.decode("utf-8", "replace")
    return from_object(value)


def from_object(error: Any) -> ir.Failure:
    """An error object (or mere text) for which no HTTP status is left to read."""
    words = error if isinstance(error, Mapping) else {}
    inner = words.get("error")
    if isinstance(inner, Mapping):
        words = inner
    message, code, param, kind = _words(error) or ("The upstream reported an error.", None, None, None)
    status = failures.status_of(words.get("code"), words.get("status"), words.get("type"))
    if status == 500 and failures.looks_like_context_overflow(message):
        status = 400
    return failures.by_status(status, message, code=code, param=param, type=kind)


def _words(body: Any) -> tuple[str, str | None, str | None, str | None] | None:
    """(message, code, param, type) of ``{"error": {…}}``, ``{"error": "…"}``, a bare error object, or text."""
    error = body
    if isinstance(body, Mapping):
        error = body.get("error") or body
    if isinstance(error, str):
        return (error, None, None, None) if error else None
    if not isinstance(error, Mapping):
        return None
    message = error.get("message") or error.get("detail")
    if not message:
        return None
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    return text, _word(error.get("code")), _word(error.get("param")), _word(error.get("type"))


def _word(value: Any) -> str | None:
    """vLLM and llama.cpp put the HTTP status where OpenAI has a word."""
    return value if isinstance(value, str) and value and not value.isdecimal() else None
