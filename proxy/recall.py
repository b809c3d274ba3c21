"""Station 3, second half: what points at stored turns is replaced by what it stands for.

No upstream is ever asked to follow such a pointer: its account may be shared by tenants who must not see one another's
turns, and the thread may go on at a backend that never had it. Instructions of earlier turns are not inherited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from adapters import ir, strict
from adapters.openai_responses import thread
from proxy.call import Call, Rejected
from proxy.classed import inherit
from proxy.keep import stores
from proxy.state.store import StoreFailed, ThreadTooLong, Turn

if TYPE_CHECKING:
    from proxy.house import House

Items = tuple[msgspec.Raw, ...]

_PREVIOUS = "previous_response_id"
_SHOWN = 100
"""Characters of an id that an error repeats; it is the client's own, of any length."""
_UNBUILT = (
    ("background", bool | None, "send the request without it, with stream: true where the answer takes long"),
    ("conversation", Any, "go on from the last answer with previous_response_id, or send the whole input"),
)
_AWAY = ir.Failure(
    "internal",
    503,
    "Stored responses cannot be read now: ask again later, or send the whole input instead.",
    "server_error",
    "store_unavailable",
    _PREVIOUS,
    5.0,
)

_CLOSED = ir.Failure(
    "internal",
    503,
    "Nothing can be stored now: ask again later, or ask with store: false.",
    "server_error",
    "store_unavailable",
    "store",
    5.0,
)


async def recall(call: Call, house: House) -> None:
    """Put the stored thread before the new input, and stored items in the place of references to them; sets
    ``call.inherited``. Raises Rejected or ir.Invalid for what is not there (400), not built (400), too long (413) or
    cannot be read now (503). What has to be decoded for it is decoded beside the loop."""
    if call.api.kind == "responses":
        await _recall(call, house)
    await inherit(call, house)


async def _recall(call: Call, house: House) -> None:
    previous, pointers = await house.in_turn(call.body, lambda: _read(call))
    if house.store.trouble is not None and stores(call):
        if call.snapshot.config.state.away.stored == "closed":
            house.telemetry.unstored()
            raise Rejected(_CLOSED)
        call.unstored = True
    if previous is None and not pointers:
        return
    try:
        before = await _before(call, house, previous)
        call.items = await _resolved(call, house, pointers, before)
    except ThreadTooLong:
        raise Rejected(_too_long(call.snapshot.config.server.max_body)) from None
    except StoreFailed as error:
        house.telemetry.store_failed(call.id, "read", str(error))
        raise Rejected(_AWAY) from error
    call.previous_response_id = previous
    call.recalled = before[-1].home if before else None
    await asyncio.to_thread(_rewrite, call, before)


def recall_nothing(call: Call) -> bool:
    """For `turnout explain`, which has no store: what is not built is refused all the same, and the new input stands
    for the whole thread; the answer is whether there was more to it. Raises Rejected or ir.Invalid."""
    if call.api.kind != "responses":
        return False
    previous, pointers = _read(call)
    if previous is None and not pointers:
        return False
    call.items = tuple(item for index, item in enumerate(call.items) if index not in pointers)
    _rewrite(call, ())
    return True


def _read(call: Call) -> tuple[str | None, Mapping[int, str]]:
    """``previous_response_id``, and the call's own items with what they refer to. Raises ir.Invalid for what is not
    built."""
    for name, kind, mend in _UNBUILT:
        if name in call.top and strict.value(call.top, name, kind):
            message = f"'{name}' is not built yet: {mend}."
            raise ir.Invalid(message, name, "unsupported_parameter")
    call.items, pointers = thread.own_items(call.top.get("input"))
    told: str | None = strict.value(call.top, _PREVIOUS, str | None) if _PREVIOUS in call.top else None
    return told, pointers


async def _before(call: Call, house: House, previous: str | None) -> Sequence[Turn]:
    """The thread up to ``previous``."""
    if previous is None:
        return ()
    found = await house.store.thread(call.caller.tenant, previous, most=call.snapshot.config.server.max_body)
    if found is None:
        message = (
            f"Previous response with id '{previous[:_SHOWN]}' not found: it, or one before it, was not stored for you "
            "here, was deleted, or is older than state.retention. Send the whole input instead."
        )
        raise ir.Invalid(message, _PREVIOUS, "previous_response_not_found")
    return found


async def _resolved(call: Call, house: House, pointers: Mapping[int, str], before: Sequence[Turn]) -> Items:
    """The new input, with what its references stand for. Data that is referred to keeps its class, wherever in its
    thread it stood."""
    call.inherited |= _classes(before)
    if not pointers:
        return call.items
    most = call.snapshot.config.server.max_body
    turns = await house.store.turns_with(call.caller.tenant, set(pointers.values()), most=most)
    call.inherited |= _classes(turns)
    held = await asyncio.to_thread(_held, (*turns, *before))
    found = list(call.items)
    for index, id_ in pointers.items():
        if id_ not in held:
            message = f"Item with id '{id_[:_SHOWN]}' not found: it was not stored for you here. Send the item itself."
            raise ir.Invalid(message, f"input[{index}]", "item_not_found")
        found[index] = held[id_]
    return tuple(found)


def _classes(turns: Sequence[Turn]) -> frozenset[str]:
    return frozenset(label for turn in turns for label in turn.data_class)


def _held(turns: Sequence[Turn]) -> Mapping[str, msgspec.Raw]:
    return {id_: item for turn in turns for id_, item in thread.held(turn.input, turn.response, turn.id).items()}


def _rewrite(call: Call, before: Sequence[Turn]) -> None:
    said = [item for turn in before for item in (*turn.input, *thread.replay(turn.response))]
    items = (*said, *call.items)
    top = {name: raw for name, raw in call.top.items() if name != _PREVIOUS}
    if items:
        top["input"] = msgspec.Raw(msgspec.json.encode(items))
    body = msgspec.json.encode(top)
    most = call.snapshot.config.server.max_body
    if len(body) > most:
        raise Rejected(_too_long(most))
    call.top, call.body, call.changed = top, body, True


def _too_long(most: int) -> ir.Failure:
    message = (
        f"The stored thread and the new input are larger than {most} bytes (server.max_body), or the thread has too "
        "many turns: begin a new one."
    )
    return ir.Failure("too_large", 413, message, code="request_too_large", param=_PREVIOUS)
