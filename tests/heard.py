"""What a client heard of an answer, after the SDK's strict types and the invariant checker have let it through."""

from __future__ import annotations

import json
from typing import Any

from checker import check_chat, check_echo, check_responses, parse_sse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from told import Json, Told, chat_stream, chat_whole, responses_stream, responses_whole

_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
PATHS = {"chat": "/chat/completions", "responses": "/responses"}


def question(api: str, model: str, *, stream: bool) -> Json:
    """The plainest request there is."""
    if api == "chat":
        usage = {"stream_options": {"include_usage": True}} if stream else {}
        return {"model": model, "messages": [{"role": "user", "content": "Hi!"}], "stream": stream, **usage}
    return {"model": model, "input": "Hi!", "stream": stream}


def heard(api: str, body: bytes, *, stream: bool, asked: Json | None = None) -> Told:
    """Raises where the answer is not what OpenAI's own types and the checker allow. ``asked``: what it must echo."""
    if api == "chat":
        return _chat_stream(body) if stream else _chat(body)
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
