"""The shapes of Gemini's answers on the wire, and how raw JSON of either proto spelling is taken apart."""

from __future__ import annotations

import re
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct

from adapters import ir

INVENTED = "call_gemini_"
"""Begins every tool call id that we made up because the upstream gave none; such an id never goes upstream (G14)."""

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What decoding untrusted JSON raises."""


class Wire(Struct, frozen=True, rename="camel"):
    """Base of the wire structs: unknown fields are passed over."""


class PartialArg(Wire, frozen=True):
    """A piece of a streamed argument (Gemini 3.1); one value is set, at ``json_path``."""

    json_path: str = "$"
    string_value: str | None = None
    number_value: Raw = Raw()
    bool_value: bool | None = None
    will_continue: bool = False


class FunctionCall(Wire, frozen=True):
    name: str | None = None
    id: str | None = None
    args: Raw = Raw()
    partial_args: list[PartialArg] | None = None
    will_continue: bool = False


class Blob(Wire, frozen=True):
    mime_type: str = ""


class Part(Wire, frozen=True):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    file_data: Raw = Raw()
    executable_code: Raw = Raw()
    code_execution_result: Raw = Raw()
    tool_call: Raw = Raw()
    tool_response: Raw = Raw()


SERVER_PARTS = {
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
    "file_data": "fileData",
}
"""Fields of Part that only Google can take back, and their names on the wire."""


class Content(Wire, frozen=True):
    parts: list[Raw] | None = None


class Segment(Wire, frozen=True):
    """Byte offsets (UTF-8) into the text of the answer."""

    start_index: int = 0
    end_index: int = 0


class Source(Wire, frozen=True):
    uri: str | None = None
    title: str | None = None


class GroundingChunk(Wire, frozen=True):
    web: Source | None = None
    maps: Source | None = None
    retrieved_context: Source | None = None


class GroundingSupport(Wire, frozen=True):
    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class Grounding(Wire, frozen=True):
    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None
    web_search_queries: Any = None
    image_search_queries: Any = None


class TokenLogprob(Wire, frozen=True):
    token: str = ""
    log_probability: float = 0.0


class TopLogprobs(Wire, frozen=True):
    candidates: list[TokenLogprob] | None = None


class Logprobs(Wire, frozen=True):
    chosen_candidates: list[TokenLogprob] | None = None
    top_candidates: list[TopLogprobs] | None = None


class Candidate(Wire, frozen=True):
    index: int = 0
    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: Grounding | None = None
    logprobs_result: Logprobs | None = None


class PromptFeedback(Wire, frozen=True):
    block_reason: str | None = None


Nonsense: TypeAlias = bool | int | float | str | list[Any]
"""What may stand in the place of an object: told apart by its type, for no nonsense there costs an answer."""


class UsageMetadata(Wire, frozen=True):
    """Its numbers are whatever stands there; ``usage`` judges them."""

    prompt_token_count: Any = None
    candidates_token_count: Any = None
    total_token_count: Any = None
    thoughts_token_count: Any = None
    cached_content_token_count: Any = None
    tool_use_prompt_token_count: Any = None
    prompt_tokens_details: Any = None
    tool_use_prompt_tokens_details: Any = None
    cache_tokens_details: Any = None
    candidates_tokens_details: Any = None
    service_tier: Any = None
    traffic_type: Any = None


class Chunk(Wire, frozen=True):
    """A whole answer, or one frame of a streamed one: the same message."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | Nonsense | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Raw = Raw()


chunk_decoder = msgspec.json.Decoder(Chunk)
part_decoder = msgspec.json.Decoder(Part)

_object = msgspec.json.Decoder(dict[str, Raw])
_SNAKE = re.compile(r"_([a-z0-9])")
T = TypeVar("T")


def camel(name: str) -> str:
    """``max_output_tokens`` -> ``maxOutputTokens``: proto JSON accepts both spellings, we write the documented one."""
    return _SNAKE.sub(lambda match: match[1].upper(), name)


def fields(raw: Raw, path: str) -> ir.Extras:
    """One JSON object of a request, values still raw, names in the documented spelling. Raises ir.Invalid."""
    try:
        return {camel(name): value for name, value in _object.decode(raw).items()}
    except UNREADABLE:
        raise ir.Invalid(f"'{path}' must be a JSON object.", path, "invalid_type") from None


def take(top: ir.Extras, name: str, kind: type[T], path: str) -> T | None:
    """Take one field out of ``top``, of one type; None when absent or null. Raises ir.Invalid naming the field."""
    raw = top.pop(name, None)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=kind | None)
    except UNREADABLE as error:
        raise ir.Invalid(f"Invalid value for '{path}': {error}.", path, "invalid_type") from None


def items(top: ir.Extras, name: str, path: str) -> list[Raw]:
    """Take a field that is a list of anything; empty when absent."""
    return take(top, name, list[Raw], path) or []


def value(raw: Raw) -> Any:
    """Any JSON, decoded."""
    return msgspec.json.decode(raw)


def raw(thing: object) -> Raw:
    """Anything -> raw JSON."""
    return Raw(msgspec.json.encode(thing))
