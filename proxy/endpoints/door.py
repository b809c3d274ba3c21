"""The outermost door: a request becomes a Call, walks the road, and whatever happens has one answer and one row."""

from __future__ import annotations

import asyncio
import time

from litestar.types import HTTPScope, Receive, Send

from adapters import ir
from policies.facts import DATA_CLASS_HEADER
from proxy import answers, bodies, ids
from proxy.attribution import TAG
from proxy.call import Api, Call, Rejected
from proxy.house import House
from proxy.line import ClientGone, Line, watch
from proxy.walk import walk

_CUT_OFF = ir.Failure(
    "interrupted", 503, "Turnout was stopped before this answer was whole: ask again.", "server_error", "shutting_down"
)


async def enter(api: Api, house: House, scope: HTTPScope, receive: Receive, send: Send) -> None:
    """Serve one request of a hot endpoint, from its headers to its last byte."""
    line = Line(send, last=house.draining)
    call = _call(api, house, scope)
    house.telemetry.call_began()
    try:
        if scope["method"] != "POST":
            raise Rejected(_not_allowed(scope, call))
        call.body = await bodies.received(receive, call.headers, call.snapshot.config.server.max_body)
        await _watched(call, house, line, receive)
    except* ClientGone:
        call.status, call.outcome = 499, "cancelled"
    except* (Rejected, ir.Invalid) as group:
        await _refused(call, _failure(group), house, line)
    except* asyncio.CancelledError:
        # Only a drain whose time is over cancels a call from outside.
        await _refused(call, _CUT_OFF, house, line)
    except* Exception as group:  # noqa: BLE001 - the outermost door: nothing may pass it
        house.telemetry.crashed(call.id, group)
        await _refused(call, answers.crashed(call.id), house, line)
    finally:
        if call.decision is not None:
            house.record(call)
        house.telemetry.call_ended(call)


async def _watched(call: Call, house: House, line: Line, receive: Receive) -> None:
    """The walk, with a watcher at its side: when the client hangs up, the walk is cancelled where it stands."""
    timeouts = call.snapshot.config.timeouts
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(watch(receive, line))
        line.promise(group, after=timeouts.commit_after, every=timeouts.keepalive, headers=lambda: _commit(call))
        try:
            await walk(call, house, line)
        finally:
            watcher.cancel()
            line.rest()


def _commit(call: Call) -> list[tuple[bytes, bytes]] | None:
    """The headers of a 200 that leaves before the upstream said anything (D1); None while there is no plan yet."""
    waits = call.cache is not None and call.cache.waits
    if not call.head.stream or not (call.attempts or waits):
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
    for header in (DATA_CLASS_HEADER, TAG):
        if header in headers:  # of several that were sent none may hide another
            told = [value.decode("latin-1") for name, value in scope["headers"] if name == header.encode()]
            headers[header] = ", ".join(told)
    client = scope.get("client")
    return Call(
        id=ids.uuid7(),
        api=api,
        headers=headers,
        peer=client[0] if client else None,
        snapshot=house.snapshot,
        overrides=house.overrides.now,
        started=time.monotonic(),
        started_at=time.time_ns() // 1_000_000,
        client_request_id=ids.client_request_id(headers),
        trace=house.telemetry.trace(headers),
    )


def _failure(group: BaseExceptionGroup[Rejected | ir.Invalid]) -> ir.Failure:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Rejected | ir.Invalid)  # noqa: S101 - except* let nothing else in
    return error.failure


def _not_allowed(scope: HTTPScope, call: Call) -> ir.Failure:
    if call.headers.get("upgrade", "").lower() == "websocket":
        message = f"WebSocket mode is not built yet: send each turn as a POST to {scope['path']}."
        return ir.Failure("invalid", 426, message, code="websocket_not_supported")
    message = f"{scope['method']} is not allowed on {scope['path']}: send a POST."
    return ir.Failure("invalid", 405, message, code="method_not_allowed")
