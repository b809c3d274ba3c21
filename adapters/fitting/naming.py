"""The names under which one backend is told of tools, and the way back to the client's own (G16, G19)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from adapters import ir, names

Key = tuple[str | None, str]
"""A tool's group and its own name."""


@lru_cache(maxsize=64)
def legal(pattern: str) -> re.Pattern[str]:
    """A backend's rule for names (``Capabilities.tool_name``), compiled; an operator's rules are few."""
    return re.compile(pattern)


class Names:
    """One request's names. Legal ones stay, and no two tools share one."""

    def __init__(self, request: ir.Request, pattern: str, *, flat: bool) -> None:
        """``flat``: the backend knows no groups, so a group's name becomes part of its tools' names."""
        self._fits = legal(pattern).fullmatch
        self._flat = flat
        self._sent: dict[Key, str] = {}
        self.own: dict[str, Key] = {}
        """What is sent -> the client's own, where the two differ."""
        keys = list(dict.fromkeys(_keys(request)))
        taken = {name for namespace, name in keys if self._stays(namespace, name)}
        taken.update(tool.name for tool in request.tools if tool.kind == "hosted")
        for key in keys:
            if not self._stays(*key):
                self._rewrite(key, taken)

    def sent(self, namespace: str | None, name: str) -> str:
        """The name that the backend is told."""
        return self._sent.get((namespace, name), name)

    def _stays(self, namespace: str | None, name: str) -> bool:
        return (namespace is None or not self._flat) and self._fits(name) is not None

    def _rewrite(self, key: Key, taken: set[str]) -> None:
        namespace, name = key
        whole = names.qualified(namespace, name) if self._flat else name
        options = [whole] if self._fits(whole) else []
        options += [names.rewritten(whole), names.rewritten(f"{namespace}\0{name}")]
        chosen = next((option for option in options if option not in taken), options[-1])
        taken.add(chosen)
        self._sent[key] = chosen
        self.own[chosen] = key if self._flat else (None, name)


def _keys(request: ir.Request) -> Iterator[Key]:
    """Of all tools that are offered, and of all that were called."""
    for tool in request.tools:
        if tool.kind != "hosted":
            yield tool.namespace, tool.name
    for message in request.messages:
        for block in message.blocks:
            if isinstance(block, ir.ToolCall):
                yield block.namespace, block.name


def chosen(name: str, tools: Mapping[Key, ir.Tool]) -> list[Key]:
    """The tools that a tool choice means by ``name``: one of its own, one of a group, or all of a group."""
    if (None, name) in tools:
        return [(None, name)]
    found = [key for key in tools if names.qualified(*key) == name]
    found = found or [key for key in tools if key[1] == name]
    return found or [key for key in tools if key[0] == name]
