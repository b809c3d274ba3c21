"""Tools, their names and their calls, in a form that a backend takes, and undone in its answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from adapters import breakpoints, ir, names
from adapters.fitting import free_text, naming
from adapters.fitting.answers import CallsBack
from adapters.fitting.fitted import Fitted
from adapters.fitting.naming import Key, Names
from adapters.fitting.offers import knows_groups
from adapters.fitting.strictness import is_strict
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
    if _changes(request, upstream):
        step = _Renaming(request, upstream)
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


def _changes(request: ir.Request, upstream: ir.Upstream) -> bool:
    """Is there a tool, or a call in the history, that this backend cannot be told of as it is?"""
    can, flat = upstream.capabilities, not knows_groups(upstream)
    fits = naming.legal(can.tool_name).fullmatch
    for tool in request.tools:
        if tool.kind == "custom" and not can.custom_tools:
            return True
        if tool.kind != "hosted" and ((flat and tool.namespace is not None) or not fits(tool.name)):
            return True
    return any(
        (flat and block.namespace is not None) or (block.custom and not can.custom_tools) or not fits(block.name)
        for message in request.messages
        for block in message.blocks
        if type(block) is ir.ToolCall
    )


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


# --- names and free text -------------------------------------------------------------------------------------------


class _Renaming:
    """One request under the names of one backend, with functions in the place of free-text tools it does not know."""

    def __init__(self, request: ir.Request, upstream: ir.Upstream) -> None:
        self._asked = request
        self._flat = not knows_groups(upstream)
        self._names = Names(request, upstream.capabilities.tool_name, flat=self._flat)
        self.own = self._names.own
        self._wraps = not upstream.capabilities.custom_tools
        self._calls: dict[str, str] = {}
        """A call's id -> the name under which it goes."""

    def request(self) -> ir.Request:
        """The request as it goes."""
        choice = self._asked.tool_choice
        return msgspec.structs.replace(
            self._asked,
            tools=tuple(self._tool(tool) for tool in self._asked.tools),
            tool_choice=None if choice is None else self._choice(choice),
            messages=tuple(map(self._message, self._asked.messages)),
        )

    def wrapped(self) -> frozenset[str]:
        """The names sent that stand for free-text tools."""
        tools = (tool for tool in self._asked.tools if self._wraps and tool.kind == "custom")
        return frozenset(self._names.sent(tool.namespace, tool.name) for tool in tools)

    def named(self) -> Iterator[ir.Named]:
        """What these changes lose."""
        for index, tool in enumerate(self._asked.tools):
            if self._wraps and tool.kind == "custom" and free_text.grammar(tool) is not None:
                why = "the grammar is told to the model in words, and not enforced"
                yield ir.Named(f"{tool.at(index)}.format", why, "tuning")
            if self._flat and tool.description and "description" in tool.group:
                yield ir.Named(f"{tool.at(index)}.namespace", "the group's description has no place here", "tuning")

    def _tool(self, tool: ir.Tool) -> ir.Tool:
        if tool.kind == "hosted":
            return tool
        changes: dict[str, Any] = {"name": self._names.sent(tool.namespace, tool.name)}
        if self._flat and tool.namespace is not None:
            changes |= {"namespace": None, "group": {}, "description": tool.description or _words(tool.group)}
        tool = msgspec.structs.replace(tool, **changes)
        return free_text.function(tool) if self._wraps and tool.kind == "custom" else tool

    def _choice(self, choice: ir.ToolChoice) -> ir.ToolChoice:
        """``named`` means one tool, so of several the first."""
        tools = {(tool.namespace, tool.name): tool for tool in self._asked.tools}
        keys = [key for name in choice.names for key in naming.chosen(name, tools)]
        sent = tuple(dict.fromkeys(map(self._reference, keys)))
        told = sent[:1] if choice.mode == "named" else sent
        return msgspec.structs.replace(choice, names=told, custom=choice.custom and not self._wraps)

    def _reference(self, key: Key) -> str:
        sent = self._names.sent(*key)
        return sent if self._flat else names.qualified(key[0], sent)

    def _message(self, message: ir.Message) -> ir.Message:
        blocks = tuple(map(self._block, message.blocks))
        changed = any(new is not old for new, old in zip(blocks, message.blocks, strict=True))
        return msgspec.structs.replace(message, blocks=blocks) if changed else message

    def _block(self, block: ir.Block) -> ir.Block:
        if isinstance(block, ir.ToolCall):
            return self._call(block)
        return self._result(block) if isinstance(block, ir.ToolResult) else block

    def _call(self, call: ir.ToolCall) -> ir.ToolCall:
        sent = self._calls[call.id] = self._names.sent(call.namespace, call.name)
        changes: dict[str, Any] = {"name": sent}
        if self._flat:
            changes["namespace"] = None
        if call.custom and self._wraps:
            changes |= {"custom": False, "arguments": free_text.wrap(call.arguments), "item_id": None}
        return msgspec.structs.replace(call, **changes)

    def _result(self, result: ir.ToolResult) -> ir.ToolResult:
        """An item id of a free-text call's result is of a kind that a function's may not have."""
        name = self._calls.get(result.id, result.name) if result.name is not None else None
        if result.custom and self._wraps:
            return msgspec.structs.replace(result, name=name, custom=False, item_id=None)
        return result if name == result.name else msgspec.structs.replace(result, name=name)


def _words(group: ir.Extras) -> str | None:
    """The description of a group, for a tool that has none of its own."""
    raw = group.get("description")
    found = None if raw is None else msgspec.json.decode(raw)
    return found if isinstance(found, str) else None
