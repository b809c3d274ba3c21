"""Tools, tool choice and answer formats: Responses' entries <-> the hub's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import msgspec

from adapters import ir, names
from adapters.openai_responses import plain, wire
from adapters.openai_responses.wire import Fields

Wire: TypeAlias = dict[str, Any] | msgspec.Raw

# --- read ----------------------------------------------------------------------------------------------------------


def read_tools(raws: list[msgspec.Raw], at: str = "tools") -> tuple[ir.Tool, ...]:
    """``tools`` of a request or an item, those of a namespace one by one. Raises ir.Invalid that names the entry."""
    tools: list[ir.Tool] = []
    for index, raw in enumerate(raws):
        path = f"{at}[{index}]"
        found = _tools(raw, path)
        moved = at != "tools" or len(tools) != index
        tools += [msgspec.structs.replace(tool, where=tool.where or path) for tool in found] if moved else found
    return tuple(tools)


def _tools(raw: msgspec.Raw, path: str) -> list[ir.Tool]:
    told = plain.tool(raw)
    if told is not None:
        return [told]
    fields = Fields.of(raw, path)
    kind = fields.need("type", wire.STR)
    if kind != "namespace":
        return [_tool(fields, kind, raw)]
    name, members = fields.need("name", wire.STR), fields.need("tools", wire.RAW_LIST)
    return [
        msgspec.structs.replace(tool, namespace=name, group=fields.rest)
        for tool in read_tools(members, f"{path}.tools")
    ]


def _tool(fields: Fields, kind: str, raw: msgspec.Raw) -> ir.Tool:
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
        name = names.qualified(fields.take("namespace", wire.STR), fields.need("name", wire.STR))
        return ir.ToolChoice("named", (name,), custom=kind == "custom")
    return _allowed(fields) if kind == "allowed_tools" else None


class _Entry(msgspec.Struct):
    type: str
    name: str | None = None
    namespace: str | None = None


_ENTRIES = msgspec.json.Decoder(list[_Entry])


def _allowed(fields: Fields) -> ir.ToolChoice | None:
    mode = fields.take("mode", wire.STR) or "auto"
    entries = fields.need("tools", _ENTRIES)
    if mode not in {"auto", "required"}:
        raise fields.wrong("mode", f"'{mode}'. Supported values are: 'auto' and 'required'")
    if any(entry.type not in {"function", "custom", "namespace"} or entry.name is None for entry in entries):
        return None
    return ir.ToolChoice(
        "allowed", tuple(names.qualified(entry.namespace, entry.name or "") for entry in entries), mode == "required"
    )


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


def write_tools(tools: Sequence[ir.Tool], write: Callable[[ir.Tool], Wire]) -> list[Wire]:
    """``tools``, each by ``write``; neighbours of one namespace in one entry, as they were offered."""
    entries: list[Wire] = []
    for namespace, found in groupby(tools, key=lambda tool: tool.namespace):
        members = list(found)
        if namespace is None:
            entries += map(write, members)
        else:
            group = {"type": "namespace", "name": namespace, **members[0].group}
            entries.append({**group, "tools": [write_tool(tool) for tool in members]})
    return entries


def write_tool(tool: ir.Tool) -> Wire:
    """A tool as it was offered, fields that its author left out still left out."""
    if tool.raw is not None:
        return tool.raw
    if tool.kind == "custom":
        said = {"description": tool.description, "format": tool.format}
    else:
        said = {"description": tool.description, "parameters": tool.parameters, "strict": tool.strict}
    return {"type": tool.kind, "name": tool.name, **known(said), **tool.extras}


def write_choice(choice: ir.ToolChoice, tools: Sequence[ir.Tool]) -> object:
    """``tool_choice``. An allowed tool is named with the kind under which it is offered."""
    match choice.mode:
        case "named":
            kind = {"type": "custom" if choice.custom else "function"}
            return {**_entry(choice.names[0], tools), **kind}
        case "allowed":
            entries = [_entry(name, tools) for name in choice.names]
            return {"type": "allowed_tools", "mode": "required" if choice.required else "auto", "tools": entries}
        case mode:
            return mode


def _entry(name: str, tools: Sequence[ir.Tool]) -> dict[str, Any]:
    """How a tool is named: one of a namespace with it, a whole namespace by its own name."""
    for tool in tools:
        if tool.kind != "hosted" and names.qualified(tool.namespace, tool.name) == name:
            return {"type": tool.kind, **known({"namespace": tool.namespace}), "name": tool.name}
    grouped = any(tool.namespace == name for tool in tools)
    return {"type": "namespace" if grouped else "function", "name": name}


def write_format(shape: ir.Format) -> dict[str, Any]:
    """``text.format``, flat as Responses has it."""
    if shape.kind != "json_schema":
        return {"type": shape.kind}
    rest = known({"strict": shape.strict, "description": shape.description})
    return {"type": "json_schema", "name": shape.name or "response", "schema": shape.schema or {}, **rest}


def known(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what is None."""
    return {name: value for name, value in fields.items() if value is not None}
