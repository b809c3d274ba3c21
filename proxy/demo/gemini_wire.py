"""The shape of a Gemini generateContent request, by hand after Google's reference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from proxy.demo.base import Json
from proxy.demo.shape import Wire

Number = int | float


class Blob(Wire, frozen=True, rename="camel"):
    mime_type: str
    data: str
    display_name: str | None = None


class FileData(Wire, frozen=True, rename="camel"):
    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(Wire, frozen=True, rename="camel"):
    name: str
    args: Json | None = None
    id: str | None = None


class ResponsePart(Wire, frozen=True, rename="camel"):
    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(Wire, frozen=True, rename="camel"):
    name: str
    response: Json
    id: str | None = None
    parts: list[ResponsePart] | None = None
    will_continue: bool | None = None
    scheduling: str | None = None


class Part(Wire, frozen=True, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    executable_code: Json | None = None
    code_execution_result: Json | None = None
    video_metadata: Json | None = None
    media_resolution: Json | None = None
    part_metadata: Json | None = None


class Content(Wire, frozen=True, rename="camel"):
    parts: list[Part] = field(default_factory=list)
    role: str | None = None


class Schema(Wire, frozen=True, rename="camel"):
    type: (
        Literal["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", "TYPE_UNSPECIFIED"]
        | Literal["string", "number", "integer", "boolean", "array", "object", "null"]
        | None
    ) = None
    format: str | None = None
    title: str | None = None
    description: str | None = None
    nullable: bool | None = None
    enum: list[str] | None = None
    properties: dict[str, Schema] | None = None
    required: list[str] | None = None
    property_ordering: list[str] | None = None
    items: Schema | None = None
    any_of: list[Schema] | None = None
    default: Any = None
    example: Any = None
    pattern: str | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    min_items: int | str | None = None
    max_items: int | str | None = None
    min_length: int | str | None = None
    max_length: int | str | None = None
    min_properties: int | str | None = None
    max_properties: int | str | None = None


class Declaration(Wire, frozen=True, rename="camel"):
    name: str
    description: str | None = None
    parameters: Schema | None = None
    parameters_json_schema: Any = None
    response: Schema | None = None
    response_json_schema: Any = None
    behavior: str | None = None


class Tool(Wire, frozen=True, rename="camel"):
    function_declarations: list[Declaration] | None = None
    google_search: Json | None = None
    google_search_retrieval: Json | None = None
    code_execution: Json | None = None
    url_context: Json | None = None
    computer_use: Json | None = None
    file_search: Json | None = None
    google_maps: Json | None = None


class CallingConfig(Wire, frozen=True, rename="camel"):
    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] | None = None
    allowed_function_names: list[str] | None = None
    stream_function_call_arguments: bool | None = None


class ToolConfig(Wire, frozen=True, rename="camel"):
    function_calling_config: CallingConfig | None = None
    retrieval_config: Json | None = None
    include_server_side_tool_invocations: bool | None = None


class Thinking(Wire, frozen=True, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=-1)] | None = None
    thinking_level: str | None = None


class GenerationConfig(Wire, frozen=True, rename="camel"):
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Number | None = None
    candidate_count: Annotated[int, Meta(ge=1, le=8)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    seed: int | None = None
    response_mime_type: str | None = None
    response_schema: Schema | None = None
    response_json_schema: Any = None
    response_modalities: list[str] | None = None
    thinking_config: Thinking | None = None
    media_resolution: str | None = None
    speech_config: Json | None = None
    image_config: Json | None = None
    enable_enhanced_civic_answers: bool | None = None


class GenerateRequest(Wire, frozen=True, rename="camel"):
    contents: list[Content] = field(default_factory=list)
    model: str | None = None
    system_instruction: Content | None = None
    tools: list[Tool] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    safety_settings: list[Json] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    store: bool | None = None
    continuation_token: str | None = None


class CountRequest(Wire, frozen=True, rename="camel"):
    contents: list[Content] = field(default_factory=list)
    generate_content_request: GenerateRequest | None = None
