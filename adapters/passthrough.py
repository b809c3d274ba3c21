"""Embeddings and legacy completions: same dialect on both sides or nothing, the body's bytes unread but for usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters import failures, ir, sse, strict
from adapters.openai_chat import usage
from adapters.sse import Frame
from adapters.stream_options import with_usage
from adapters.usage import checked


class _Body(Struct):
    id: str | None = None
    model: str | None = None
    usage: Any = None
    service_tier: Any = None
    error: Any = None
    choices: list[Mapping[str, Any]] = []


_body = msgspec.json.Decoder(_Body)
_GARBAGE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding foreign bytes may raise."""
_FINISHES: Mapping[str, ir.FinishReason] = {"length": "length", "content_filter": "content_filter"}


def _usage(body: _Body, *, generates: bool) -> list[ir.Event]:
    """An answer that generates nothing has no output, which is 0 and not unknown."""
    found = usage.read(body.usage, body.service_tier)
    if found is None:
        return []
    return [ir.UsageReported(found if generates else checked(msgspec.structs.replace(found, output=0)))]


def _finished(word: object) -> ir.Finished:
    return ir.Finished(0, _FINISHES.get(str(word), "stop"), str(word))


class _Reader:
    def __init__(self, *, generates: bool) -> None:
        self._generates = generates
        self._started = False
        self._finished = False

    def read(self, frame: Frame) -> Iterable[ir.Event]:
        if frame.data == b"[DONE]":
            yield ir.Ended()
            return
        try:
            body = _body.decode(frame.data)
        except _GARBAGE:
            yield ir.Failed(failures.bad_response("an event that is not JSON"))
            return
        if body.error is not None:
            yield ir.Failed(failures.bad_response("an error inside the stream"))
            return
        if not self._started:
            self._started = True
            yield ir.Started(body.id, body.model)
        for choice in body.choices:
            yield ir.BlockStarted(0, "text", 0)
            if choice.get("finish_reason") and not self._finished:
                self._finished = True
                yield _finished(choice["finish_reason"])
        yield from _usage(body, generates=self._generates)

    def end(self) -> Iterable[ir.Event]:
        yield ir.Ended() if self._finished else ir.Failed(failures.interrupted())


def _message(body: bytes) -> str:
    try:
        error = _body.decode(body).error
    except _GARBAGE:
        return "the backend refused the request"
    told = error.get("message") if isinstance(error, Mapping) else error
    return str(told or "the backend refused the request")


class Passthrough:
    """A wire format that is only ever relayed exactly (adapters.dialect.Passable)."""

    family: ir.Family = "openai"
    auth_header = "authorization"
    id_header = "x-request-id"
    request_headers: Mapping[str, str] = {}
    terminator = sse.DONE

    def __init__(self, name: str, path: str, *, generates: bool = True) -> None:
        """``generates``: its answers have output, which may be streamed; embeddings have none."""
        self.name = name
        self._path = path
        self._generates = generates

    def read_response(self, body: bytes) -> Sequence[ir.Event]:
        try:
            told = _body.decode(body)
        except _GARBAGE:
            return [ir.Failed(failures.bad_response("a body that is not JSON"))]
        if told.error is not None:
            return [ir.Failed(failures.bad_response("an error under a 200"))]
        word = next((choice.get("finish_reason") for choice in told.choices), None)
        return [
            ir.Started(told.id, told.model),
            *_usage(told, generates=self._generates),
            _finished(word or "stop"),
            ir.Ended(),
        ]

    def reader(self) -> _Reader:
        return _Reader(generates=self._generates)

    def cut(self, failure: ir.Failure, first: Frame | None, last: Frame | None, echo: ir.Echo) -> list[bytes]:
        return [sse.render(failures.error_body(failure))]

    def patch(self, fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
        own = {**upstream.options, "model": upstream.model}
        out = {**fields, **{name: msgspec.Raw(msgspec.json.encode(value)) for name, value in own.items()}}
        if self._generates and strict.head(fields).stream:
            out["stream_options"] = with_usage(fields)
        return out, []

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
        return failures.by_status(status, _message(body), retry_after=failures.retry_after(headers))

    def write_error(self, failure: ir.Failure, request_id: str | None = None) -> bytes:
        return failures.error_body(failure)

    def path(self, upstream: ir.Upstream, *, stream: bool) -> str:
        return self._path
