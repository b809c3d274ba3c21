"""Tools, tool choice and answer formats: Responses' entries <-> the hub's."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters import ir
from adapters.openai_responses import wire
from adapters.openai_responses.wire import Fields

WRAPPED = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
"""How a free-text tool is offered to a model that knows functions only (G84)."""


class _Wrapped(msgspec.Struct):
    input: str


_wrapped = msgspec.json.Decoder(_Wrapped)


def wrap(text: str) -> str:
    """A custom tool's free text as a function's arguments."""
    return msgspec.json.encode({"input": text}).decode()


def unwrap(arguments: str) -> str:
    """The free text within a wrapped call; what the model sent where it did not keep to the schema."""
    try:
        return _wrapped.decode(arguments).input
    except msgspec.MsgspecError:
        return arguments


# --- read ----------------------------------------------------------------------------------------------------------


def read_tools(raws: list[msgspec.Raw]) -> tuple[ir.Tool, ...]:
    """``tools`` of a request. Raises ir.Invalid that names the entry."""
    return tuple(_tool(raw, f"tools[{index}]") for index, raw in enumerate(raws))


def _tool(raw: msgspec.Raw, path: str) -> ir.Tool:
    fields = Fields.of(raw, path)
    kind = fields.need("type", wire.STR)
    if kind == "function":
        return ir.Tool(
            fields.need("name", wire.STR),
            description=fields.take("description", wire.STR),
            parameters=fields.take("parameters", wire.ANY),
            strict=fields.take("strict", wire.BOOL),
            extras=fields.rest,
        )
    if kind == "custom":
        name, description = fields.need("name", wire.STR), fields.take("description", wire.STR)
        return ir.Tool(name, "custom", description, format=fields.take("format", wire.ANY), extras=fields.rest)
    name = fields.take("name", wire.STR) or fields.take("server_label", wire.STR) or kind
    return ir.Tool(name, "hosted", type=kind, raw=raw)


_MODES: dict[str, ir.ToolChoice] = {mode: ir.ToolChoice(mode) for mode in ("none", "auto", "required")}


def read_choice(raw: msgspec.Raw) -> ir.ToolChoice | None:
    """``tool_choice``, or None for one that only this dialect can say (a hosted tool). Raises ir.Invalid."""
    if wire.is_string(raw):
        mode = wire.STR.decode(raw)
        if mode not in _MODES:
            why = f"Invalid value for 'tool_choice': '{mode}'. Supported values are: 'none', 'auto', and 'required'."
            raise ir.Invalid(why, "tool_choice", "invalid_value")
        return _MODES[mode]
    fields = Fields.of(raw, "tool_choice")
    kind = fields.need("type", wire.STR)
    if kind in {"function", "custom"}:
        return ir.ToolChoice("named", (fields.need("name", wire.STR),), custom=kind == "custom")
    return _allowed(fields) if kind == "allowed_tools" else None


class _Entry(msgspec.Struct):
    type: str
    name: str | None = None


_ENTRIES = msgspec.json.Decoder(list[_Entry])


def _allowed(fields: Fields) -> ir.ToolChoice | None:
    mode = fields.take("mode", wire.STR) or "auto"
    entries = fields.need("tools", _ENTRIES)
    if mode not in {"auto", "required"}:
        raise fields.wrong("mode", f"'{mode}'. Supported values are: 'auto' and 'required'")
    if any(entry.type not in {"function", "custom"} or entry.name is None for entry in entries):
        return None
    return ir.ToolChoice("allowed", tuple(entry.name or "" for entry in entries), mode == "required")


def read_format(fields: Fields) -> ir.Format | None:
    """``text.format``; what it holds besides stays in the fields, under the same name."""
    raw = fields.rest.get("format")
    if raw is None or wire.is_null(raw):
        return None
    inner = Fields.of(raw, fields.name("format"))
    kind = inner.need("type", wire.STR)
    if kind not in {"text", "json_object", "json_schema"}:
        raise inner.wrong("type", f"'{kind}'. Supported values are: 'text', 'json_object', and 'json_schema'")
    if kind != "json_schema":
        shape = ir.Format("text" if kind == "text" else "json_object")
    else:
        name, schema = inner.need("name", wire.STR), inner.need("schema", wire.ANY)
        strict, told = inner.take("strict", wire.BOOL), inner.take("description", wire.STR)
        shape = ir.Format("json_schema", name, schema, strict, told)
    del fields.rest["format"]
    if inner.rest:
        fields.rest["format"] = wire.encode(inner.rest)
    return shape


# --- write ---------------------------------------------------------------------------------------------------------


def write_tool(tool: ir.Tool) -> dict[str, Any] | msgspec.Raw:
    """A tool as it was offered, fields that its author left out still left out."""
    if tool.raw is not None:
        return tool.raw
    if tool.kind == "custom":
        said = {"description": tool.description, "format": tool.format}
    else:
        said = {"description": tool.description, "parameters": tool.parameters, "strict": tool.strict}
    return {"type": tool.kind, "name": tool.name, **known(said), **tool.extras}


def write_choice(choice: ir.ToolChoice, tools: tuple[ir.Tool, ...]) -> object:
    """``tool_choice``. An allowed tool is named with the kind under which it is offered."""
    kinds = {tool.name: tool.kind for tool in tools if tool.kind != "hosted"}
    match choice.mode:
        case "named":
            return {"type": "custom" if choice.custom else "function", "name": choice.names[0]}
        case "allowed":
            entries = [{"type": kinds.get(name, "function"), "name": name} for name in choice.names]
            return {"type": "allowed_tools", "mode": "required" if choice.required else "auto", "tools": entries}
        case mode:
            return mode


def write_format(shape: ir.Format) -> dict[str, Any]:
    """``text.format``, flat as Responses has it."""
    if shape.kind != "json_schema":
        return {"type": shape.kind}
    rest = known({"strict": shape.strict, "description": shape.description})
    return {"type": "json_schema", "name": shape.name or "response", "schema": shape.schema or {}, **rest}


def known(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in fields.items() if value is not None}
