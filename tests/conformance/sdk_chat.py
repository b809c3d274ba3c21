"""Chat completions through the official SDK, each mode ending in the SDK's own completion."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from checker import check_chat, parse_sse
from openai import AsyncOpenAI, LengthFinishReasonError, OpenAI, omit
from openai.lib._parsing import type_to_response_format_param
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from sdk_words import Answer, Json, Question, Result, Turn

PATH = "/chat/completions"
TUNING: Json = {"temperature": 0, "top_p": 1, "seed": 1, "user": "u"}
_USAGE: Json = {"stream": True, "stream_options": {"include_usage": True}}


def spell(question: Question) -> Json:
    """The keyword arguments of ``create`` (without the model and the shape to parse into)."""
    asked: Json = {"messages": [_message(turn) for turn in question.turns]}
    if question.tools:
        asked["tools"] = [{"type": "function", "function": tool} for tool in question.tools]
    if question.choice in ("auto", "required", "none"):
        asked["tool_choice"] = question.choice
    elif question.choice:
        asked["tool_choice"] = {"type": "function", "function": {"name": question.choice}}
    if question.shape == "json_object":
        asked["response_format"] = {"type": "json_object"}
    rest = {
        "parallel_tool_calls": question.parallel,
        "reasoning_effort": question.effort,
        "max_completion_tokens": question.limit,
        "stop": list(question.stop) or None,
    }
    return asked | {name: value for name, value in rest.items() if value is not None}


def _message(turn: Turn) -> Any:
    if isinstance(turn, Answer):
        return turn.back
    if isinstance(turn, Result):
        return {"role": "tool", "tool_call_id": turn.call_id, "content": turn.text}
    if turn.image is None:
        return {"role": turn.role, "content": turn.text}
    parts = [{"type": "text", "text": turn.text}, {"type": "image_url", "image_url": {"url": turn.image}}]
    return {"role": turn.role, "content": parts}


def whole(sdk: OpenAI | AsyncOpenAI, asked: Json, question: Question) -> Any:
    """A completion, or what gives one when awaited."""
    if question.model:
        return sdk.chat.completions.parse(**asked, response_format=question.model)
    return sdk.chat.completions.create(**asked)


def streamed(sdk: OpenAI, asked: Json, question: Question) -> ChatCompletion:
    """By the SDK's stream helper."""
    with sdk.chat.completions.stream(**_helped(asked, question)) as stream:
        for event in stream:
            assert event.type
        with suppress(LengthFinishReasonError):
            return stream.get_final_completion()
        return stream.current_completion_snapshot


async def astreamed(sdk: AsyncOpenAI, asked: Json, question: Question) -> ChatCompletion:
    """The same, asynchronous."""
    async with sdk.chat.completions.stream(**_helped(asked, question)) as stream:
        async for event in stream:
            assert event.type
        with suppress(LengthFinishReasonError):
            return await stream.get_final_completion()
        return stream.current_completion_snapshot


def iterated(sdk: OpenAI, asked: Json, question: Question) -> ChatCompletion:
    """Chunk by chunk."""
    return _added(list(sdk.chat.completions.create(**body(asked, question))), question)


def read(raw: bytes, asked: Json, question: Question) -> ChatCompletion:
    """The bytes of a stream: checked event by event, then added up by the SDK."""
    chunks = parse_sse(raw)
    check_chat(chunks, include_usage=True)
    return _added([ChatCompletionChunk.model_validate(chunk, strict=True) for chunk in chunks], question)


def body(asked: Json, question: Question) -> Json:
    """The same request as an SDK sends it for a stream."""
    shaped = {"response_format": type_to_response_format_param(question.model)} if question.model else {}
    return {**asked, **shaped, **_USAGE}


def _helped(asked: Json, question: Question) -> Json:
    shaped = {"response_format": question.model} if question.model else {}
    return {**asked, **shaped, "stream_options": _USAGE["stream_options"]}


def _added(chunks: list[ChatCompletionChunk], question: Question) -> ChatCompletion:
    state: Any = ChatCompletionStreamState(response_format=question.model or omit)
    for chunk in chunks:
        state.handle_chunk(chunk)
    final: ChatCompletion = state.current_completion_snapshot
    with suppress(LengthFinishReasonError):
        final = state.get_final_completion()
    return final


def answer(completion: ChatCompletion) -> Answer:
    """What was said."""
    (choice,) = completion.choices
    message, usage = choice.message, completion.usage
    assert usage
    calls: list[Any] = message.tool_calls or []
    read, wrote = usage.prompt_tokens_details, usage.completion_tokens_details
    counted = (read and read.cached_tokens) or 0, (wrote and wrote.reasoning_tokens) or 0
    return Answer(
        text=message.content or "",
        calls=tuple((call.function.name, call.function.arguments) for call in calls),
        finish=choice.finish_reason,  # type: ignore[arg-type]
        usage=(usage.prompt_tokens, counted[0], usage.completion_tokens, counted[1], usage.total_tokens),
        reasoning=(message.model_extra or {}).get("reasoning_content") or "",
        parsed=getattr(message, "parsed", None),
        call_ids=tuple(call.id for call in calls),
        back=_back(message),
    )


def _back(message: Any) -> Json:
    """The message as an application keeps it: the SDK's own additions would be unknown fields to OpenAI."""
    kept: Json = message.model_dump(mode="json", exclude_none=True, exclude={"parsed", "annotations"})
    for call in kept.get("tool_calls", []):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    return kept
