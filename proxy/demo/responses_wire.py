"""The shape of a Responses request, by hand after OpenAI's reference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from proxy.demo.base import Json
from proxy.demo.chat_wire import Effort
from proxy.demo.shape import Wire

Status = Literal["in_progress", "completed", "incomplete"]
Detail = Literal["auto", "low", "high", "original"]
Summary = Literal["auto", "concise", "detailed"]


class InputText(Wire, frozen=True, tag_field="type", tag="input_text"):
    text: str
    prompt_cache_breakpoint: Json | None = None


class InputImage(Wire, frozen=True, tag_field="type", tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: Detail | None = None
    prompt_cache_breakpoint: Json | None = None


class InputFile(Wire, frozen=True, tag_field="type", tag="input_file"):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: Detail | None = None
    prompt_cache_breakpoint: Json | None = None


class OutputText(Wire, frozen=True, tag_field="type", tag="output_text"):
    text: str
    annotations: list[Json] | None = None
    logprobs: list[Json] | None = None


class Refusal(Wire, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


class SummaryText(Wire, frozen=True, tag_field="type", tag="summary_text"):
    text: str


class ReasoningText(Wire, frozen=True, tag_field="type", tag="reasoning_text"):
    text: str


InputPart = InputText | InputImage | InputFile


class Message(Wire, frozen=True, tag_field="type", tag="message"):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[InputText | InputImage | InputFile | OutputText | Refusal]
    id: str | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCall(Wire, frozen=True, tag_field="type", tag="function_call"):
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: Status | None = None
    namespace: str | None = None
    caller: Json | None = None
    is_async: bool | None = field(default=None, name="async")


class FunctionOutput(Wire, frozen=True, tag_field="type", tag="function_call_output"):
    call_id: str
    output: str | list[InputText | InputImage | InputFile]
    id: str | None = None
    status: Status | None = None
    caller: Json | None = None
    name: str | None = None
    namespace: str | None = None


class CustomCall(Wire, frozen=True, tag_field="type", tag="custom_tool_call"):
    call_id: str
    name: str
    input: str
    id: str | None = None
    status: Status | None = None
    namespace: str | None = None
    caller: Json | None = None
    is_async: bool | None = field(default=None, name="async")


class CustomOutput(Wire, frozen=True, tag_field="type", tag="custom_tool_call_output"):
    call_id: str
    output: str | list[InputText | InputImage | InputFile]
    id: str | None = None
    status: Status | None = None
    caller: Json | None = None


class Reasoning(Wire, frozen=True, tag_field="type", tag="reasoning"):
    summary: list[SummaryText]
    id: str | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class Reference(Wire, frozen=True, tag_field="type", tag="item_reference"):
    id: str


class HostedItem(Wire, frozen=True, tag_field="type", tag="hosted_item"):
    """Stands for the items of tools that OpenAI runs itself, which the demo passes over."""


Item = Message | FunctionCall | FunctionOutput | CustomCall | CustomOutput | Reasoning | Reference | HostedItem


class FunctionTool(Wire, frozen=True, tag_field="type", tag="function"):
    name: str
    parameters: Json | None = None
    strict: bool | None = None
    description: str | None = None
    output_schema: Json | None = None
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None
    is_async: bool | None = field(default=None, name="async")


class CustomTool(Wire, frozen=True, tag_field="type", tag="custom"):
    name: str
    description: str | None = None
    format: Json | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None


class Namespace(Wire, frozen=True, tag_field="type", tag="namespace"):
    name: str
    tools: list[FunctionTool | CustomTool]
    description: str | None = None


class ReasoningOptions(Wire, frozen=True):
    effort: Effort | None = None
    summary: Summary | None = None
    generate_summary: Summary | None = None
    mode: str | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None


class FormatText(Wire, frozen=True, tag_field="type", tag="text"):
    pass


class FormatObject(Wire, frozen=True, tag_field="type", tag="json_object"):
    pass


class FormatSchema(Wire, frozen=True, tag_field="type", tag="json_schema"):
    name: str
    schema: Json
    description: str | None = None
    strict: bool | None = None


class TextOptions(Wire, frozen=True):
    format: FormatText | FormatObject | FormatSchema | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class StreamOptions(Wire, frozen=True):
    include_obfuscation: bool | None = None


class ResponsesRequest(Wire, frozen=True):
    model: str
    input: str | list[Item]
    access_programs: Json | None = None
    background: bool | None = None
    context_management: list[Json] | None = None
    conversation: str | Json | None = None
    image: Json | None = None
    include: list[str] | None = None
    instructions: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    moderation: Json | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    prompt: Json | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Json | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    reasoning: ReasoningOptions | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    text: TextOptions | None = None
    tool_choice: Any = None
    tools: list[Json] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
