"""Embeddings and legacy completions: same dialect on both sides or nothing, the body's bytes unread but for usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters import failures, ir, sse, strict
from adapters.sse import Frame
from adapters.stream_options import with_usage


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Body(Struct):
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Any = None
    choices: list[Mapping[str, Any]] = []


_body = msgspec.json.Decoder(_Body)
_FINISHES: Mapping[str, ir.FinishReason] = {"length": "length", "content_filter": "content_filter"}


def _usage(body: _Body) -> list[ir.Event]:
    told = body.usage
    if told is None:
        return []
    output = told.completion_tokens
    if output is None and told.total_tokens is not None and told.total_tokens == told.prompt_tokens:
        output = 0
    return [ir.UsageReported(ir.Usage(input=told.prompt_tokens, output=output, total=told.total_tokens))]


def _finished(word: object) -> ir.Finished:
    return ir.Finished(0, _FINISHES.get(str(word), "stop"), str(word))


class _Reader:
    def __init__(self) -> None:
        self._started = False
        self._finished = False

    def read(self, frame: Frame) -> Iterable[ir.Event]:
        if frame.data == b"[DONE]":
            yield ir.Ended()
            return
        try:
            body = _body.decode(frame.data)
        except msgspec.MsgspecError:
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
        yield from _usage(body)

    def end(self) -> Iterable[ir.Event]:
        yield ir.Ended() if self._finished else ir.Failed(failures.interrupted())


def _message(body: bytes) -> str:
    try:
        error = _body.decode(body).error
    except msgspec.MsgspecError:
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

    def __init__(self, name: str, path: str, *, streams: bool = False) -> None:
        """``streams``: its upstreams take ``stream_options``."""
        self.name = name
        self._path = path
        self._streams = streams

    def read_response(self, body: bytes) -> Sequence[ir.Event]:
        try:
            told = _body.decode(body)
        except msgspec.MsgspecError:
            return [ir.Failed(failures.bad_response("a body that is not JSON"))]
        if told.error is not None:
            return [ir.Failed(failures.bad_response("an error under a 200"))]
        word = next((choice.get("finish_reason") for choice in told.choices), None)
        return [ir.Started(told.id, told.model), *_usage(told), _finished(word or "stop"), ir.Ended()]

    def reader(self) -> _Reader:
        return _Reader()

    def cut(self, failure: ir.Failure, first: Frame | None, last: Frame | None, echo: ir.Echo) -> list[bytes]:
        return [sse.render(failures.error_body(failure))]

    def patch(self, fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
        own = {**upstream.options, "model": upstream.model}
        out = {**fields, **{name: msgspec.Raw(msgspec.json.encode(value)) for name, value in own.items()}}
        if self._streams and strict.head(fields).stream:
            out["stream_options"] = with_usage(fields)
        return out, []

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
        return failures.by_status(status, _message(body), retry_after=failures.retry_after(headers))

    def write_error(self, failure: ir.Failure, request_id: str | None = None) -> bytes:
        return failures.error_body(failure)

    def path(self, upstream: ir.Upstream, *, stream: bool) -> str:
        return self._path
