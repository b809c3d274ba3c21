"""Tools and calls under the names that one backend takes, with functions in the place of free-text tools (G16, G84)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from adapters import ir, names
from adapters.fitting import free_text
from adapters.fitting.naming import Key, Names, chosen, legal
from adapters.fitting.offers import knows_groups


def is_needed(request: ir.Request, upstream: ir.Upstream) -> bool:
    """Is there a tool, or a call in the history, that this backend cannot be told of as it is?"""
    can, flat = upstream.capabilities, not knows_groups(upstream)
    fits = legal(can.tool_name).fullmatch
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


class Renaming:
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
        keys = [key for name in choice.names for key in chosen(name, tools)]
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
