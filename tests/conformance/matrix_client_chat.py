"""A chat client of the matrix: how it asks, and what it hears once types and checker have let it through."""

from __future__ import annotations

import json
from typing import Any

from checker import check_chat, parse_sse
from matrix_road import Road
from matrix_words import IMAGE, SCHEMA, TOOLS, Call, Fault, Heard, Json, Past, Question, Told
from openai import omit
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

NAME = "chat"


def spell(question: Question, model: str, *, stream: bool) -> Json:
    """The body of the request."""
    parts: Any = question.text
    if question.image:
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}
        parts = [{"type": "text", "text": question.text}, image]
    past = [message for turn in question.past for message in _past(turn)]
    asked: Json = {"model": model, "messages": [{"role": "user", "content": parts}, *past], "stream": stream}
    if question.tools:
        asked["tools"] = [{"type": "function", "function": tool} for tool in TOOLS]
    if question.effort:
        asked["reasoning_effort"] = question.effort
    if question.shaped:
        shape = {"name": "person", "schema": SCHEMA, "strict": True}
        asked["response_format"] = {"type": "json_schema", "json_schema": shape}
    if question.limit:
        asked["max_completion_tokens"] = question.limit
    return asked | ({"stream_options": {"include_usage": True}} if stream else {})


def _past(turn: Past) -> list[Json]:
    answers = zip(turn.heard.calls, turn.results, strict=True)
    return [turn.heard.back, *({"role": "tool", "tool_call_id": call.id, "content": text} for call, text in answers)]


def send(road: Road, body: Json) -> None:
    """By the SDK, to its end; the SDK raises what it makes of an error."""
    told: Any = road.openai.chat.completions.create(**body)
    if body["stream"]:
        list(told)


def whole(raw: bytes, _body: Json) -> Heard:
    """A completion."""
    return _heard(ChatCompletion.model_validate_json(raw, strict=True))


def streamed(raw: bytes, _body: Json) -> Heard:
    """A stream, event by event, and then as the SDK adds it up."""
    chunks = parse_sse(raw)
    check_chat(chunks, include_usage=True)
    return _heard(_added(chunks))


def _added(chunks: list[Json]) -> ChatCompletion:
    state: Any = ChatCompletionStreamState(response_format=omit)
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk, strict=True))
    completion: ChatCompletion = state.current_completion_snapshot
    return completion


def broken(raw: bytes, status: int) -> Told:
    """A stream that ends with an error."""
    chunks = parse_sse(raw, done=False)
    check_chat(chunks, include_usage=True, done=False)
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks[:-1] for choice in chunk["choices"])
    return _told(chunks[-1], status, text)


def refused(raw: bytes, status: int) -> Told:
    """An error in HTTP."""
    return _told(json.loads(raw), status)


def _told(body: Json, status: int, text: str = "") -> Told:
    assert body.keys() == {"error"}
    error = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return Told(status, error["type"], error["code"], text)


def wanted(fault: Fault, *, committed: bool) -> Told:
    """What must be told of an upstream's error."""
    return Told(200 if committed else fault.client_status, fault.type, fault.code)


def usage(counts: dict[str, int]) -> dict[str, int]:
    """The counts as they must stand on this client's wire: OpenAI's rules are the matrix's."""
    return counts


def _heard(completion: ChatCompletion) -> Heard:
    (choice,) = completion.choices
    message = choice.message
    calls: list[Any] = message.tool_calls or []
    back: Json = {"role": "assistant", "content": message.content or None}
    if calls:
        back["tool_calls"] = [call.model_dump(include={"id", "type", "function"}, exclude_none=True) for call in calls]
        for call in back["tool_calls"]:
            call["function"] = {name: call["function"][name] for name in ("name", "arguments")}
    return Heard(
        text=message.content or "",
        thoughts=(message.model_extra or {}).get("reasoning_content") or "",
        calls=tuple(Call(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls),
        refusal=message.refusal or "",
        finish=choice.finish_reason,
        usage=_usage(completion),
        back=back,
    )


def twins(streamed: Heard, whole: Heard) -> None:
    """What goes into the next turn, ids apart."""
    one, other = (json.dumps(heard.back) for heard in (streamed, whole))
    for told, same in zip(streamed.calls, whole.calls, strict=True):
        one, other = one.replace(told.id, ""), other.replace(same.id, "")
    assert one == other


def _usage(completion: ChatCompletion) -> dict[str, int]:
    told = completion.usage
    assert told
    read, wrote = told.prompt_tokens_details, told.completion_tokens_details
    return {
        "input": told.prompt_tokens,
        "cached": (read and read.cached_tokens) or 0,
        "written": (read and read.cache_write_tokens) or 0,
        "output": told.completion_tokens,
        "thought": (wrote and wrote.reasoning_tokens) or 0,
        "total": told.total_tokens,
    }
