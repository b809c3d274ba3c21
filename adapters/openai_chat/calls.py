"""Tool calls out of a stream: pieces in whatever order a server sends them, one open block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from adapters import ir
from adapters.openai_chat import wire


class _Call:
    """One tool call while it is being gathered."""

    def __init__(self, key: Any, *, custom: bool) -> None:
        self.key = key
        self.custom = custom
        self.id = ""
        self.name = ""
        self.parts: list[str] = []
        self.block: int | None = None

    def complete(self) -> bool:
        """Nothing more can come: the arguments are whole JSON. Free text cannot tell, and counts as whole."""
        if self.custom:
            return True
        try:
            msgspec.json.decode("".join(self.parts))
        except wire.GARBAGE:
            return False
        return True


class Calls:
    """The calls of one choice.

    Calls that arrive interleaved are put in a row: a later one waits and keeps its pieces until the open one is whole.
    """

    def __init__(self, choice: int, blocks: Iterator[int], invent: Callable[[int, int], str]) -> None:
        self._choice = choice
        self._blocks = blocks
        self._invent = invent
        self._calls: list[_Call] = []
        self._opened = 0
        self._ids: set[str] = set()
        self._live: _Call | None = None

    def __bool__(self) -> bool:
        return bool(self._calls)

    def read(self, piece: wire.CallPiece, out: list[ir.Event]) -> None:
        """More of a call, or a new one."""
        custom = piece.custom is not None
        name = piece.custom.name if piece.custom else piece.function.name if piece.function else None
        more = text_of(piece.custom.input if piece.custom else piece.function.arguments if piece.function else None)
        call = self._find(piece, name)
        if call is None:
            call = _Call(piece.index, custom=custom)
            self._calls.append(call)
        call.id = call.id or text_of(piece.id)
        call.name = call.name or text_of(name)
        if more:
            call.parts.append(more)
            if call is self._live:
                out.append(self._delta(call, more))
        if self._opened < len(self._calls):
            self._advance(out, last=False)

    def settle(self, out: list[ir.Event]) -> None:
        """Something other than a call begins: close the open call if it is whole."""
        if self._live is not None and self._live.complete():
            self._end(out)

    def finish(self, out: list[ir.Event]) -> None:
        """No more pieces will come."""
        self._advance(out, last=True)
        self._end(out)

    def _find(self, piece: wire.CallPiece, name: Any) -> _Call | None:
        """The call that ``piece`` continues. Servers omit the index, repeat the name, or use index 0 for every call."""
        if not self._calls:
            return None
        if piece.index is None:
            if piece.id:
                return next((call for call in self._calls if call.id == piece.id), None)
            return None if name else self._calls[-1]
        call = next((call for call in reversed(self._calls) if call.key == piece.index), None)
        if call is not None and name and piece.id and call.id and piece.id != call.id:
            return None
        return call

    def _advance(self, out: list[ir.Event], *, last: bool) -> None:
        """Open the calls that wait, in order, as far as the open one is whole."""
        while self._opened < len(self._calls):
            call = self._calls[self._opened]
            if not last and (not call.name or (self._live is not None and not self._live.complete())):
                return
            self._end(out)
            self._open(call, out)

    def _open(self, call: _Call, out: list[ir.Event]) -> None:
        if not call.id or call.id in self._ids:
            call.id = self._invent(self._choice, self._opened)
        self._ids.add(call.id)
        self._opened += 1
        self._live = call
        call.block = next(self._blocks)
        kind: ir.BlockKind = "custom_tool_call" if call.custom else "tool_call"
        out.append(ir.BlockStarted(call.block, kind, call.block, self._choice, {"id": call.id, "name": call.name}))
        if call.parts:
            out.append(self._delta(call, "".join(call.parts)))

    def _end(self, out: list[ir.Event]) -> None:
        call, self._live = self._live, None
        if call is None or call.block is None:
            return
        if not call.parts and not call.custom:
            out.append(self._delta(call, "{}"))
        out.append(ir.BlockEnded(call.block))

    def _delta(self, call: _Call, text: str) -> ir.Delta:
        return ir.Delta(call.block or 0, "arguments", text)


def text_of(value: Any) -> str:
    """A string as it is, nothing as "", an object (Ollama's whole arguments) as JSON text."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
