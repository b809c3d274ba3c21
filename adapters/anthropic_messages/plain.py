"""What nearly every turn, block and tool looks like, read in one step.

Anything that holds more (a breakpoint, an image, a failed result) or is wrong has no such shape: it is read field by
field (``read_request``, ``read_content``), which takes six times as long and can name the field at fault.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder

from adapters import ir
from adapters.anthropic_messages.read_content import reasoning
from adapters.anthropic_messages.wire import Bare
from adapters.plain import decoded


class _Text(Struct, tag="text", forbid_unknown_fields=True):
    text: str


class _Thinking(Struct, tag="thinking", forbid_unknown_fields=True):
    thinking: str
    signature: str | None = None


class _ToolUse(Struct, tag="tool_use", forbid_unknown_fields=True):
    id: str
    name: str
    input: Raw

    def __post_init__(self) -> None:
        if bytes(self.input)[:1] != b"{":
            raise ValueError  # msgspec's way to say that it is no such shape


class _Part(Struct, forbid_unknown_fields=True):
    """A text within a result. (A tag would do as for blocks, but of one shape alone msgspec does not ask for it.)"""

    type: Literal["text"]
    text: str


class _ToolResult(Struct, tag="tool_result", forbid_unknown_fields=True):
    tool_use_id: str
    content: str | list[_Part]


_Block: TypeAlias = _Text | _Thinking | _ToolUse | _ToolResult


class Turn(Struct, forbid_unknown_fields=True):
    """A turn of plain blocks."""

    role: Literal["user", "assistant", "system"]
    content: str | list[_Block]

    def blocks(self) -> tuple[ir.Block, ...]:
        """Its content, as the hub has it."""
        return (Bare(self.content),) if isinstance(self.content, str) else tuple([_read(b) for b in self.content])


def _read(block: _Block) -> ir.Block:
    match block:
        case _Text(text):
            return ir.Text(text)
        case _ToolUse(id_, name, given):
            return ir.ToolCall(id_, name, bytes(given).decode())
        case _ToolResult(id_, content):
            told = (Bare(content),) if isinstance(content, str) else tuple([ir.Text(each.text) for each in content])
            return ir.ToolResult(id_, told)
        case _Thinking(thought, signature):
            return reasoning(thought, signature, {})


class Tool(Struct, forbid_unknown_fields=True):
    """A function on offer."""

    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    type: Literal["custom"] | UnsetType = UNSET

    def offered(self) -> ir.Tool:
        """The hub's tool."""
        return ir.Tool(
            self.name,
            type=self.type or None,
            description=self.description,
            parameters=self.input_schema,
            strict=self.strict,
        )


_TURN = Decoder(Turn)
_TOOL = Decoder(Tool)


def turn(raw: Raw) -> Turn | None:
    """A turn of this shape; None for any other."""
    return decoded(_TURN, raw)


def tool(raw: Raw) -> Tool | None:
    """A tool of this shape; None for any other."""
    return decoded(_TOOL, raw)
