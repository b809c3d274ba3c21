"""More of what an upstream can do wrong: heads, lines and bodies without end, waits in every spelling, bombs, and the
first words of the other dialects."""

from __future__ import annotations

import asyncio
import time
import zlib
from email.utils import formatdate
from typing import Any

import msgspec
from chaos import OVERLOADED, PLAYS, SECRET, WORDS, Play, Seen, Wire, error, event, word

MIB = 1024 * 1024
LONG = 8 * MIB
"""Bytes of one line that is long and still an answer."""
BOMB = 1024
"""MiB that the bomb would become."""
_ASK_AGAIN = "Too many requests."


async def write(wire: Wire, data: bytes) -> None:
    """One chunk, once the peer has taken most of what was sent before."""
    wire.chunk(data)
    await asyncio.sleep(0)  # so that it is heard when the peer has left
    while not wire.gone.is_set() and wire._transport.get_write_buffer_size() > MIB:
        await asyncio.sleep(0.001)


async def _answer(wire: Wire, seen: Seen) -> None:
    await PLAYS["ok"](wire, seen)


def _limited(*headers: str, body: Any = None, status: int = 429) -> Play:
    """Refuses the first request of each pair and answers the second. ``AT+n`` in a header is the time n seconds on."""
    asked = 0

    async def play(wire: Wire, seen: Seen) -> None:
        nonlocal asked
        asked += 1
        if asked % 2 == 0:
            await _answer(wire, seen)
            return
        told = [_dated(text) for text in headers]
        wire.whole(
            status, msgspec.json.encode(body or error(_ASK_AGAIN, "rate_limit_error")), "application/json", *told
        )

    return play


def _dated(header: str) -> str:
    name, _, value = header.partition(": ")
    return f"{name}: {formatdate(time.time() + float(value[3:]), usegmt=True)}" if value.startswith("AT+") else header


def _refused(status: int, body: Any, *headers: str) -> Play:
    async def play(wire: Wire, seen: Seen) -> None:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        wire.whole(status, raw, "application/json", *headers)

    return play


async def _long_line(wire: Wire, seen: Seen) -> None:
    if not seen.stream:
        await _answer(wire, seen)
        return
    wire.head(200, "text/event-stream")
    line = word("x" * LONG)
    for at in range(0, len(line), 65536):
        await write(wire, line[at : at + 65536])
    wire.chunk(word("", "stop") + b"data: [DONE]\n\n")
    wire.last()


async def _endless_line(wire: Wire, seen: Seen) -> None:
    """After a word, one line (or one body) that does not end."""
    wire.head(200, "text/event-stream" if seen.stream else "application/json")
    wire.chunk(word(WORDS[0]) + b'data: {"choices": [{"delta": {"content": "' if seen.stream else b'{"choices": "')
    while not wire.gone.is_set():
        await write(wire, b"x" * 262_144)


async def _endless_headers(wire: Wire, _: Seen) -> None:
    wire.send(b"HTTP/1.1 200 X\r\n")
    while not wire.gone.is_set():
        wire.send(b"x-more: " + b"x" * 1000 + b"\r\n")
        await asyncio.sleep(0)


async def _endless_error(wire: Wire, _: Seen) -> None:
    wire.head(500, "text/plain")
    while not wire.gone.is_set():
        await write(wire, b"x" * 262_144)


async def _stalled_error(wire: Wire, _: Seen) -> None:
    wire.head(503, "application/json", 100)
    wire.send(b'{"error": ')
    await wire.gone.wait()


def _bomb() -> bytes:
    """A gzip body of a thousandth of what it becomes: one member for each MiB of blanks."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return (packer.compress(b" " * MIB) + packer.flush()) * BOMB


async def _bombed(wire: Wire, seen: Seen) -> None:
    body = _bomb()
    kind = "text/event-stream" if seen.stream else "application/json"
    wire.head(200, kind, len(body), "content-encoding: gzip")
    wire.send(body)


def _stale(part: bytes = b"", pause: float = 0.0) -> Play:
    """Answers the first request of each connection; at the second says ``part`` after ``pause`` seconds and resets."""
    used: set[int] = set()

    async def play(wire: Wire, seen: Seen) -> None:
        if seen.connection not in used:
            used.add(seen.connection)
            await _answer(wire, seen)
            return
        wire.send(part)
        await asyncio.sleep(pause or (0.02 if part else 0.0))
        wire.reset()

    return play


def _counted(usage: Any) -> Play:
    """A good answer with this usage; None: without any."""

    async def play(wire: Wire, seen: Seen) -> None:
        told = {} if usage is None else {"usage": usage}
        head = {"id": "chatcmpl-1", "created": 1, "model": "chaos"}
        if seen.stream:
            wire.head(200, "text/event-stream")
            wire.chunk(word("Hello") + word("", "stop"))
            wire.chunk(event({**head, "object": "chat.completion.chunk", "choices": [], **told}) + b"data: [DONE]\n\n")
            wire.last()
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        wire.whole(200, msgspec.json.encode({**head, "object": "chat.completion", "choices": [choice], **told}))

    return play


def _first(start: bytes, end: str, failed: bytes = b"") -> Play:
    """What is no content yet, then ``rst``, ``stall``, ``eof``, or ``error``."""

    async def play(wire: Wire, _: Seen) -> None:
        wire.head(200, "text/event-stream")
        wire.chunk(start)
        await asyncio.sleep(0.03)  # it must be read before what follows: a reset overtakes what was sent
        if end == "rst":
            wire.reset()
        elif end == "stall":
            await wire.gone.wait()
        elif end == "error":
            wire.chunk(failed)
            wire.last()
        else:
            wire.last()

    return play


def _named(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, **fields})


_MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "chaos", "content": [], "stop_reason": None,
    "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 0},
}  # fmt: skip
_RESPONSE = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "model": "chaos", "output": [],
    "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None,
    "instructions": None, "metadata": {}, "temperature": 1.0, "top_p": 1.0,
}  # fmt: skip
ANTHROPIC_OVERLOAD = _named("error", error={"type": "overloaded_error", "message": "Overloaded"})
STARTS: dict[str, tuple[bytes, bytes]] = {
    "chat": (
        event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "chaos",
               "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]}),
        event(OVERLOADED),
    ),
    "responses": (
        _named("response.created", sequence_number=0, response=_RESPONSE)
        + _named("response.in_progress", sequence_number=1, response=_RESPONSE),
        _named("error", sequence_number=2, code="server_overloaded", message="The engine is overloaded", param=None),
    ),
    "messages": (_named("message_start", message=_MESSAGE) + _named("ping"), ANTHROPIC_OVERLOAD),
    "gemini": (
        event({"candidates": [], "modelVersion": "chaos", "responseId": "r1"}),
        event({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
    ),
}  # fmt: skip
"""upstream's dialect -> what it says before any content, and its error."""
FIRSTS = ("rst", "stall", "eof", "error")

_RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
_EXHAUSTED = {"code": 429, "message": _ASK_AGAIN, "status": "RESOURCE_EXHAUSTED", "details": [_RETRY_INFO]}
_CAPPED = {
    "message": "You exceeded your current quota.",
    "type": "insufficient_quota",
    "param": None,
    "code": "insufficient_quota",
}
_GEMINI_503 = {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}
_SPENT = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "Your credit balance is too low to access the Anthropic API.",
    },
}
_ANTHROPIC_MID = (
    _named("message_start", message=_MESSAGE)
    + _named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + _named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
)  # fmt: skip
USAGES: dict[str, Any] = {
    "missing": None,
    "negative": {"prompt_tokens": -7, "completion_tokens": -1, "total_tokens": -8},
    "huge": {"prompt_tokens": 10**30, "completion_tokens": 10**30, "total_tokens": 10**30},
    "string": {"prompt_tokens": "seven", "completion_tokens": "one", "total_tokens": "8"},
    "list": [7, 1, 8],
    "float": {"prompt_tokens": 7.5, "completion_tokens": 1e308, "total_tokens": 1e308},
}


async def _to_itself(wire: Wire, seen: Seen) -> None:
    wire.head(302, "text/plain", 0, f"location: {wire.room.url}/v1/chat/completions")


ROUGH: dict[str, Play] = {
    **{name: PLAYS[name] for name in (
        "ok", "reset", "close", "stall", "stall-mid", "cut-fin", "cut-rst", "cut-eof", "error-first", "error-mid",
        "bad-line", "endless", "html", "garbage", "empty", "500", "503", "401", "flaky", "held",
    )},
    "bad-utf8": _first(word(WORDS[0]), "error", b'data: {"choices": [{"index": 0, "delta": {"content": "\xff\xfe"}}]}\n\n'),
    "long-line": _long_line,
    "endless-line": _endless_line,
    "endless-headers": _endless_headers,
    "endless-error": _endless_error,
    "stalled-error": _stalled_error,
    "seconds": _limited("retry-after: 0.05"),
    "blink": _limited("retry-after: 0.05"),
    "millis": _limited("retry-after-ms: 50", "retry-after: 9"),
    "date": _limited("retry-after: AT+2"),
    "dated": _limited("retry-after: AT+3602", "date: AT+3600"),
    "hour": _refused(429, error(_ASK_AGAIN, "rate_limit_error"), "retry-after: 3600"),
    "minute": _refused(429, error(_ASK_AGAIN, "rate_limit_error"), "retry-after: 30"),
    "retry-info": _limited(body={"error": _EXHAUSTED}),
    "capped": _refused(429, {"error": _CAPPED}),
    "spent": _refused(400, _SPENT),
    "always-429": _refused(429, error(_ASK_AGAIN, "rate_limit_error")),
    "burst": _limited(body=error("broken", "server_error"), status=500),
    "529": _refused(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    "gemini-503": _refused(503, {"error": _GEMINI_503}),
    "403": _refused(403, error(f"key {SECRET} may not", "permission_error")),
    "overloaded-later": _first(_ANTHROPIC_MID, "error", ANTHROPIC_OVERLOAD),
    "bomb": _bombed,
    "stale-part": _stale(b"HTTP/1.1 200 OK\r\ncontent-type: applic"),
    "stale-late": _stale(pause=2.2),
    "metadata": _refused(302, b"", "location: http://169.254.169.254/latest/meta-data/iam"),
    "to-itself": _to_itself,
    **{f"usage-{name}": _counted(usage) for name, usage in USAGES.items()},
    **{f"{dialect}-{end}": _first(start, end, failed) for dialect, (start, failed) in STARTS.items() for end in FIRSTS},
}  # fmt: skip
"""What each model does in the rough room."""
