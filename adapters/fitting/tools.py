"""Tools and the choice among them, in a form that a backend takes, and undone in its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import msgspec

from adapters import breakpoints, ir
from adapters.fitting import naming, renaming
from adapters.fitting.answers import CallsBack
from adapters.fitting.fitted import Fitted
from adapters.fitting.naming import Key
from adapters.json_schema import is_strict
from adapters.providers import RESPONSES

_OBEYS_ALLOWED: tuple[ir.Family, ...] = ("openai", "google")
"""Vendors whose tool choice can be limited to some of the tools that are offered."""


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    """Raises ir.Invalid for a tool choice that names no tool."""
    named = (*_foreign_choice(request, upstream), *_foreign_extras(request, upstream))
    own: Mapping[str, Key] = {}
    wrapped: frozenset[str] = frozenset()
    single = _is_single(request, upstream.capabilities)
    request = _chosen(request, upstream)
    if request.tools:
        request, loose = _enforced(request, upstream)
        named = (*named, *loose)
    if renaming.is_needed(request, upstream):
        step = renaming.Renaming(request, upstream)
        own, wrapped, named = step.own, step.wrapped(), (*named, *step.named())
        request = step.request()
    if not (own or wrapped or single):
        return Fitted(request, named=named)
    return Fitted(request, (partial(CallsBack, own, wrapped, single=single),), named)


def _is_single(request: ir.Request, can: ir.Capabilities) -> bool:
    """Is the client told one call only? Its legacy ``function_call`` has no place for a second."""
    if request.legacy_functions:
        return True
    return request.parallel_tool_calls is False and bool(request.tools) and not can.parallel_tools


# --- the choice ----------------------------------------------------------------------------------------------------


def _foreign_choice(request: ir.Request, upstream: ir.Upstream) -> tuple[ir.Named, ...]:
    """A choice of a tool that its vendor runs, for which the hub has no word, so that it is among the extras."""
    if "tool_choice" not in request.extras or request.dialect != RESPONSES or upstream.dialect == RESPONSES:
        return ()
    return (ir.Named("tool_choice", "it names a tool that another vendor runs", "contract"),)


def _foreign_extras(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    """Fields of tools that only the client's own dialect knows; cache breakpoints are told of with all others."""
    if request.dialect in (None, upstream.dialect):
        return
    for index, tool in enumerate(request.tools):
        strange = sorted(tool.extras.keys() - breakpoints.NAMES) if tool.extras else ()
        if strange:
            yield ir.Named(tool.at(index), f"no word for {', '.join(strange)}", "unknown")


def _chosen(request: ir.Request, upstream: ir.Upstream) -> ir.Request:
    """Every name of the choice is that of a tool; only the tools that are allowed are offered, where the vendor has
    no other way to obey."""
    choice = request.tool_choice
    if choice is None or choice.mode not in ("named", "allowed"):
        return request
    tools = {(tool.namespace, tool.name): tool for tool in request.tools}
    keys = [key for name in choice.names for key in _found(name, tools)]
    if choice.mode == "named" or (upstream.wire == "exact" and upstream.family in _OBEYS_ALLOWED):
        return request
    if not keys:
        return msgspec.structs.replace(request, tool_choice=ir.ToolChoice("none"))
    wanted = frozenset(keys)
    return msgspec.structs.replace(
        request,
        tools=tuple(
            msgspec.structs.replace(tool, where=tool.at(index))
            for index, tool in enumerate(request.tools)
            if (tool.namespace, tool.name) in wanted
        ),
        tool_choice=ir.ToolChoice("required" if choice.required else "auto"),
    )


def _found(name: str, tools: Mapping[Key, ir.Tool]) -> list[Key]:
    found = naming.chosen(name, tools)
    if not found:
        raise ir.Invalid(
            f"Invalid value for 'tool_choice': no tool named '{name}' in 'tools'.", "tool_choice", "invalid_value"
        )
    return found


# --- strictness ----------------------------------------------------------------------------------------------------


def _enforced(request: ir.Request, upstream: ir.Upstream) -> tuple[ir.Request, tuple[ir.Named, ...]]:
    """``strict`` as this backend must be told it. Responses enforces what it can where nothing is said."""
    can = upstream.capabilities
    if can.strict_tools and request.dialect == RESPONSES and upstream.dialect != RESPONSES:
        tools = tuple(map(_by_default, request.tools))
        if tools != request.tools and not _too_many(tools, can):
            return msgspec.structs.replace(request, tools=tools), ()
    if not _too_many(request.tools, can):
        return request, ()
    tools = tuple(msgspec.structs.replace(tool, strict=None) for tool in request.tools)
    why = f"this model enforces at most {can.max_strict_tools} schemas of tools"
    return msgspec.structs.replace(request, tools=tools), (ir.Named("tools.strict", why, "tuning"),)


def _too_many(tools: Sequence[ir.Tool], can: ir.Capabilities) -> bool:
    most = can.max_strict_tools
    return most is not None and sum(bool(tool.strict) for tool in tools) > most


def _by_default(tool: ir.Tool) -> ir.Tool:
    if tool.strict is not None or tool.kind != "function" or not is_strict(tool.parameters):
        return tool
    return msgspec.structs.replace(tool, strict=True)
