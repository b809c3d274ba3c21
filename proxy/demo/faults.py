"""Failures on demand, chosen by the model name (``demo-fault-500``) or the header ``x-demo-fault: 500``.

Before the answer: a status (400 401 403 404 429 500 502 503 504), ``overloaded``, ``context`` (overflow), ``html``,
``stall``, ``reset``. Within it: ``cut`` (a clean close without an end), ``drop`` (closed amid the body), ``reset-mid``,
``stall-mid``, ``error-event``, ``error-first`` (in a 200), ``garbage``, ``slow``. Answers that do not keep to their
format: ``spoiling``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from proxy.demo.base import Ask, RefusedError, encode
from proxy.demo.rooms import Room

Act = Literal["reset", "drop", "stall"]
"""Not a frame: abort the connection, close it without an end, or say nothing more."""

_NAME = re.compile(r"fault-([a-z0-9-]+)$")
_STATUSES = {
    "400": "This request is broken by order.",
    "401": "Incorrect API key provided.",
    "403": "You do not have access to this model.",
    "404": "The model does not exist.",
    "429": "Rate limit reached. Please try again in 1s.",
    "500": "The server had an error while processing your request.",
    "502": "Bad gateway.",
    "503": "The service is unavailable.",
    "504": "The upstream timed out.",
}
_CODES = {"401": "invalid_api_key", "404": "model_not_found", "429": "rate_limit_exceeded"}
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
GARBAGE = b'{"this is": not json'
SLOW = 0.05
"""Seconds between the frames of ``fault-slow``."""


def chosen(model: str, headers: dict[str, str]) -> str:
    """The fault that the call asks for; empty for none."""
    found = _NAME.search(headers.get("x-demo-fault", "") or model)
    return found[1] if found else headers.get("x-demo-fault", "")


def refuse(fault: str, room: Room) -> None:
    """Raise RefusedError where the fault is an HTTP status."""
    if fault in _STATUSES:
        raise RefusedError(_STATUSES[fault], None, _CODES.get(fault), int(fault))
    if fault == "overloaded":
        raise RefusedError("Overloaded", None, None, room.overloaded)
    if fault == "context":
        raise RefusedError(room.overflow, None, "context_length_exceeded")


def bend_stream(fault: str, room: Room, ask: Ask, frames: Iterator[bytes]) -> Iterator[bytes | Act]:
    """The frames as the fault lets them through."""
    if fault == "garbage":
        return iter([b"data: " + GARBAGE + b"\n\n"])
    if fault == "error-first" and room.broken:
        return iter([room.broken(ask, 0)])
    if fault not in ("cut", "drop", "reset-mid", "stall-mid", "error-event"):
        return frames
    known = list(frames)
    half: list[bytes | Act] = [*known[: max(1, len(known) // 2)]]
    if fault == "error-event" and room.broken:
        half.append(room.broken(ask, len(half)))
    return iter(half + _ACTS.get(fault, []))


def bend_whole(fault: str, room: Room, ask: Ask) -> Iterator[bytes | Act]:
    """The body of a whole answer as the fault lets it through. Raises RefusedError."""
    if fault == "garbage":
        return iter([GARBAGE])
    if fault in ("error-first", "error-event"):
        if room.failed is None:
            refuse("overloaded", room)
        else:
            return iter([encode(room.failed(ask))])
    body = encode(room.whole(ask))
    if fault not in ("cut", "drop", "reset-mid", "stall-mid"):
        return iter([body])
    return iter([body[: len(body) // 2], *_ACTS.get(fault, [])])


_ACTS: dict[str, list[bytes | Act]] = {"drop": ["drop"], "reset-mid": ["reset"], "stall-mid": ["stall"]}
