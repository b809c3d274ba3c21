"""A Responses client of the matrix: how it asks, and what it hears once types and checker have let it through."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

from checker import check_echo, check_responses, check_twins, parse_sse
from matrix_road import Road
from matrix_words import IMAGE, SCHEMA, TOOLS, Call, Fault, Heard, Json, Past, Question, Told
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import Discriminator, TypeAdapter

NAME = "responses"
_EVENT: TypeAdapter[Any] = TypeAdapter(Annotated[get_args(ResponseStreamEvent)[0], Discriminator("type")])


def spell(question: Question, model: str, *, stream: bool) -> Json:
    """The body of the request, of a client that keeps its own turns."""
    parts: Any = question.text
    if question.image:
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}", "detail": "auto"}
        parts = [{"type": "input_text", "text": question.text}, image]
    past = [item for turn in question.past for item in _past(turn)]
    asked: Json = {"model": model, "input": [{"role": "user", "content": parts}, *past], "stream": stream}
    if question.tools:
        asked["tools"] = [{"type": "function", **tool} for tool in TOOLS]
    if question.effort:
        asked["reasoning"] = {"effort": question.effort, "summary": "auto"}
        asked["include"] = ["reasoning.encrypted_content"]
    if question.shaped:
        asked["text"] = {"format": {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}}
    if question.limit:
        asked["max_output_tokens"] = question.limit
    return asked | {"store": False, "metadata": {"a": "b"}, "instructions": "Be brief."}


def _past(turn: Past) -> list[Json]:
    answers = zip(turn.heard.calls, turn.results, strict=True)
    told = [{"type": "function_call_output", "call_id": call.id, "output": text} for call, text in answers]
    return [*turn.heard.back, *told]


def send(road: Road, body: Json) -> None:
    """By the SDK, to its end; the SDK raises what it makes of an error."""
    told: Any = road.openai.responses.create(**body)
    if body["stream"]:
        list(told)


def whole(raw: bytes, body: Json) -> Heard:
    """A response."""
    told = json.loads(raw)
    check_echo(told, body)
    return _heard(told)


def streamed(raw: bytes, body: Json) -> Heard:
    """A stream, event by event; what it says is in its last response."""
    events = parse_sse(raw)
    check_responses(events, {name: value for name, value in body.items() if name != "input"})
    for event in events:
        _EVENT.validate_python(event, strict=True)
    return _heard(events[-1]["response"])


def broken(raw: bytes, _status: int) -> Told:
    """A stream that ends with an error."""
    events = parse_sse(raw)
    check_responses(events)
    for event in events:
        _EVENT.validate_python(event, strict=True)
    error = events[-1]["response"]["error"]
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    return Told(200, events[-1]["type"], error["code"], text)


def refused(raw: bytes, status: int) -> Told:
    """An error in HTTP."""
    body = json.loads(raw)
    assert body.keys() == {"error"}
    error = body["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return Told(status, error["type"], error["code"])


_CODES = {"rate_limit_exceeded": "rate_limit_exceeded", "context_length_exceeded": "invalid_prompt"}
"""Codes that a response may have; any other failure is a ``server_error``."""


def wanted(fault: Fault, *, committed: bool) -> Told:
    """What must be told of an upstream's error; in a stream, with one of the codes that a response may have."""
    if committed:
        return Told(200, "response.failed", _CODES.get(fault.code, "server_error"))
    return Told(fault.client_status, fault.type, fault.code)


def usage(counts: dict[str, int]) -> dict[str, int]:
    """The counts as they must stand on this client's wire: OpenAI's rules are the matrix's."""
    return counts


def _heard(told: Json) -> Heard:
    response = Response.model_validate_json(json.dumps(told), strict=True)
    calls = [item for item in response.output if item.type == "function_call"]
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    thoughts = [item for item in response.output if item.type == "reasoning"]
    spoken = [part.text for item in thoughts for part in (item.summary or item.content or ())]
    return Heard(
        text=response.output_text,
        thoughts="".join(spoken),
        calls=tuple(Call(call.call_id, call.name, json.loads(call.arguments)) for call in calls),
        refusal="".join(part.refusal for part in parts if part.type == "refusal"),
        finish=_finish(told, bool(calls)),
        usage=_usage(response),
        back=told["output"],
        wire=told,
    )


def twins(streamed: Heard, whole: Heard) -> None:
    """Both responses, field by field."""
    check_twins(streamed.wire, whole.wire)


def _finish(told: Json, called: bool) -> str:
    """The finish of the matrix's words; only these three ends are no errors."""
    if told["status"] == "incomplete":
        return {"max_output_tokens": "length", "content_filter": "content_filter"}[told["incomplete_details"]["reason"]]
    assert told["status"] == "completed"
    return "tool_calls" if called else "stop"


def _usage(response: Response) -> dict[str, int]:
    told = response.usage
    assert told
    return {
        "input": told.input_tokens,
        "cached": told.input_tokens_details.cached_tokens,
        "written": told.input_tokens_details.cache_write_tokens,
        "output": told.output_tokens,
        "thought": told.output_tokens_details.reasoning_tokens,
        "total": told.total_tokens,
    }
