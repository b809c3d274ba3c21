"""What nearly every item, part and tool of a request looks like, read in one step.

Anything that holds more (a null, a status, an image) or is wrong has no such shape: it is read field by field
(``items_in``, ``tools``), which takes four times as long and can name the field at fault.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.json import Decoder

from adapters import ir
from adapters.plain import decoded

T = TypeVar("T")
_Nothing: TypeAlias = Annotated[list[Any], Meta(max_length=0)]
_Word: TypeAlias = str | UnsetType


class _InputText(Struct, tag="input_text", forbid_unknown_fields=True):
    text: str


class _OutputText(Struct, tag="output_text", forbid_unknown_fields=True):
    text: str
    annotations: _Nothing = []


_Text: TypeAlias = _InputText | _OutputText


class Message(Struct, forbid_unknown_fields=True):
    """A message item of texts."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Text]
    type: Literal["message"] = "message"
    id: _Word = UNSET
    phase: _Word = UNSET

    def blocks(self) -> tuple[ir.Text, ...]:
        """Its content, as the hub has it."""
        return _texts(self.content)


class _Call(Struct, tag="function_call", forbid_unknown_fields=True):
    call_id: str
    name: str
    arguments: str
    id: _Word = UNSET
    namespace: _Word = UNSET


class _CustomCall(Struct, tag="custom_tool_call", forbid_unknown_fields=True):
    call_id: str
    name: str
    input: str
    id: _Word = UNSET
    namespace: _Word = UNSET


class _Output(Struct, tag="function_call_output", forbid_unknown_fields=True):
    call_id: str
    output: str | list[_Text]
    id: _Word = UNSET


class _CustomOutput(Struct, tag="custom_tool_call_output", forbid_unknown_fields=True):
    call_id: str
    output: str | list[_Text]
    id: _Word = UNSET


class Tool(Struct, forbid_unknown_fields=True):
    """A function on offer."""

    type: Literal["function"]
    name: str
    description: _Word = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    strict: bool | UnsetType = UNSET

    def offered(self) -> ir.Tool:
        """The hub's tool."""
        return ir.Tool(
            self.name,
            description=known(self.description),
            parameters=known(self.parameters),
            strict=known(self.strict),
        )


_MESSAGE = Decoder(Message)
_BLOCK = Decoder(_Call | _CustomCall | _Output | _CustomOutput)
_TOOL = Decoder(Tool)


def message(raw: Raw) -> Message | None:
    """A message item of this shape; None for any other."""
    # Other items have no role; one that speaks of it elsewhere is merely tried in vain.
    return decoded(_MESSAGE, raw) if b'"role"' in bytes(raw) else None


def call(raw: Raw) -> ir.ToolCall | ir.ToolResult | None:
    """A call or a result of this shape; None for any other item."""
    match decoded(_BLOCK, raw):
        case _Call(id_, name, given, item, namespace):
            return ir.ToolCall(id_, name, given, item_id=known(item), namespace=known(namespace))
        case _CustomCall(id_, name, given, item, namespace):
            return ir.ToolCall(id_, name, given, custom=True, item_id=known(item), namespace=known(namespace))
        case _Output(id_, content, item):
            return ir.ToolResult(id_, _texts(content), item_id=known(item))
        case _CustomOutput(id_, content, item):
            return ir.ToolResult(id_, _texts(content), custom=True, item_id=known(item))
    return None


def tool(raw: Raw) -> ir.Tool | None:
    """A tool of this shape; None for any other."""
    found = decoded(_TOOL, raw)
    return None if found is None else found.offered()


def known(value: T | UnsetType) -> T | None:
    """None for what was not said."""
    return None if value is UNSET else value


def _texts(content: str | list[_Text]) -> tuple[ir.Text, ...]:
    return (ir.Text(content),) if isinstance(content, str) else tuple([ir.Text(part.text) for part in content])
