"""Tools and the choice among them, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters import breakpoints, ir
from adapters.openai_chat import parameters, wire

_TOOL = wire.Reading(wire.Tool)
_MODES = ("none", "auto", "required")
_CHOICES = (*_MODES, "function", "custom", "allowed_tools")
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def read(raws: Sequence[msgspec.Raw], functions: Sequence[wire.Function]) -> tuple[ir.Tool, ...]:
    """``tools`` and the legacy ``functions``. A type that is neither function nor custom is the vendor's to run."""
    tools = [_read(raw, f"tools[{index}]") for index, raw in enumerate(raws)]
    return tuple(tools + [_function(function, {}) for function in functions])


def _read(raw: msgspec.Raw, at: str) -> ir.Tool:
    tool, extras = _TOOL.read(raw, at)
    if tool.type == "function":
        if tool.function is None:
            raise wire.missing(f"{at}.function")
        return _function(tool.function, extras)
    if tool.type == "custom":
        if tool.custom is None:
            raise wire.missing(f"{at}.custom")
        custom = tool.custom
        return ir.Tool(custom.name, "custom", custom.description, format=_flat(custom.format), extras=extras)
    return ir.Tool(tool.type, "hosted", type=tool.type, raw=msgspec.Raw(bytes(raw)))


def _flat(told: dict[str, Any] | None) -> dict[str, Any] | None:
    """A free-text format as Responses says it: chat nests a grammar (G36)."""
    inner = told.get("grammar") if told is not None else None
    return {"type": "grammar", **inner} if isinstance(inner, dict) else told


def _nested(told: Any) -> Any:
    if not isinstance(told, dict) or told.get("type") != "grammar" or "grammar" in told:
        return told
    return {"type": "grammar", "grammar": {name: value for name, value in told.items() if name != "type"}}


def _function(told: wire.Function, extras: ir.Extras) -> ir.Tool:
    return ir.Tool(
        told.name, description=told.description, parameters=told.parameters, strict=told.strict, extras=extras
    )


def read_choice(
    choice: str | wire.ToolChoice | None, legacy: str | wire.Named | None, tools: Sequence[ir.Tool]
) -> ir.ToolChoice | None:
    """``tool_choice``, or the legacy ``function_call``. Raises ir.Invalid for what no tool can meet (G17)."""
    if choice is None and legacy is not None:
        named = None if isinstance(legacy, str) else legacy
        choice = wire.ToolChoice("function", function=named) if named else str(legacy)
    if choice is None:
        return None
    read_as = ir.ToolChoice(_mode(choice)) if isinstance(choice, str) else _object(choice)
    if not tools and read_as.mode not in ("none", "auto"):
        raise ir.Invalid("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
    names = {tool.name for tool in tools}
    for name in read_as.names:
        if name not in names:
            raise ir.Invalid(f"Invalid value for 'tool_choice': no tool named '{name}' in 'tools'.", "tool_choice")
    return read_as if tools else None


def _mode(word: str) -> Any:
    if word not in _MODES:
        raise wire.unsupported("tool_choice", word, _MODES)
    return word


def _object(choice: wire.ToolChoice) -> ir.ToolChoice:
    match choice.type:
        case "function" if choice.function is not None:
            return ir.ToolChoice("named", (choice.function.name,))
        case "custom" if choice.custom is not None:
            return ir.ToolChoice("named", (choice.custom.name,), custom=True)
        case "allowed_tools" if choice.allowed_tools is not None:
            allowed = choice.allowed_tools
            if allowed.mode not in ("auto", "required"):
                raise wire.unsupported("tool_choice.allowed_tools.mode", allowed.mode, ("auto", "required"))
            return ir.ToolChoice("allowed", _names(allowed.tools), required=allowed.mode == "required")
        case "function" | "custom" | "allowed_tools":
            raise wire.missing(f"tool_choice.{choice.type}")
    raise wire.unsupported("tool_choice.type", choice.type, _CHOICES)


def _names(tools: Sequence[wire.ChoiceTool]) -> tuple[str, ...]:
    named = [tool.function or tool.custom for tool in tools]
    for index, one in enumerate(named):
        if one is None:
            raise wire.missing(f"tool_choice.allowed_tools.tools[{index}].function")
    return tuple(one.name for one in named if one is not None)


def write(request: ir.Request, upstream: ir.Upstream) -> dict[str, Any]:
    """``tools``, ``tool_choice`` and ``parallel_tool_calls``, as far as the backend takes them."""
    offered = [tool for tool in request.tools if tool.kind != "hosted"]
    if not offered or not upstream.capabilities.tools:
        return {}
    fields: dict[str, Any] = {
        "tools": [_write(tool, upstream, own_extras=parameters.is_own(request)) for tool in offered]
    }
    if request.tool_choice is not None:
        fields["tool_choice"] = _write_choice(request.tool_choice, offered)
    if request.parallel_tool_calls is not None and upstream.capabilities.parallel_tools:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return fields


def _write(tool: ir.Tool, upstream: ir.Upstream, *, own_extras: bool) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description is not None else {}
    if tool.kind == "custom":
        shape = {"format": _nested(tool.format)} if tool.format is not None else {}
        return {"type": "custom", "custom": {"name": tool.name, **described, **shape}}
    function: dict[str, Any] = {"name": tool.name, **described, "parameters": tool.parameters or _NO_PARAMETERS}
    if tool.strict is not None and upstream.capabilities.strict_tools:
        function["strict"] = tool.strict
    own = breakpoints.kept(tool.extras, upstream) if own_extras else {}
    return {"type": "function", "function": function, **own}


def _write_choice(choice: ir.ToolChoice, offered: Sequence[ir.Tool]) -> Any:
    match choice.mode:
        case "named":
            return _reference(choice.names[0], custom=choice.custom)
        case "allowed":
            customs = {tool.name for tool in offered if tool.kind == "custom"}
            tools = [_reference(name, custom=name in customs) for name in choice.names]
            mode = "required" if choice.required else "auto"
            return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
    return choice.mode


def _reference(name: str, *, custom: bool) -> dict[str, Any]:
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": name}}
