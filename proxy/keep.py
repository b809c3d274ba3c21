"""Station 10, first half: what must outlive the call is stored before its end is released.

A store that fails loses no answer: the failure is told to the operator, and what was to be kept is not found later. A
client is told so where it counts on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from adapters.openai_responses import thread
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.classed import mark
from proxy.pump import Opened
from proxy.state.store import StoreFailed, Turn
from proxy.threads import last_answer, remember

if TYPE_CHECKING:
    from proxy.house import House

_NO = b"false"


async def keep(call: Call, attempt: Attempt, opened: Opened, house: House) -> None:
    """The state of its tool calls, and the turn itself where the client may go on from it."""
    if attempt.failure is not None:
        return
    for step in (_keep_calls, mark, _keep_turn, _remember):
        try:
            await step(call, attempt, opened, house)
        except StoreFailed as error:
            house.telemetry.store_failed(call.id, "write", str(error))


def stores(call: Call) -> bool:
    """Does its client want the answer stored?"""
    return call.api.name == "responses" and bytes(call.top.get("store", b"")) != _NO


async def known(call: Call, ids: Sequence[str], house: House) -> Mapping[str, bytes]:
    """The kept state of these tool calls; none of it where the store cannot be read, for most can do without."""
    if not ids:
        return {}
    try:
        return await house.store.calls(call.caller.tenant, ids)
    except StoreFailed as error:
        house.telemetry.store_failed(call.id, "read", str(error))
        return {}


async def _keep_calls(call: Call, attempt: Attempt, _: Opened, house: House) -> None:
    kept = attempt.keeper.kept() if attempt.keeper is not None else {}
    if kept:
        await house.store.keep_calls(call.caller.tenant, kept)


async def _remember(call: Call, attempt: Attempt, _: Opened, house: House) -> None:
    await remember(call, attempt, house)


async def _keep_turn(call: Call, attempt: Attempt, opened: Opened, house: House) -> None:
    if not stores(call):
        return
    if call.unstored:
        house.telemetry.unstored()
        _tell_unstored(call, opened)
        return
    told = opened.whole.body if opened.whole is not None else _end(opened)
    response = thread.read(told) if told is not None else None
    if told is None or response is None:
        return
    turn = Turn(
        id=response.id,
        tenant=call.caller.tenant,
        created=call.started_at // 1000,
        previous=call.previous_response_id,
        input=call.items,
        response=told,
        home=last_answer(attempt),
        data_class=call.data_class,
        call=call.id,
    )
    try:
        await house.store.keep_turn(turn, thread.names(call.items, response))
    except StoreFailed:
        _tell_unstored(call, opened)
        raise


def _tell_unstored(call: Call, opened: Opened) -> None:
    """In its row, in the header of an answer whose head is not out yet, and in its ``store``."""
    call.unstored = True
    call.flags.append("not_stored")
    if opened.whole is not None:
        opened.whole.amend(thread.unstored)
    elif opened.relay is not None:
        opened.relay.amend(thread.end_unstored)


def _end(opened: Opened) -> bytes | None:
    return thread.final(opened.relay.tail) if opened.relay is not None else None
