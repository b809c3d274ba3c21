"""The words of OpenAI Responses, and a reader that takes one JSON object apart field by field."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from adapters import ir

T = TypeVar("T")

NAME = "openai_responses"

STR = msgspec.json.Decoder(str)
INT = msgspec.json.Decoder(int)
FLOAT = msgspec.json.Decoder(float)
BOOL = msgspec.json.Decoder(bool)
ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
STRINGS = msgspec.json.Decoder(list[str])
WORDS = msgspec.json.Decoder(dict[str, str])
OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
RAW_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])

NULL = msgspec.Raw(b"null")
"""The default of a raw field: msgspec has no ``Raw | None``."""

TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
INCOMPLETE = frozenset({"max_output_tokens", "content_filter", "max_messages", "steered"})
"""The values of ``incomplete_details.reason``."""
LOGPROBS = "message.output_text.logprobs"
"""The ``include`` entry that asks for log probabilities."""
ENCRYPTED = "reasoning.encrypted_content"
"""The one that asks for reasoning in a form that can be given back."""
MIN_OUTPUT = 16
"""OpenAI refuses a smaller ``max_output_tokens``; chat has no such floor."""

RESPONSE = frozenset(
    {
        *("id", "object", "created_at", "status", "error", "incomplete_details", "model", "output", "usage", "input"),
        *("instructions", "tools", "tool_choice", "text", "parallel_tool_calls", "reasoning", "metadata", "store"),
        *("max_output_tokens", "service_tier", "user", "safety_identifier", "prompt_cache_key", "previous_response_id"),
    }
)
"""Fields of a response that the hub has names for, or that echo the request."""

ROLES: dict[str, ir.Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "developer",
}

RESULTS = frozenset({"mcp_approval_response"})
"""Items besides ``*_output`` that answer a call."""
ASKED = frozenset({"compaction_trigger", "configuration_update", "additional_tools"})
"""Items that only a client sends."""


def encode(value: object) -> msgspec.Raw:
    """A value as the raw JSON that extras hold."""
    return msgspec.Raw(msgspec.json.encode(value))


def is_null(raw: msgspec.Raw | None) -> bool:
    """Absent, or ``null``."""
    return raw is None or bytes(raw) == b"null"


def is_string(raw: msgspec.Raw) -> bool:
    """A JSON string."""
    return bytes(raw).startswith(b'"')


class Fields:
    """One JSON object, read by taking its fields out. What was not taken is left in ``rest``, byte for byte."""

    def __init__(self, rest: ir.Extras, path: str = "") -> None:
        self.rest = rest
        self._path = path

    @classmethod
    def of(cls, raw: msgspec.Raw, path: str) -> Fields:
        """Raises ir.Invalid when ``raw`` is not an object."""
        try:
            return cls(RAW_OBJECT.decode(raw), path)
        except msgspec.MsgspecError:
            raise ir.Invalid(f"Invalid type for '{path}': expected an object.", path, "invalid_type") from None

    def name(self, field: str) -> str:
        """The full name of a field, as an error tells it: ``input[3].role``."""
        return f"{self._path}.{field}" if self._path else field

    def take(self, field: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        """The value, or None when it is absent or null (a null stays in ``rest``). Raises ir.Invalid."""
        raw = self.rest.get(field)
        if raw is None or is_null(raw):
            return None
        del self.rest[field]
        try:
            return decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError) as error:
            name = self.name(field)
            raise ir.Invalid(f"Invalid type for '{name}': {error}.", name, "invalid_type") from None

    def need(self, field: str, decoder: msgspec.json.Decoder[T]) -> T:
        """As ``take``, for a field that must be there."""
        value = self.take(field, decoder)
        if value is None:
            name = self.name(field)
            raise ir.Invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
        return value

    def wrong(self, field: str, why: str) -> ir.Invalid:
        """The error for a field whose value is not one of ours."""
        name = self.name(field)
        return ir.Invalid(f"Invalid value for '{name}': {why}.", name, "invalid_value")
