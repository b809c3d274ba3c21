"""The outermost door: a request becomes a Call, walks the road, and whatever happens has one answer and one row."""

from __future__ import annotations

import asyncio
import time

from litestar.types import HTTPScope, Receive, Send

from adapters import ir
from proxy import answers, ids
from proxy.call import Api, Call, Rejected
from proxy.house import House
from proxy.line import ClientGone, Line, watch
from proxy.walk import walk

_CUT_OFF = ir.Failure(
    "interrupted", 503, "Turnout was stopped before this answer was whole: ask again.", "server_error", "shutting_down"
)


async def enter(api: Api, house: House, scope: HTTPScope, receive: Receive, send: Send) -> None:
    """Serve one request of a hot endpoint, from its headers to its last byte."""
    line = Line(send)
    call = _call(api, house, scope)
    house.telemetry.call_began()
    try:
        if scope["method"] != "POST":
            raise Rejected(_not_allowed(scope))
        call.body = await _body(receive, call)
        await _watched(call, house, line, receive)
    except* ClientGone:
        call.status, call.outcome = 499, "cancelled"
    except* (Rejected, ir.Invalid) as group:
        await _refused(call, _failure(group), house, line)
    except* asyncio.CancelledError:
        # Only a drain whose time is over cancels a call from outside.
        await _refused(call, _CUT_OFF, house, line)
    except* Exception as group:  # noqa: BLE001 - the outermost door: nothing may pass it
        house.telemetry.crashed(call, group)
        message = f"Turnout failed to serve this request (id {call.id}). Its operator finds the cause in the log."
        await _refused(call, ir.Failure("internal", 500, message, "server_error", "internal_error"), house, line)
    finally:
        if call.decision is not None:
            house.record(call)
        house.telemetry.call_ended(call)


async def _watched(call: Call, house: House, line: Line, receive: Receive) -> None:
    """The walk, with a watcher at its side: when the client hangs up, the walk is cancelled where it stands."""
    timeouts = call.snapshot.config.timeouts
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch(receive, line, lambda: house.draining))
        line.promise(group, after=timeouts.commit_after, every=timeouts.keepalive, headers=lambda: _commit(call))
        try:
            await walk(call, house, line)
        finally:
            watcher.cancel()
            line.rest()


def _commit(call: Call) -> list[tuple[bytes, bytes]] | None:
    """The headers of a 200 that leaves before the upstream said anything (D1); None while there is no plan yet."""
    if not call.head.stream or not call.attempts:
        return None
    call.status, call.committed = 200, True
    return answers.headers(call)


async def _refused(call: Call, failure: ir.Failure, house: House, line: Line) -> None:
    call.failure = failure
    call.status = 200 if line.opened else failure.status
    if call.decision is not None:
        house.record(call)
    try:
        await answers.refuse(call, failure, line)
    except OSError:
        call.outcome = "cancelled"


def _call(api: Api, house: House, scope: HTTPScope) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    return Call(
        id=ids.uuid7(),
        api=api,
        headers=headers,
        peer=client[0] if client else None,
        snapshot=house.snapshot,
        started=time.monotonic(),
        started_at=time.time_ns() // 1_000_000,
        client_request_id=ids.client_request_id(headers),
        trace=house.telemetry.trace(headers),
    )


async def _body(receive: Receive, call: Call) -> bytes:
    """The whole body, bounded while it arrives: what is declared or grows too large is refused unread."""
    limit = call.snapshot.config.server.max_body
    declared = call.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise Rejected(_too_large(limit))
    if call.headers.get("content-encoding", "identity").lower() != "identity":
        message = "Compressed request bodies are not supported: send the body without Content-Encoding."
        raise Rejected(ir.Failure("invalid", 415, message, code="unsupported_encoding"))
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise ClientGone
        size += len(event["body"])
        if size > limit:
            raise Rejected(_too_large(limit))
        parts.append(event["body"])
        if not event["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _failure(group: BaseExceptionGroup[Rejected | ir.Invalid]) -> ir.Failure:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Rejected | ir.Invalid)  # noqa: S101 - except* let nothing else in
    return error.failure


def _too_large(limit: int) -> ir.Failure:
    message = f"The request body is larger than {limit} bytes (server.max_body)."
    return ir.Failure("too_large", 413, message, code="request_too_large")


def _not_allowed(scope: HTTPScope) -> ir.Failure:
    message = f"{scope['method']} is not allowed on {scope['path']}: send a POST."
    return ir.Failure("invalid", 405, message, code="method_not_allowed")
