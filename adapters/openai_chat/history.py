"""A chat request's messages, read: each role into the hub's turns."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from adapters import ir
from adapters.openai_chat import content, vendor_fields, wire

_MESSAGE = wire.Reading(wire.Message)
_TOOL_CALL = wire.Reading(wire.ToolCall)
ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def read(raw: msgspec.Raw) -> tuple[ir.Message, ...]:
    """All messages, in order. Raises ir.Invalid that names the message and the field."""
    told = _MESSAGE.each(raw, "messages")
    if not told:
        message = "Invalid 'messages': empty array. Expected an array with at least one message."
        raise ir.Invalid(message, "messages", "empty_array")
    history = _History()
    return tuple([history.read(*one, f"messages[{index}]", index) for index, one in enumerate(told)])


class _History:
    """What later messages need of earlier ones: legacy calls had no ids, and results do not say what they answer."""

    def __init__(self) -> None:
        self._legacy = ""
        self._custom: set[str] = set()

    def read(self, told: wire.Message, extras: ir.Extras, at: str, index: int) -> ir.Message:
        match told.role:
            case "assistant":
                blocks = self._assistant(told, at, index, vendor_fields.take(extras))
                return ir.Message("assistant", blocks, name=told.name, extras=extras)
            case "tool":
                if told.tool_call_id is None:
                    raise wire.missing(f"{at}.tool_call_id")
                return self._result(told, at, told.tool_call_id, extras)
            case "function":
                return self._result(told, at, self._legacy or f"call_{told.name}", extras)
            case "system" | "developer" | "user":
                return ir.Message(told.role, content.read(told.content, at), name=told.name, extras=extras)
        raise wire.unsupported(f"{at}.role", told.role, ROLES)

    def _assistant(
        self, told: wire.Message, at: str, index: int, thoughts: vendor_fields.Thoughts
    ) -> tuple[ir.Block, ...]:
        blocks: list[ir.Block] = []
        if (plain := told.reasoning_content or told.reasoning) and not thoughts.has_words:
            blocks.append(ir.Reasoning(plain))
        blocks += thoughts.reasoning
        if told.content:
            blocks += content.read(told.content, at)
        if thoughts.text is not None and isinstance(last := blocks[-1] if blocks else None, ir.Text):
            blocks[-1] = msgspec.structs.replace(last, state=thoughts.text)
        if told.refusal:
            blocks.append(ir.Refusal(told.refusal))
        for number, raw in enumerate(told.tool_calls or ()):
            blocks.append(self._call(raw, f"{at}.tool_calls[{number}]", thoughts.calls))
        if told.function_call is not None:
            self._legacy = f"call_{index}"
            blocks.append(ir.ToolCall(self._legacy, told.function_call.name, told.function_call.arguments or "{}"))
        return tuple(blocks)

    def _call(self, raw: msgspec.Raw, at: str, states: Mapping[str, ir.VendorState]) -> ir.Block:
        call, extras = _TOOL_CALL.read(raw, at)
        state = vendor_fields.take_signature(extras) or states.get(call.id)
        if call.type == "function":
            if call.function is None:
                raise wire.missing(f"{at}.function")
            arguments = call.function.arguments or "{}"
            return ir.ToolCall(call.id, call.function.name, arguments, state=state, extras=extras)
        if call.type == "custom":
            if call.custom is None:
                raise wire.missing(f"{at}.custom")
            self._custom.add(call.id)
            return ir.ToolCall(call.id, call.custom.name, call.custom.input, custom=True, state=state, extras=extras)
        return ir.Opaque("openai", call.type, msgspec.Raw(bytes(raw)))

    def _result(self, told: wire.Message, at: str, call: str, extras: ir.Extras) -> ir.Message:
        parts: list[ir.Text | ir.Media] = []
        for index, block in enumerate(content.read(told.content, at)):
            if not isinstance(block, ir.Text | ir.Media):
                raise ir.Invalid("A tool message may hold text parts only.", f"{at}.content[{index}].type")
            parts.append(block)
        result = ir.ToolResult(call, tuple(parts), name=told.name, custom=call in self._custom)
        return ir.Message("tool", (result,), extras=extras)
