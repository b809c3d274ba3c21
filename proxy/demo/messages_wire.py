"""The shape of an Anthropic Messages request, by hand after Anthropic's reference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from proxy.demo.base import Json
from proxy.demo.shape import Wire

Ident = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]
Display = Literal["summarized", "omitted"]


class CacheControl(Wire, frozen=True, tag_field="type", tag="ephemeral"):
    ttl: Literal["5m", "1h"] | None = None


class Base64Image(Wire, frozen=True, tag_field="type", tag="base64"):
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class UrlSource(Wire, frozen=True, tag_field="type", tag="url"):
    url: Annotated[str, Meta(pattern="^https?://")]


class FileSource(Wire, frozen=True, tag_field="type", tag="file"):
    file_id: str


class Base64Pdf(Wire, frozen=True, tag_field="type", tag="base64"):
    media_type: Literal["application/pdf"]
    data: str


class PlainText(Wire, frozen=True, tag_field="type", tag="text"):
    media_type: Literal["text/plain"]
    data: str


class Text(Wire, frozen=True, tag_field="type", tag="text"):
    text: str
    citations: list[Json] | None = None
    cache_control: CacheControl | None = None


class Image(Wire, frozen=True, tag_field="type", tag="image"):
    source: Base64Image | UrlSource | FileSource
    cache_control: CacheControl | None = None


class ContentSource(Wire, frozen=True, tag_field="type", tag="content"):
    content: str | list[Text | Image]


class Document(Wire, frozen=True, tag_field="type", tag="document"):
    source: Base64Pdf | PlainText | UrlSource | FileSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: Json | None = None
    cache_control: CacheControl | None = None


class SearchResult(Wire, frozen=True, tag_field="type", tag="search_result"):
    source: str
    title: str
    content: list[Text]
    citations: Json | None = None
    cache_control: CacheControl | None = None


class ToolUse(Wire, frozen=True, tag_field="type", tag="tool_use"):
    id: Ident
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,200}$")]
    input: Json
    caller: Json | None = None
    cache_control: CacheControl | None = None


class ToolResult(Wire, frozen=True, tag_field="type", tag="tool_result"):
    tool_use_id: Ident
    content: str | list[Text | Image | Document | SearchResult | ServerBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class Thinking(Wire, frozen=True, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class Redacted(Wire, frozen=True, tag_field="type", tag="redacted_thinking"):
    data: str


class ServerBlock(Wire, frozen=True, tag_field="type", tag="server_block"):
    """Stands for the blocks of tools that Anthropic runs itself, which the demo passes over."""


Block = Text | Image | Document | SearchResult | ToolUse | ToolResult | Thinking | Redacted | ServerBlock


class Message(Wire, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: (
        str | list[Text | Image | Document | SearchResult | ToolUse | ToolResult | Thinking | Redacted | ServerBlock]
    )


class Tool(Wire, frozen=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: Json
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: list[Json] | None = None
    eager_input_streaming: bool | None = None


class Adaptive(Wire, frozen=True, tag_field="type", tag="adaptive"):
    display: Display | None = None


class Enabled(Wire, frozen=True, tag_field="type", tag="enabled"):
    budget_tokens: Annotated[int, Meta(ge=1024)]
    display: Display | None = None


class Disabled(Wire, frozen=True, tag_field="type", tag="disabled"):
    pass


class BetweenTools(Wire, frozen=True, tag_field="type", tag="between_tools"):
    display: Display | None = None


class ChooseAuto(Wire, frozen=True, tag_field="type", tag="auto"):
    disable_parallel_tool_use: bool | None = None


class ChooseAny(Wire, frozen=True, tag_field="type", tag="any"):
    disable_parallel_tool_use: bool | None = None


class ChooseTool(Wire, frozen=True, tag_field="type", tag="tool"):
    name: str
    disable_parallel_tool_use: bool | None = None


class ChooseNone(Wire, frozen=True, tag_field="type", tag="none"):
    pass


class Format(Wire, frozen=True, tag_field="type", tag="json_schema"):
    schema: Json


class OutputConfig(Wire, frozen=True):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: Format | None = None


class Metadata(Wire, frozen=True):
    user_id: Annotated[str, Meta(max_length=512)] | None = None


class CountRequest(Wire, frozen=True, kw_only=True):
    model: str
    messages: list[Message]
    cache_control: CacheControl | None = None
    output_config: OutputConfig | None = None
    system: str | list[Text] | None = None
    thinking: Adaptive | Enabled | Disabled | BetweenTools | None = None
    tool_choice: ChooseAuto | ChooseAny | ChooseTool | ChooseNone | None = None
    tools: list[Json] | None = None


class MessagesRequest(CountRequest, frozen=True, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=0)]
    container: Any = None
    diagnostics: Json | None = None
    inference_geo: str | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user_profile_id: str | None = None
    workspace_id: str | None = None
