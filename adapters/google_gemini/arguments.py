"""Tool arguments that Gemini 3.1 streams in pieces, each set at a JSONPath, put together into one JSON text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from adapters.google_gemini.wire import PartialArg

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]")
_ESCAPE = re.compile(r"\\(.)")
MAX_INDEX = 10_000
"""The largest array index that is believed; our own limit."""
MAX_STEPS = 64
"""How deep a path may lead; our own limit."""

Step = str | int


def steps(path: str) -> list[Step]:
    """``$.a[0]['b c']`` -> ``["a", 0, "b c"]``."""
    found: list[Step] = []
    for name, index, single, double in _STEP.findall(path)[:MAX_STEPS]:
        found.append(int(index) if index else name or _ESCAPE.sub(r"\1", single or double))
    return found


class Assembler:
    """The arguments of one call as they grow. Numbers stay as they were written."""

    def __init__(self) -> None:
        self._root: dict[Step, Any] = {}
        self._open: dict[str, list[str]] = {}

    def extend(self, pieces: Iterable[PartialArg]) -> None:
        """Take the pieces of one frame."""
        for piece in pieces:
            self._add(piece)

    def _add(self, piece: PartialArg) -> None:
        """Set, or for a string go on with, the value at the piece's path."""
        if piece.string_value is not None:
            more = self._open.pop(piece.json_path, [])
            more.append(piece.string_value)
            self._set(piece.json_path, more)
            if piece.will_continue:
                self._open[piece.json_path] = more
        elif piece.number_value:
            self._set(piece.json_path, piece.number_value)
        else:
            self._set(piece.json_path, piece.bool_value)

    def text(self) -> str:
        """The JSON text of all arguments so far."""
        return msgspec.json.encode(_plain(self._root)).decode()

    def _set(self, path: str, value: Any) -> None:
        node = self._root
        where = steps(path)
        for step in where[:-1]:
            inner = node.get(step)
            if not isinstance(inner, dict):
                inner = node[step] = {}
            node = inner
        if where:
            node[where[-1]] = value


def _plain(node: Any) -> Any:
    """Nodes whose keys are indexes become arrays, pieces of a string one string."""
    if isinstance(node, list):
        return "".join(node)
    if not isinstance(node, dict):
        return node
    indexes = [key for key in node if isinstance(key, int) and key <= MAX_INDEX]
    if node and len(indexes) == len(node):
        return [_plain(node.get(index)) for index in range(max(indexes) + 1)]
    return {str(key): _plain(inner) for key, inner in node.items()}
