"""What the vendors' own SDKs say a request looks like, with unknown keys forbidden: every writer's tests ask them."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import pydantic
import typing_extensions

SAMPLING = ("temperature", "top_p", "top_k")
"""Gone from the types of anthropic 2.x, though older models still take them."""


@cache
def closed(kind: Any) -> Any:
    """``kind`` with every TypedDict in it refusing unknown keys, and every Iterable a list, to look into it."""
    origin = get_origin(kind)
    if typing_extensions.is_typeddict(kind):
        hints = typing_extensions.get_type_hints(kind, include_extras=True)
        fields = {
            name: closed(hint)
            if name in kind.__required_keys__ or get_origin(hint) is typing_extensions.Required
            else typing_extensions.NotRequired[closed(hint)]
            for name, hint in hints.items()
        }
        config = getattr(kind, "__pydantic_config__", {})
        made: Any = typing_extensions.TypedDict(kind.__name__, fields)  # type: ignore[operator]
        made.__pydantic_config__ = {"extra": "forbid", **config}
        return made
    if origin in (Union, UnionType):
        parts = tuple(closed(part) for part in get_args(kind) if not _is_answer(part))
        return Union[parts]  # noqa: UP007
    if origin in (typing_extensions.Required, typing_extensions.NotRequired, Annotated):
        return closed(get_args(kind)[0])
    if origin in (list, Iterable):
        return list[closed(get_args(kind)[0])]
    if getattr(origin, "__name__", "") == "SequenceNotStr" or getattr(kind, "__name__", "") == "SequenceNotStr":
        return list[closed(get_args(kind)[0])]
    return kind


def _is_answer(kind: Any) -> bool:
    """A model of the SDK's answers, which it also lets through in requests, unknown keys and all."""
    if get_origin(kind) is Annotated:
        return _is_answer(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return all(_is_answer(part) for part in get_args(kind))
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


@cache
def _anthropic_request() -> pydantic.TypeAdapter[Any]:
    from anthropic.types import message_create_params

    whole = closed(message_create_params.MessageCreateParamsNonStreaming)
    streamed = closed(message_create_params.MessageCreateParamsStreaming)
    return pydantic.TypeAdapter(Union[whole, streamed])  # noqa: UP007


def assert_anthropic_request(body: Mapping[str, Any], *, sampling: bool = False) -> None:
    """Raise unless ``body`` is a Messages request of the installed SDK; ``sampling`` allows what old models take."""
    allowed = {name: value for name, value in body.items() if not (sampling and name in SAMPLING)}
    _anthropic_request().validate_python(allowed, strict=True)


@cache
def _google_request() -> type[pydantic.BaseModel]:
    """The SDK has no one type for a generateContent body, but closed types for all that is in it."""
    from google.genai import types

    return pydantic.create_model(
        "GenerateContentBody",
        __config__=pydantic.ConfigDict(extra="forbid"),
        contents=(list[types.Content], pydantic.Field(min_length=1)),
        systemInstruction=(types.Content, None),
        tools=(list[types.Tool], None),
        toolConfig=(types.ToolConfig, None),
        generationConfig=(types.GenerationConfig, None),
        safetySettings=(list[types.SafetySetting], None),
        serviceTier=(types.ServiceTier, None),
        cachedContent=(str, None),
        labels=(dict[str, str], None),
        store=(bool, None),
    )


_GOOGLE_FREE = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "parameters", "labels"}
"""Fields whose names within are the client's own."""


def _google_names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for inner in value:
            yield from _google_names(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in _GOOGLE_FREE:
                yield from _google_names(inner)


def assert_google_request(body: Mapping[str, Any]) -> None:
    """Raise unless ``body`` is a generateContent request of the installed SDK, in the documented spelling."""
    _google_request().model_validate_json(msgspec.json.encode(body))
    strange = [name for name in _google_names(body) if "_" in name]
    assert not strange, f"not in camelCase: {strange}"


def assert_google_response(body: Mapping[str, Any]) -> None:
    """Raise unless ``body`` is an answer, or one frame of it, that google-genai takes, unknown keys forbidden."""
    from google.genai import types

    types.GenerateContentResponse.model_validate_json(msgspec.json.encode(body))


@cache
def _chat_request() -> pydantic.TypeAdapter[Any]:
    from openai.types.chat import completion_create_params as params

    whole = closed(params.CompletionCreateParamsNonStreaming)
    streamed = closed(params.CompletionCreateParamsStreaming)
    return pydantic.TypeAdapter(Union[whole, streamed])  # noqa: UP007


_SERVERS_OWN = {"reasoning", "reasoning_content"}
"""What OpenAI-compatible servers take back on assistant messages, and OpenAI does not."""


def assert_chat_request(body: Mapping[str, Any], *, server: bool = False) -> None:
    """Raise unless ``body`` is a chat request of the installed SDK; ``server`` allows reasoning text in the history."""
    if server:
        messages = [
            {name: value for name, value in message.items() if name not in _SERVERS_OWN} for message in body["messages"]
        ]
        body = {**body, "messages": messages}
    _chat_request().validate_python(body, strict=True)


@cache
def _responses_request() -> pydantic.TypeAdapter[Any]:
    from openai.types.responses import response_create_params as params

    whole = closed(params.ResponseCreateParamsNonStreaming)
    streamed = closed(params.ResponseCreateParamsStreaming)
    return pydantic.TypeAdapter(Union[whole, streamed])  # noqa: UP007


def assert_responses_request(body: Mapping[str, Any]) -> None:
    """Raise unless ``body`` is a Responses request of the installed SDK."""
    _responses_request().validate_python(body, strict=True)
