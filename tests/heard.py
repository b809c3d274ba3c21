"""What a client heard of an answer, after the SDK's strict types and the invariant checker have let it through."""

from __future__ import annotations

import json
from typing import Any

from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from checker import check_chat, check_echo, check_responses, parse_sse
from checker_messages import check_message, check_messages
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from told import Json, Told, anthropic_whole, chat_stream, chat_whole, responses_stream, responses_whole

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
_MESSAGE_EVENT: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)
PATHS = {"chat": "/chat/completions", "responses": "/responses"}
CLIENTS = {**PATHS, "messages": "/messages"}
"""The APIs of those who ask -> their paths; PATHS are OpenAI's."""


def question(api: str, model: str, *, stream: bool) -> Json:
    """The plainest request there is."""
    if api == "chat":
        usage = {"stream_options": {"include_usage": True}} if stream else {}
        return {"model": model, "messages": [{"role": "user", "content": "Hi!"}], "stream": stream, **usage}
    if api == "messages":
        return {"model": model, "messages": [{"role": "user", "content": "Hi!"}], "max_tokens": 4096, "stream": stream}
    return {"model": model, "input": "Hi!", "stream": stream}


def heard(api: str, body: bytes, *, stream: bool, asked: Json | None = None) -> Told:
    """Raises where the answer is not what the SDK's own types and the checker allow. ``asked``: what it must echo."""
    if api == "chat":
        return _chat_stream(body) if stream else _chat(body)
    if api == "messages":
        return anthropic_whole(message(body, stream=stream))
    return _responses_stream(body, asked or {"input": "Hi!"}) if stream else _responses(body, asked or {})


def _chat(body: bytes) -> Told:
    ChatCompletion.model_validate_json(body, strict=True)
    return chat_whole(json.loads(body))


def _chat_stream(body: bytes) -> Told:
    chunks = parse_sse(body)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    check_chat(chunks, include_usage=any(chunk.get("usage") for chunk in chunks))
    return chat_stream(chunks)


def _responses(body: bytes, asked: Json) -> Told:
    Response.model_validate_json(body, strict=True)
    told = json.loads(body)
    check_echo(told, asked)
    return responses_whole(told)


def _responses_stream(body: bytes, asked: Json) -> Told:
    events = parse_sse(body)
    for event in events:
        _EVENT.validate_python(event, strict=True)
    check_responses(events, asked)
    return responses_stream(events)


_NEWER = ("fallback",)
"""Blocks that Anthropic sends, and its SDK has no type for yet."""


def message(body: bytes, *, stream: bool) -> Json:
    """An answer of Anthropic's kind, or the one that its events add up to. The SDK's beta types know all that the
    others know, and the blocks of Anthropic's own tools besides."""
    if not stream:
        told: Json = json.loads(body)
        blocks = [block for block in told["content"] if block["type"] not in _NEWER]
        BetaMessage.model_validate_json(json.dumps({**_counted(told), "content": blocks}), strict=True)
        check_message(told)
        return told
    events = parse_sse(body, done=False)
    for event in events:
        if event.get("content_block", {}).get("type") not in _NEWER:
            _MESSAGE_EVENT.validate_python(_counted(event), strict=True)
    return check_messages(events)


def _counted(told: Json) -> Json:
    """Older recordings of the vendor's own tools lack a count that the SDK requires today."""
    ran = told.get("usage", {}).get("server_tool_use")
    if not ran:
        return told
    return {**told, "usage": {**told["usage"], "server_tool_use": {"web_fetch_requests": 0, **ran}}}
