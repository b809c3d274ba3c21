"""Free-text tools for models that know functions only: wrapped in one string, and unwrapped while it streams (G84)."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from adapters import ir

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The parameters of a function that stands in for a free-text tool."""


class _Wrapped(msgspec.Struct):
    input: str


_wrapped = msgspec.json.Decoder(_Wrapped)


def function(tool: ir.Tool) -> ir.Tool:
    """The function that stands in for ``tool``."""
    return msgspec.structs.replace(
        tool, kind="function", description=_description(tool), parameters=PARAMETERS, format=None
    )


def grammar(tool: ir.Tool) -> str | None:
    """The definition that its input must follow, or None where any text will do."""
    told = tool.format if isinstance(tool.format, dict) else {}
    definition = told.get("definition")
    return definition if isinstance(definition, str) and definition else None


def _description(tool: ir.Tool) -> str | None:
    """A grammar cannot be enforced, so the model is told it in words."""
    rules = grammar(tool)
    if rules is None:
        return tool.description
    syntax = tool.format.get("syntax")
    kind = f"{syntax} grammar" if isinstance(syntax, str) and syntax else "grammar"
    return f"{tool.description or ''}\n\n'input' must follow this {kind}:\n{rules}".strip()


def wrap(text: str) -> str:
    """A free-text tool's input as the function's arguments."""
    return msgspec.json.encode({"input": text}).decode()


def unwrap(arguments: str) -> str:
    """The free text within whole arguments; what the model sent where it did not keep to the schema."""
    try:
        return _wrapped.decode(arguments).input
    except (msgspec.MsgspecError, RecursionError):
        return arguments


_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_NOT_YET = re.compile(r'\s*(?:\{\s*(?:"(?:i(?:n(?:p(?:u(?:t(?:"\s*(?::\s*)?)?)?)?)?)?)?)?)?')
"""What may still become the head."""
_MAX_HEAD = 256
"""Characters before the text begins; white space without end is not waited for."""
_STOP = re.compile(r'["\\]')
_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_UNIT = re.compile(r"\\u([0-9a-fA-F]{4})")
_CUT = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?)?)?"
)
"""An escape, or a pair of them, whose rest is still to come."""
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LOST = "\ufffd"
"""In the place of half a surrogate pair."""


class Unwrapping:
    """A wrapped call's arguments in pieces -> its text in pieces.

    Arguments that do not begin as they should are held, and told by ``end`` as ``unwrap`` reads them. However the
    pieces are cut, the text is the same."""

    def __init__(self) -> None:
        self._state: Literal["head", "text", "over", "held"] = "head"
        self._held: list[str] = []
        self._rest = ""
        """The head so far; within the text an escape that is not whole."""

    def feed(self, piece: str) -> str:
        """More arguments -> the text that they hold."""
        match self._state:
            case "head":
                return self._head(piece)
            case "text":
                return self._text(piece)
            case "held":
                self._held.append(piece)
        return ""

    def end(self) -> str:
        """What is still owed."""
        match self._state:
            case "text":
                return _LOST if _UNIT.match(self._rest) else ""
            case "over":
                return ""
        return unwrap("".join(self._held) + self._rest)

    def _head(self, piece: str) -> str:
        told = self._rest + piece
        found = _HEAD.match(told)
        if found is not None and found.end() <= _MAX_HEAD:
            self._state, self._rest = "text", ""
            return self._text(told[found.end() :])
        self._rest = told
        if len(told) > _MAX_HEAD or _NOT_YET.fullmatch(told) is None:
            self._state, self._held, self._rest = "held", [told], ""
        return ""

    def _text(self, piece: str) -> str:
        told, self._rest = self._rest + piece, ""
        out: list[str] = []
        at = 0
        while (found := _STOP.search(told, at)) is not None:
            out.append(told[at : found.start()])
            if found[0] == '"':
                self._state = "over"
                return "".join(out)
            if len(told) - found.start() < 12 and _CUT.fullmatch(told, found.start()):
                self._rest = told[found.start() :]
                return "".join(out)
            text, at = _escaped(told, found.start())
            out.append(text)
        out.append(told[at:])
        return "".join(out)


def _escaped(told: str, at: int) -> tuple[str, int]:
    """The escape at ``at``, decoded, and where it ends. One that JSON does not know stays as it is."""
    if (pair := _PAIR.match(told, at)) is not None:
        high, low = int(pair[1], 16) - 0xD800, int(pair[2], 16) - 0xDC00
        return chr(0x10000 + (high << 10) + low), pair.end()
    if (unit := _UNIT.match(told, at)) is not None:
        code = int(unit[1], 16)
        return (_LOST if 0xD800 <= code < 0xE000 else chr(code)), unit.end()
    mark = told[at + 1]
    if mark in '"\\/':
        return mark, at + 2
    return _ESCAPES.get(mark, f"\\{mark}"), at + 2
