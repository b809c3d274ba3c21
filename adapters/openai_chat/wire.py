"""The shapes of OpenAI's chat completions as they stand on the wire: strict for clients, lenient for upstreams."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from adapters import ir

S = TypeVar("S", bound=Struct)
T = TypeVar("T")
NAME = "openai_chat"

# --- from a client: a wrong type is a 400 that names the field ------------------------------------------------------


class ImageUrl(Struct):
    url: str
    detail: str | None = None


class InputAudio(Struct):
    data: str
    format: str


class File(Struct):
    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class Part(Struct):
    """One content part; which field it needs depends on ``type``."""

    type: str
    text: str | None = None
    image_url: ImageUrl | str | None = None
    input_audio: InputAudio | None = None
    file: File | None = None
    refusal: str | None = None


class FunctionCall(Struct):
    name: str
    arguments: str | None = None


class CustomCall(Struct):
    name: str
    input: str


class ToolCall(Struct):
    id: str
    type: str = "function"
    function: FunctionCall | None = None
    custom: CustomCall | None = None


class Message(Struct):
    """One message of a request. ``reasoning`` and ``reasoning_content`` are what earlier answers were shown with."""

    role: str
    content: str | list[Raw] | None = None
    name: str | None = None
    tool_calls: list[Raw] | None = None
    function_call: FunctionCall | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class Function(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Custom(Struct):
    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class Tool(Struct):
    type: str
    function: Function | None = None
    custom: Custom | None = None


class Named(Struct):
    name: str


class ChoiceTool(Struct):
    """A tool as ``tool_choice`` names it."""

    type: str
    function: Named | None = None
    custom: Named | None = None


class AllowedTools(Struct):
    mode: str
    tools: list[ChoiceTool]


class ToolChoice(Struct):
    type: str
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: AllowedTools | None = None


class JsonSchema(Struct):
    name: str
    schema: Any = None
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(Struct):
    """``schema`` beside ``json_object`` is llama.cpp's way to say json_schema."""

    type: str
    json_schema: JsonSchema | None = None
    schema: dict[str, Any] | None = None


_Positive = Annotated[int, Meta(ge=1)]


class Params(Struct):
    """The top level of a request: all that the hub has words for. The rest travels as extras."""

    model: str
    messages: Raw
    stream: bool | None = None
    stream_options: dict[str, Raw] | None = None
    tools: list[Raw] | None = None
    tool_choice: str | ToolChoice | None = None
    functions: list[Function] | None = None
    function_call: str | Named | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    max_completion_tokens: _Positive | None = None
    max_tokens: _Positive | None = None
    reasoning_effort: str | None = None
    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: _Positive | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0)] | None = None
    logit_bias: dict[str, int | float] | None = None
    modalities: list[str] | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None


_fields = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])
GARBAGE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding foreign bytes may raise."""
_AT = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")


def decode(decoder: msgspec.json.Decoder[T], raw: bytes | Raw, at: str) -> T:
    """``raw``, which stands at the path ``at`` of the body. Raises ir.Invalid that names the field."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise invalid_shape(str(error), at) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ir.Invalid(f"'{at or 'body'}' is not valid JSON: {error}.", at or None) from None


def invalid_shape(reason: str, at: str) -> ir.Invalid:
    """msgspec's reason and path in OpenAI's words."""
    place = _AT.search(reason)
    path = at + (place[1].replace("[...]", "") if place else "")
    why = reason[: place.start()] if place else reason
    if missing := _MISSING.match(why):
        field = f"{path}.{missing[1]}".lstrip(".")
        return ir.Invalid(f"Missing required parameter: '{field}'.", field, "missing_required_parameter")
    field = path.lstrip(".")
    kind = "type" if ", got " in why else "value"
    return ir.Invalid(f"Invalid {kind} for '{field}': {why.replace('`', '')}.", field, f"invalid_{kind}")


def missing(field: str) -> ir.Invalid:
    """A field that must be there, and is not."""
    return ir.Invalid(f"Missing required parameter: '{field}'.", field, "missing_required_parameter")


def unsupported(field: str, value: str, allowed: Collection[str]) -> ir.Invalid:
    """A value that is none of those that ``field`` may have."""
    options = ", ".join(f"'{one}'" for one in allowed)
    return ir.Invalid(
        f"Invalid value for '{field}': '{value}'. Supported values are: {options}.", field, "invalid_value"
    )


class Reading(Generic[S]):
    """Reads one kind of object, and what it holds besides. Few objects hold anything besides: those that do are read a
    second time, so that all others are read once."""

    def __init__(self, shape: type[S]) -> None:
        bare = msgspec.defstruct(shape.__name__, [], bases=(shape,), forbid_unknown_fields=True)
        self._bare: msgspec.json.Decoder[S] = msgspec.json.Decoder(bare)
        self._bares: msgspec.json.Decoder[list[S]] = msgspec.json.Decoder(list[bare])  # type: ignore[valid-type]
        self._full = msgspec.json.Decoder(shape)
        self._known = frozenset(shape.__struct_fields__)

    def read(self, raw: bytes | Raw, at: str) -> tuple[S, ir.Extras]:
        """The object, and its unknown fields byte for byte (nulls say nothing and are left out). Raises ir.Invalid."""
        try:
            return self._bare.decode(raw), {}
        except GARBAGE:
            told = decode(self._full, raw, at)
        unknown = {name: value for name, value in _fields.decode(raw).items() if name not in self._known}
        return told, {name: value for name, value in unknown.items() if bytes(value) != b"null"}

    def each(self, raw: Raw, at: str) -> list[tuple[S, ir.Extras]]:
        """A list of such objects, in one go where none of them holds anything besides. Raises ir.Invalid."""
        try:
            return [(told, {}) for told in self._bares.decode(raw)]
        except GARBAGE:
            raws: list[Raw] = decode(_list, raw, at)
        return [self.read(one, f"{at}[{index}]") for index, one in enumerate(raws)]


# --- from an upstream: servers differ, so only the structure is demanded --------------------------------------------


class FunctionPiece(Struct):
    name: Any = None
    arguments: Any = None


class CustomPiece(Struct):
    name: Any = None
    input: Any = None


class CallPiece(Struct):
    """A tool call, or more of one."""

    index: Any = None
    id: Any = None
    function: FunctionPiece | None = None
    custom: CustomPiece | None = None


class Piece(Struct):
    """A message, or more of one."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: list[CallPiece] | None = None
    function_call: FunctionPiece | None = None
    annotations: Any = None


class Choice(Struct):
    """``delta`` in a stream, ``message`` in a whole answer."""

    index: Any = None
    delta: Piece | None = None
    message: Piece | None = None
    finish_reason: Any = None
    logprobs: Any = None


class Chunk(Struct):
    """A chunk of a stream, a whole answer, or an error in the place of either."""

    id: Any = None
    model: Any = None
    created: Any = None
    choices: list[Choice] | None = None
    usage: Any = None
    service_tier: Any = None
    system_fingerprint: Any = None
    error: Any = None
    object: Any = None
    message: Any = None
    detail: Any = None
    code: Any = None
    type: Any = None


CHUNK = msgspec.json.Decoder(Chunk)
