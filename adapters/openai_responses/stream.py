"""A Responses upstream's events -> hub events, imperfect servers included: what was not announced is opened late,
what did not come in pieces is taken from the finished item, and that from the final response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from adapters import failures, ir
from adapters.openai_responses import wire
from adapters.openai_responses.errors import failure_in_stream
from adapters.openai_responses.progress import HANDLERS, Event, Progress, decode, listed
from adapters.openai_responses.usage import read_usage, tools_run, whole_number
from adapters.sse import Frame

_FINISH: Mapping[str, ir.FinishReason] = {"content_filter": "content_filter"}
"""``incomplete_details.reason`` -> finish reason; any other cut is a length."""

_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What JSON decoding may raise."""
_BEGUN = frozenset({"response.created", "response.queued", "response.in_progress"})
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Reader:
    """One streamed answer."""

    def __init__(self) -> None:
        self._started = False
        self._over = False
        self._items = Progress()
        self._out = self._items.blocks

    def read(self, frame: Frame) -> Sequence[ir.Event]:
        """One frame -> the events it holds. Never raises; nothing after the end."""
        if self._over:
            return ()
        if frame.data.strip() == b"[DONE]":
            return self.end()
        try:
            failure = self._read(decode(frame.data), frame.event)
        except _BROKEN:
            failure = failures.bad_response("an event that is not a JSON object")
        return self._out.take() if failure is None else self._fail(failure)

    def _read(self, event: Event, name: str | None) -> ir.Failure | None:
        kind = event.type if isinstance(event.type, str) else name
        if kind is None:
            return _error(event) if event.error else failures.bad_response("an event without a type")
        handle = HANDLERS.get(kind)
        if handle is not None:
            handle(self._items, event)
        elif kind in _BEGUN:
            self._start(_object(event.response))
        elif kind in _TERMINAL:
            response = _object(event.response)
            self._start(response)
            self._terminate(response, kind.rpartition(".")[2])
        elif kind == "error" or event.error:
            return _error(event)
        return None

    def end(self) -> Sequence[ir.Event]:
        """The bytes are over: a failure, unless the response had ended."""
        return () if self._over else self._fail(failures.interrupted())

    def whole(self, body: bytes) -> Sequence[ir.Event]:
        """A whole answer, as the events of a stream that tells it in one piece."""
        try:
            failure = self._whole(wire.RAW_OBJECT.decode(body))
        except _BROKEN:
            failure = failures.bad_response("a body that is not a JSON object")
        return self._out.take() if failure is None else self._fail(failure)

    def _whole(self, response: ir.Extras) -> ir.Failure | None:
        if "output" not in response and _value(response, "object") != "response":
            error = _value(response, "error")
            return failure_in_stream({"error": error}) if error else failures.bad_response("no response object")
        self._start(response)
        self._terminate(response, None)
        return None

    def _fail(self, failure: ir.Failure) -> Sequence[ir.Event]:
        self._over = True
        return [*self._out.take(), ir.Failed(failure)]

    def _start(self, response: ir.Extras) -> None:
        if self._started:
            return
        self._started = True
        id_, model, created = (_value(response, name) for name in ("id", "model", "created_at"))
        started = ir.Started(
            id_ if isinstance(id_, str) else None,
            model if isinstance(model, str) else None,
            whole_number(created),
            _left(response),
            wire.NAME,
        )
        self._out.out.append(started)

    def _terminate(self, response: ir.Extras, status: str | None) -> None:
        """The response as it is in the end. ``status`` is what the event said, None for a whole body."""
        told = _value(response, "status")
        status = told if told in ("failed", "incomplete", "cancelled") else status or "completed"
        self._over = True
        if status in {"failed", "cancelled"}:
            self._usage(response, [told for told, _ in listed(response)] or self._items.hosted)
            self._out.out.append(ir.Failed(_failure(response, status)))
            return
        self._items.reconcile(response)
        self._usage(response, self._items.hosted)
        finish = self._finish(response, status)
        self._out.out += [finish, ir.Ended(_left(response), wire.NAME)]

    def _usage(self, response: ir.Extras, items: Sequence[Mapping[str, Any]]) -> None:
        calls = tools_run(items, _value(response, "tool_usage"))
        usage = read_usage(_value(response, "usage"), _value(response, "service_tier"), calls)
        if usage is not None:
            self._out.out.append(ir.UsageReported(usage))

    def _finish(self, response: ir.Extras, status: str) -> ir.Finished:
        if status != "incomplete":
            return ir.Finished(0, "tool_calls" if self._out.called else "stop", "completed")
        details = _value(response, "incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        word = reason if isinstance(reason, str) else None
        return ir.Finished(0, _FINISH.get(word or "", "length"), word, known=word is None or word in wire.INCOMPLETE)


def _error(event: Event) -> ir.Failure:
    told = event.error or {"code": event.code, "message": event.message, "param": event.param}
    return failure_in_stream({"error": told})


def _value(response: ir.Extras, name: str) -> Any:
    raw = response.get(name)
    return None if raw is None else wire.ANY.decode(raw)


def _object(raw: msgspec.Raw) -> ir.Extras:
    try:
        return wire.RAW_OBJECT.decode(raw)
    except msgspec.MsgspecError:
        return {}


def _left(response: ir.Extras) -> ir.Extras:
    """What the hub has no name for."""
    return {name: raw for name, raw in response.items() if name not in wire.RESPONSE and not wire.is_null(raw)}


def _failure(response: ir.Extras, status: str) -> ir.Failure:
    if status == "cancelled":
        return ir.Failure("cancelled", 502, "The upstream cancelled its answer.", "server_error", "upstream_cancelled")
    return failure_in_stream({"error": _value(response, "error") or {}})
