"""What is on offer, for a backend that knows one list of tools and no searching (protocol.md 2.1, Codex).

``additional_tools`` and ``tool_search_output`` items bring their tools into the list; ``tool_search`` is left out and
what was to be found with it is offered at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from adapters import ir
from adapters.fitting.fitted import Fitted
from adapters.fitting.naming import Key
from adapters.providers import RESPONSES

_SEARCH = "tool_search"
_ITEMS = {
    "additional_tools": None,
    "tool_search_call": "this backend searches no tools: those that were found are offered",
    "tool_search_output": None,
}
"""Items that are about tools on offer -> what is lost with them."""
_DEFERRED = "defer_loading"


def knows_groups(upstream: ir.Upstream) -> bool:
    """OpenAI's own Responses: namespaces, searching and items that bring tools are its words."""
    return upstream.dialect == RESPONSES and upstream.wire == "exact"


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    """The request with all its tools in one list."""
    if request.dialect != RESPONSES or knows_groups(upstream):
        return Fitted(request)
    items = [block for message in request.messages for block in message.blocks if _is_item(block)]
    if not items and not any(_defers(tool) for tool in request.tools):
        return Fitted(request)
    brought = [tool for block in items if isinstance(block, ir.Opaque) for tool in block.tools]
    named = [*_named_items(items), *_named_tools([*request.tools, *brought])]
    changed = msgspec.structs.replace(
        request,
        tools=_offered([*_placed(request.tools), *brought]),
        messages=tuple(_without(request.messages)) if items else request.messages,
    )
    return Fitted(changed, named=tuple(named))


def _is_item(block: ir.Block) -> bool:
    return type(block) is ir.Opaque and block.wire_type in _ITEMS


def _defers(tool: ir.Tool) -> bool:
    return tool.type == _SEARCH or _DEFERRED in tool.extras


def _placed(tools: Sequence[ir.Tool]) -> Iterator[ir.Tool]:
    for index, tool in enumerate(tools):
        yield tool if tool.where else msgspec.structs.replace(tool, where=tool.at(index))


def _offered(tools: Sequence[ir.Tool]) -> tuple[ir.Tool, ...]:
    """Each tool once, as it was offered last, and ready at once."""
    found: dict[Key, ir.Tool] = {}
    for tool in tools:
        if tool.type != _SEARCH:
            extras = {name: raw for name, raw in tool.extras.items() if name != _DEFERRED}
            found[tool.namespace, tool.name] = msgspec.structs.replace(tool, extras=extras)
    return tuple(found.values())


def _named_items(items: Sequence[ir.Block]) -> Iterator[ir.Named]:
    for block in items:
        if isinstance(block, ir.Opaque) and (why := _ITEMS[block.wire_type]) is not None:
            yield ir.Named(f"input.{block.wire_type}", why, "tuning")


def _named_tools(tools: Sequence[ir.Tool]) -> Iterator[ir.Named]:
    for index, tool in enumerate(tools):
        if tool.type == _SEARCH:
            yield ir.Named(
                tool.at(index), "this backend searches no tools: all that are listed are offered at once", "tuning"
            )


def _without(messages: Sequence[ir.Message]) -> Iterator[ir.Message]:
    """The turns without such items; what they stood between becomes one turn again."""
    last: ir.Message | None = None
    joins = False
    for message in messages:
        kept = tuple(block for block in message.blocks if not _is_item(block))
        if not kept and message.blocks:
            joins = True
            continue
        joins = joins or len(kept) < len(message.blocks)
        if last is not None and joins and last.role == message.role and message.role in ("assistant", "tool"):
            last = msgspec.structs.replace(last, blocks=last.blocks + kept)
            continue
        if last is not None:
            yield last
        last, joins = msgspec.structs.replace(message, blocks=kept), False
    if last is not None:
        yield last
