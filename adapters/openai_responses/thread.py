"""Stored turns as items: what a turn said, what of it may be said again, and how its input is listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters import states
from adapters.openai_responses import wire
from adapters.sse import Splitter, render

_ENDS = frozenset({"completed", "incomplete"})
_CALLS = frozenset({"function_call", "custom_tool_call"})
_STATELESS = frozenset({"reasoning", "custom_tool_call"})
"""Items whose ``status`` is for answers alone."""
_PREFIX = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "function_call_output": "fco",
    "custom_tool_call_output": "ctco",
}


class Response(Struct, frozen=True):
    """What is read of a response object."""

    id: str = ""
    status: str = ""
    output: tuple[msgspec.Raw, ...] = ()


class _Look(Struct, frozen=True):
    """The least of an item. Any: a wrong type is for the reader of requests to tell."""

    type: Any = None
    id: Any = None
    role: Any = None
    status: Any = None


class _Event(Struct, frozen=True):
    type: str = ""
    response: msgspec.Raw = wire.NULL


_look = msgspec.json.Decoder(_Look)
_looks = msgspec.json.Decoder(list[_Look])
_event = msgspec.json.Decoder(_Event)
_response = msgspec.json.Decoder(Response)


def own_items(told: msgspec.Raw | None) -> tuple[tuple[msgspec.Raw, ...], dict[int, str]]:
    """``input`` as items, and those that only point at a stored one: index -> id. (OpenAI's ``type`` may be left out.)

    A string is a user's message. What is no input at all has no items; its reader will say so.
    """
    if told is None or wire.is_null(told):
        return (), {}
    if wire.is_string(told):
        text = {"type": "input_text", "text": msgspec.Raw(bytes(told))}
        return (wire.encode({"type": "message", "role": "user", "content": [text]}),), {}
    try:
        looks = _looks.decode(told)
    except msgspec.MsgspecError:
        return (), {}
    return tuple(wire.RAW_LIST.decode(told)), {at: look.id for at, look in enumerate(looks) if _refers(look)}


def final(frames: Iterable[bytes]) -> bytes | None:
    """The response object that the end of a stream holds; None when it tells of a failure, or of nothing."""
    found = None
    for frame in Splitter().feed(b"".join(frames)):
        try:
            event = _event.decode(frame.data)
        except msgspec.MsgspecError:
            continue
        if event.type.removeprefix("response.") in _ENDS:
            found = bytes(event.response)
    return found


def read(response: bytes) -> Response | None:
    """A response object that came to its end, whole or cut short; None for every other."""
    try:
        found = _response.decode(response)
    except msgspec.MsgspecError:
        return None
    return found if found.id and found.status in _ENDS else None


def unstored(response: bytes) -> bytes:
    """The response object, which says that it is not stored."""
    return bytes(wire.encode({**wire.RAW_OBJECT.decode(response), "store": False}))


def end_unstored(event: bytes) -> bytes:
    """The same of an event that holds it; any other stays as it is."""
    response = final((event,))
    if response is None:
        return event
    frame = next(Splitter().feed(event))
    fields = {**wire.RAW_OBJECT.decode(frame.data), "response": msgspec.Raw(unstored(response))}
    return render(bytes(wire.encode(fields)), frame.event)


def replay(response: bytes) -> list[msgspec.Raw]:
    """The output of a stored turn as the next turn's input.

    A call that was cut off in its arguments can have no answer, and OpenAI takes no thought without what followed it:
    both stay behind; but another vendor's state may stand last, behind the call that it belongs to.
    """
    kept: list[msgspec.Raw] = []
    for item in _response.decode(response).output:
        look = _looked(item)
        if look.type in _CALLS and look.status == "incomplete":
            continue
        kept.append(_without_status(item) if look.type in _STATELESS else item)
    while kept and _looked(kept[-1]).type == "reasoning" and not states.is_carried_in(bytes(kept[-1])):
        kept.pop()
    return kept


def listed(items: Sequence[msgspec.Raw], response_id: str) -> list[tuple[str, msgspec.Raw]]:
    """A turn's own input as ``GET …/input_items`` lists it: (id, item), in order. An item that came without an id has
    one that its turn and place give it, always the same."""
    return [_complete(item, _place(response_id, index)) for index, item in enumerate(items)]


def names(items: Sequence[msgspec.Raw], response: Response) -> list[str]:
    """The ids under which a turn's items can be referred to: of its output, and those of ``listed`` that are ours."""
    out = [look.id for look in map(_looked, response.output) if _named(look)]
    looks = map(_looked, items)
    return out + [_made(look.type, _place(response.id, i)) for i, look in enumerate(looks) if not _named(look)]


def held(items: Sequence[msgspec.Raw], response: bytes, response_id: str) -> Mapping[str, msgspec.Raw]:
    """id -> item, of all that a stored turn holds, each as a request may say it again."""
    found = {id_: item for (id_, _), item in zip(listed(items, response_id), items, strict=True)}
    for item in _response.decode(response).output:
        look = _looked(item)
        found[str(look.id)] = _without_status(item) if look.type in _STATELESS else item
    return found


def _looked(item: msgspec.Raw) -> _Look:
    try:
        return _look.decode(item)
    except msgspec.MsgspecError:
        return _Look()


def _refers(look: _Look) -> bool:
    if not isinstance(look.id, str):
        return False
    return look.type == "item_reference" or (look.type is None and look.role is None)


def _without_status(item: msgspec.Raw) -> msgspec.Raw:
    return wire.encode({name: raw for name, raw in wire.RAW_OBJECT.decode(item).items() if name != "status"})


def _named(look: _Look) -> bool:
    return isinstance(look.id, str)


def _place(response_id: str, index: int) -> str:
    return f"{response_id.removeprefix('resp_')}_i{index}"


def _made(kind: object, place: str) -> str:
    """The id of an item that came without one."""
    return f"{_PREFIX.get(str(kind or 'message'), 'item')}_{place}"


def _complete(item: msgspec.Raw, place: str) -> tuple[str, msgspec.Raw]:
    told = wire.OBJECT.decode(item)
    kind = str(told.get("type") or "message")
    fields: dict[str, Any] = {"type": kind} | told | {"type": kind}
    if not isinstance(fields.get("id"), str):
        fields["id"] = _made(kind, place)
    if kind in _PREFIX and kind != "reasoning":
        fields["status"] = fields.get("status") or "completed"
    if kind == "message" and isinstance(fields.get("content"), str):
        fields["content"] = [_text(fields["content"], fields.get("role"))]
    return fields["id"], wire.encode(fields)


def _text(text: str, role: object) -> dict[str, Any]:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": text}
