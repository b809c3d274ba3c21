"""Tools and tool choice -> ``tools`` and ``tool_choice``."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from adapters import breakpoints, ir
from adapters.anthropic_messages import schemas
from adapters.anthropic_messages.wire import FAMILY

_MODES = {"none": "none", "auto": "auto", "required": "any", "named": "tool"}


def write_tools(request: ir.Request, can: ir.Capabilities) -> dict[str, Any]:
    """The ``tools`` and ``tool_choice`` fields, as far as there are any."""
    if not request.tools:
        return {}
    body: dict[str, Any] = {"tools": [_tool(tool, request, can) for tool in request.tools]}
    choice = _choice(request)
    if choice is not None:
        body["tool_choice"] = choice
    return body


def _tool(tool: ir.Tool, request: ir.Request, can: ir.Capabilities) -> dict[str, Any] | Raw:
    own = request.family == FAMILY
    if tool.raw is not None and own:
        return tool.raw
    strict = bool(tool.strict) and can.strict_tools
    body: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        body["description"] = tool.description
    parameters = schemas.tool_parameters(tool.parameters)
    body["input_schema"] = schemas.strict(parameters) if strict and not own else parameters
    if own and tool.type is not None:
        body["type"] = tool.type
    if strict or (own and tool.strict is not None and can.strict_tools):
        body["strict"] = strict
    return {**body, **(tool.extras if own else breakpoints.field(tool.extras))}


def _choice(request: ir.Request) -> dict[str, Any] | None:
    choice = request.tool_choice
    if choice is None and request.parallel_tool_calls is not False:
        return None
    body: dict[str, Any] = {"type": _mode(choice)}
    if choice is not None and choice.mode == "named":
        body["name"] = choice.names[0]
    if request.parallel_tool_calls is not None and body["type"] != "none":
        body["disable_parallel_tool_use"] = not request.parallel_tool_calls
    return body


def _mode(choice: ir.ToolChoice | None) -> str:
    return "auto" if choice is None else _MODES[choice.mode]
