"""The Responses API through the official SDK, each mode ending in the SDK's own response."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from checker import check_responses, parse_sse
from openai import AsyncOpenAI, OpenAI, omit
from openai.lib._parsing._responses import parse_response, type_to_text_format_param
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import Discriminator, TypeAdapter
from sdk_words import Answer, Json, Question, Result, Turn

PATH = "/responses"
TUNING: Json = {"temperature": 0, "top_p": 1, "user": "u", "extra_body": {"seed": 1}}
EVENT: TypeAdapter[Any] = TypeAdapter(Annotated[get_args(ResponseStreamEvent)[0], Discriminator("type")])


def spell(question: Question) -> Json:
    """The keyword arguments of ``create`` (without the model and the shape to parse into)."""
    items: list[Any] = []
    for turn in question.turns:
        items += _items(turn)
    asked: Json = {"input": items}
    if question.tools:
        asked["tools"] = [{"type": "function", **tool} for tool in question.tools]
    if question.choice in ("auto", "required", "none"):
        asked["tool_choice"] = question.choice
    elif question.choice:
        asked["tool_choice"] = {"type": "function", "name": question.choice}
    if question.shape == "json_object":
        asked["text"] = {"format": {"type": "json_object"}}
    if question.effort:
        asked["reasoning"] = {"effort": question.effort, "summary": "auto"}
    rest = {"parallel_tool_calls": question.parallel, "max_output_tokens": question.limit}
    return asked | {name: value for name, value in rest.items() if value is not None}


def _items(turn: Turn) -> list[Any]:
    if isinstance(turn, Answer):
        return list(turn.back)
    if isinstance(turn, Result):
        return [{"type": "function_call_output", "call_id": turn.call_id, "output": turn.text}]
    if turn.image is None:
        return [{"role": turn.role, "content": turn.text}]
    image = {"type": "input_image", "image_url": turn.image, "detail": "auto"}
    return [{"role": turn.role, "content": [{"type": "input_text", "text": turn.text}, image]}]


def whole(sdk: OpenAI | AsyncOpenAI, asked: Json, question: Question) -> Any:
    """A response, or what gives one when awaited."""
    if question.model:
        return sdk.responses.parse(**asked, text_format=question.model)
    return sdk.responses.create(**asked)


def streamed(sdk: OpenAI, asked: Json, question: Question) -> Response:
    """By the SDK's stream helper."""
    final: list[Response] = []
    with sdk.responses.stream(**_helped(asked, question)) as stream:
        for event in stream:
            final += _ended(event)
    return final[0]


async def astreamed(sdk: AsyncOpenAI, asked: Json, question: Question) -> Response:
    """The same, asynchronous."""
    final: list[Response] = []
    async with sdk.responses.stream(**_helped(asked, question)) as stream:
        async for event in stream:
            final += _ended(event)
    return final[0]


def iterated(sdk: OpenAI, asked: Json, question: Question) -> Response:
    """Event by event."""
    events: Any = sdk.responses.create(**body(asked, question))
    return _parsed(next(response for event in events for response in _ended(event)), question)


def read(raw: bytes, asked: Json, question: Question) -> Response:
    """The bytes of a stream, checked event by event."""
    events = parse_sse(raw)
    sent = {**body(asked, question), **asked.get("extra_body", {})}
    check_responses(events, {name: value for name, value in sent.items() if name != "input"})
    typed = [EVENT.validate_python(event, strict=True) for event in events]
    return _parsed(next(response for event in typed for response in _ended(event)), question)


def _parsed(response: Response, question: Question) -> Response:
    return parse_response(text_format=question.model or omit, input_tools=omit, response=response)


def body(asked: Json, question: Question) -> Json:
    """The same request as an SDK sends it for a stream."""
    shaped = {"text": {"format": type_to_text_format_param(question.model)}} if question.model else {}
    return {**asked, **shaped, "stream": True}


def _helped(asked: Json, question: Question) -> Json:
    return {**asked, **({"text_format": question.model} if question.model else {})}


def _ended(event: Any) -> list[Response]:
    return [event.response] if event.type in ("response.completed", "response.incomplete") else []


def answer(response: Response) -> Answer:
    """What was said."""
    usage = response.usage
    assert usage
    calls = [item for item in response.output if item.type == "function_call"]
    thoughts = [item for item in response.output if item.type == "reasoning"]
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    parsed = [found for part in parts if (found := getattr(part, "parsed", None)) is not None]
    told = "length" if response.status == "incomplete" else "tool_calls" if calls else "stop"
    read, wrote = usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens
    return Answer(
        text=response.output_text,
        calls=tuple((call.name, call.arguments) for call in calls),
        finish=told,  # type: ignore[arg-type]
        usage=(usage.input_tokens, read, usage.output_tokens, wrote, usage.total_tokens),
        reasoning="".join(part.text for item in thoughts for part in (item.summary or item.content or ())),
        parsed=parsed[0] if parsed else None,
        call_ids=tuple(call.call_id for call in calls),
        back=response.output,
    )
