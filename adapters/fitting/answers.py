"""Calls in an answer as the client must hear them: its own names and groups, free text, one call where it wants one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

import msgspec

from adapters import ir
from adapters.fitting.free_text import Unwrapping
from adapters.fitting.naming import Key


class CallsBack:
    """Changes the calls of one answer back (``fitted.Undo``)."""

    def __init__(self, own: Mapping[str, Key], wrapped: Set[str], *, single: bool) -> None:
        """``own``: what was sent -> the client's group and name. ``wrapped``: the names sent that stand for free-text
        tools. ``single``: only the first call of each choice is told."""
        self._own = own
        self._wrapped = wrapped
        self._single = single
        self._called: set[int] = set()
        """Choices that have their call."""
        self._open: dict[int, Unwrapping] = {}
        self._dropped: set[int] = set()

    def __call__(self, event: ir.Event) -> Iterable[ir.Event]:
        match event:
            case ir.Delta(block) if block in self._open:
                return self._text(block, self._open[block].feed(event.data))
            case ir.BlockEnded(block) if block in self._open:
                return (*self._text(block, self._open.pop(block).end()), event)
            case ir.Delta(block) | ir.BlockEnded(block) | ir.Annotated(block) if block in self._dropped:
                return ()
            case ir.BlockStarted(kind=kind) if kind in ir.CALLS:
                return self._start(event)
        return (event,)

    def _text(self, block: int, text: str) -> Iterable[ir.Event]:
        return (ir.Delta(block, "arguments", text),) if text else ()

    def _start(self, event: ir.BlockStarted) -> Iterable[ir.Event]:
        if self._single and event.choice in self._called:
            self._dropped.add(event.block)
            return ()
        self._called.add(event.choice)
        sent = event.meta.get("name")
        if event.kind == "tool_call" and sent in self._wrapped:
            self._open[event.block] = Unwrapping()
            event = msgspec.structs.replace(event, kind="custom_tool_call")
        key = self._own.get(str(sent))
        if key is None:
            return (event,)
        namespace, name = key
        group = {} if namespace is None else {"namespace": namespace}
        return (msgspec.structs.replace(event, meta={**event.meta, "name": name, **group}),)
