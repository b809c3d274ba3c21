"""The shape of a chat completions request, by hand after OpenAI's reference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from proxy.demo.base import Json
from proxy.demo.shape import Wire

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Penalty = Annotated[float, Meta(ge=-2, le=2)]


class ImageUrl(Wire, frozen=True):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class InputAudio(Wire, frozen=True):
    data: str
    format: Literal["wav", "mp3"]


class FileData(Wire, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class TextPart(Wire, frozen=True, tag_field="type", tag="text"):
    text: str
    prompt_cache_breakpoint: Json | None = None


class RefusalPart(Wire, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


class ImagePart(Wire, frozen=True, tag_field="type", tag="image_url"):
    image_url: ImageUrl
    prompt_cache_breakpoint: Json | None = None


class AudioPart(Wire, frozen=True, tag_field="type", tag="input_audio"):
    input_audio: InputAudio
    prompt_cache_breakpoint: Json | None = None


class FilePart(Wire, frozen=True, tag_field="type", tag="file"):
    file: FileData
    prompt_cache_breakpoint: Json | None = None


class CalledFunction(Wire, frozen=True):
    name: str
    arguments: str


class CalledCustom(Wire, frozen=True):
    name: str
    input: str


class FunctionCall(Wire, frozen=True, tag_field="type", tag="function"):
    id: str
    function: CalledFunction


class CustomCall(Wire, frozen=True, tag_field="type", tag="custom"):
    id: str
    custom: CalledCustom


class System(Wire, frozen=True, tag_field="role", tag="system"):
    content: str | list[TextPart]
    name: str | None = None


class Developer(Wire, frozen=True, tag_field="role", tag="developer"):
    content: str | list[TextPart]
    name: str | None = None


class User(Wire, frozen=True, tag_field="role", tag="user"):
    content: str | list[TextPart | ImagePart | AudioPart | FilePart]
    name: str | None = None


class Assistant(Wire, frozen=True, tag_field="role", tag="assistant"):
    content: str | list[TextPart | RefusalPart] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[FunctionCall | CustomCall] | None = None
    function_call: CalledFunction | None = None
    audio: Json | None = None
    annotations: list[Json] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class ToolMessage(Wire, frozen=True, tag_field="role", tag="tool"):
    tool_call_id: str
    content: str | list[TextPart]


class FunctionMessage(Wire, frozen=True, tag_field="role", tag="function"):
    name: str
    content: str | None = None


Message = System | Developer | User | Assistant | ToolMessage | FunctionMessage


class Function(Wire, frozen=True):
    name: str
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class Custom(Wire, frozen=True):
    name: str
    description: str | None = None
    format: Json | None = None


class FunctionTool(Wire, frozen=True, tag_field="type", tag="function"):
    function: Function


class CustomTool(Wire, frozen=True, tag_field="type", tag="custom"):
    custom: Custom


class Named(Wire, frozen=True):
    name: str


class Allowed(Wire, frozen=True):
    mode: Literal["auto", "required"]
    tools: list[Json]


class ChooseFunction(Wire, frozen=True, tag_field="type", tag="function"):
    function: Named


class ChooseCustom(Wire, frozen=True, tag_field="type", tag="custom"):
    custom: Named


class ChooseAllowed(Wire, frozen=True, tag_field="type", tag="allowed_tools"):
    allowed_tools: Allowed


class JsonSchema(Wire, frozen=True):
    name: str
    schema: Json | None = None
    description: str | None = None
    strict: bool | None = None


class FormatText(Wire, frozen=True, tag_field="type", tag="text"):
    pass


class FormatObject(Wire, frozen=True, tag_field="type", tag="json_object"):
    pass


class FormatSchema(Wire, frozen=True, tag_field="type", tag="json_schema"):
    json_schema: JsonSchema


class StreamOptions(Wire, frozen=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(Wire, frozen=True):
    model: str
    messages: list[Message]
    audio: Json | None = None
    frequency_penalty: Penalty | None = None
    function_call: Any = None
    functions: list[Json] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    metadata: dict[str, str] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    moderation: Json | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    parallel_tool_calls: bool | None = None
    prediction: Json | None = None
    presence_penalty: Penalty | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Json | None = None
    prompt_cache_retention: Literal["in_memory", "in-memory", "24h"] | None = None
    reasoning_effort: Effort | None = None
    response_format: FormatText | FormatObject | FormatSchema | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChooseFunction | ChooseCustom | ChooseAllowed | None = None
    tools: list[FunctionTool | CustomTool] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: Json | None = None
