"""Turns that a vendor would refuse, in a form that it takes.

OpenAI, and a vendor's own clients, are given their conversations as they are. For all others:

- a call that nobody answered gets a result that says so (G83); else the conversation would be refused for ever
- a result that answers no call, and arguments that are no JSON object where the vendor needs one, are a 400
- calls without any tools on offer: the tools that were called are declared, and may not be called (G18)
- words behind calls, in a message of their own (Responses): in chat the results stand right behind the calls
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from adapters import ir
from adapters.fitting.fitted import Fitted
from adapters.providers import CHAT, RESPONSES

NO_RESULT = "No result: this tool call was not carried out."
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EMPTY = ("", "null")
_PLACES = {CHAT: "messages[{message}].{field}", RESPONSES: "input"}
"""dialect -> the name of a block for an error."""


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    """Raises ir.Invalid for a conversation that no backend of this kind could follow."""
    as_it_is = upstream.wire == "exact" and upstream.family in ("openai", request.family)
    if upstream.dialect == CHAT and not (as_it_is and request.dialect == CHAT):
        request = _together(request)
    if as_it_is:
        return Fitted(request)
    needs_objects = upstream.family not in ("openai", request.family)
    if needs_objects:
        _check_arguments(request)
    messages = _answered(request)
    if messages is not None:
        request = msgspec.structs.replace(request, messages=messages)
    if needs_objects and not request.tools:
        request = _declared(request)
    return Fitted(request)


# --- words behind calls --------------------------------------------------------------------------------------------


def _parts(before: ir.Message, message: ir.Message) -> bool:
    """Does ``message`` part the calls of the one before it from their results?"""
    return before.role == message.role == "assistant" and any(type(block) is ir.ToolCall for block in before.blocks)


def _together(request: ir.Request) -> ir.Request:
    if not any(_parts(*pair) for pair in pairwise(request.messages)):
        return request
    return msgspec.structs.replace(request, messages=tuple(_joined(request.messages)))


def _joined(messages: Sequence[ir.Message]) -> Iterator[ir.Message]:
    last = messages[0]
    for message in messages[1:]:
        if _parts(last, message):
            extras = {**message.extras, **last.extras}
            last = msgspec.structs.replace(last, blocks=last.blocks + message.blocks, extras=extras)
            continue
        yield last
        last = message
    yield last


# --- G18 -----------------------------------------------------------------------------------------------------------


def _declared(request: ir.Request) -> ir.Request:
    calls = [b for message in request.messages for b in message.blocks if isinstance(b, ir.ToolCall)]
    if not calls:
        return request
    used = {
        (call.namespace, call.name): ir.Tool(
            call.name, "custom" if call.custom else "function", namespace=call.namespace
        )
        for call in calls
    }
    return msgspec.structs.replace(request, tools=tuple(used.values()), tool_choice=ir.ToolChoice("none"))


# --- arguments -----------------------------------------------------------------------------------------------------


def _check_arguments(request: ir.Request) -> None:
    for index, message in enumerate(request.messages):
        if message.role != "assistant":
            continue
        for number, call in enumerate(block for block in message.blocks if type(block) is ir.ToolCall):
            if not call.custom and not _is_object(call.arguments):
                why = (
                    f"The arguments of the tool call '{call.id}' are not a JSON object, and this backend takes nothing "
                    "else. Send them as the model wrote them, or leave the call out."
                )
                raise ir.Invalid(why, _place(request, index, f"tool_calls[{number}]"), "invalid_value")


def _is_object(arguments: str) -> bool:
    try:
        _OBJECT.decode(arguments)
    except (msgspec.MsgspecError, RecursionError):
        return arguments.strip() in _EMPTY
    return True


def _place(request: ir.Request, message: int, field: str) -> str:
    return _PLACES.get(request.dialect or "", "messages").format(message=message, field=field)


# --- G83 -----------------------------------------------------------------------------------------------------------


class _Waiting:
    """The calls of the turn that is on, until they are answered."""

    def __init__(self, request: ir.Request) -> None:
        self._request = request
        self._called: set[str] = set()
        self._open: dict[str, ir.ToolCall] = {}
        self._place = 0
        """Where the next result belongs: behind the turn's calls and the results that are there."""
        self.missing: list[tuple[int, ir.Message]] = []

    def read(self, index: int, message: ir.Message) -> None:
        for block in message.blocks:
            # By type, which is quicker than isinstance: every block of every request comes by here.
            if type(block) is ir.ToolCall:
                self._call(index, block)
            elif type(block) is ir.ToolResult:
                self._answer(index, block)

    def _call(self, index: int, call: ir.ToolCall) -> None:
        self._called.add(call.id)
        self._open[call.id] = call
        self._place = index + 1

    def _answer(self, index: int, result: ir.ToolResult) -> None:
        if result.id not in self._called:
            why = f"The tool result '{result.id}' answers no tool call of the conversation. Send the call before it."
            raise ir.Invalid(why, _place(self._request, index, "tool_call_id"), "invalid_value")
        self._open.pop(result.id, None)
        self._place = index + 1

    def turn(self) -> None:
        """The model speaks again, or the conversation is over: what was not answered by now never was."""
        if self._open:
            said = (ir.Text(NO_RESULT),)
            results = [
                ir.ToolResult(call.id, said, call.name, is_error=True, custom=call.custom)
                for call in self._open.values()
            ]
            self.missing.append((self._place, ir.Message("tool", tuple(results))))
            self._open = {}


def _answered(request: ir.Request) -> tuple[ir.Message, ...] | None:
    """The turns with every call answered, or None where they are already."""
    waiting = _Waiting(request)
    before = None
    for index, message in enumerate(request.messages):
        if message.role == "assistant" and before != "assistant":
            waiting.turn()
        waiting.read(index, message)
        before = message.role
    waiting.turn()
    return tuple(_inserted(request.messages, waiting.missing)) if waiting.missing else None


def _inserted(messages: Sequence[ir.Message], missing: Sequence[tuple[int, ir.Message]]) -> Iterator[ir.Message]:
    more = dict(missing)
    for index, message in enumerate(messages):
        if index in more:
            yield more[index]
        yield message
    if len(messages) in more:
        yield more[len(messages)]
