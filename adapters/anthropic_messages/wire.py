"""The words of Anthropic Messages as they stand on the wire: decoders, strict field access, and what names mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from adapters import ir
from adapters.dialect import compact

T = TypeVar("T")

NAME: Final = "anthropic_messages"
FAMILY: Final = "anthropic"
PATH: Final = "/messages"
VERSION: Final = "2023-06-01"
"""What ``anthropic-version`` says; the vendor requires the header."""
HEADERS: Mapping[str, str] = {"anthropic-version": VERSION, "content-type": "application/json"}

STRING: Decoder[str] = Decoder(str)
BOOL: Decoder[bool] = Decoder(bool)
INTEGER: Decoder[int] = Decoder(int)
NUMBER: Decoder[float] = Decoder(float)
STRINGS: Decoder[tuple[str, ...]] = Decoder(tuple[str, ...])
OBJECT: Decoder[dict[str, Raw]] = Decoder(dict[str, Raw])
LIST: Decoder[list[Raw]] = Decoder(list[Raw])
PLAIN: Decoder[dict[str, Any]] = Decoder(dict[str, Any])

STOP_REASONS: Mapping[str, ir.FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}
"""``pause_turn`` is an unfinished answer: never ``stop`` (G24)."""

NATIVE_EFFORTS: tuple[ir.Effort, ...] = ("low", "medium", "high", "xhigh", "max")


class Bare(ir.Text, frozen=True, tag="text"):
    """A text that stood as a bare string where a list of blocks may stand, so that it can be written as it was."""


class Fields:
    """One JSON object of a request, field by field; what nobody takes is left over as extras."""

    def __init__(self, raw: ir.Extras, path: str = "") -> None:
        self.rest = dict(raw)
        self._path = path

    def at(self, name: str) -> str:
        """The field's name for an error: ``messages[0].content``."""
        return f"{self._path}.{name}" if self._path else name

    def optional(self, name: str, decoder: Decoder[T]) -> T | None:
        """The field, or None when it is absent or null. Raises ir.Invalid that names it."""
        raw = self.rest.get(name)
        if raw is None or bytes(raw) == b"null":
            self.rest.pop(name, None)
            return None
        return decode(self.rest.pop(name), decoder, self.at(name))

    def required(self, name: str, decoder: Decoder[T]) -> T:
        """The field. Raises ir.Invalid that names it, also when it is absent or null."""
        found = self.optional(name, decoder)
        if found is None:
            where = self.at(name)
            raise ir.Invalid(f"{where}: this field is required.", where, "missing_required_parameter")
        return found


def decode(raw: Raw, decoder: Decoder[T], where: str) -> T:
    """One value. Raises ir.Invalid that names the field and the reason."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise ir.Invalid(f"{where}: {error}.", where, "invalid_type") from None


def raw(value: object) -> Raw:
    """A value as the raw JSON that extras hold."""
    return Raw(compact(value))


# A field that may be absent is ``Raw()``: msgspec reads ``Raw | None`` as null alone.


class Delta(Struct):
    """The inside of ``content_block_delta`` and of ``message_delta``."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    content: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None


class Start(Struct):
    """The message that ``message_start`` announces."""

    id: str | None = None
    model: str | None = None
    usage: Raw = Raw()


class Event(Struct):
    """Any event of a stream; unknown fields are passed over."""

    type: str
    index: int = 0
    message: Start | None = None
    content_block: Raw = Raw()
    delta: Delta | None = None
    usage: Raw = Raw()
    error: Any = None


class Block(Struct):
    """Any content block, as far as it is understood."""

    type: str
    text: str | None = None
    citations: list[dict[str, Any]] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = Raw()


class Answer(Struct):
    """A whole message."""

    type: str
    content: list[Raw]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None
    usage: Raw = Raw()


EVENT: Decoder[Event] = Decoder(Event)
BLOCK: Decoder[Block] = Decoder(Block)
ANSWER: Decoder[Answer] = Decoder(Answer)
ANY: Decoder[Any] = Decoder()
