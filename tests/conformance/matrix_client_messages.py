"""A client of Anthropic's Messages in the matrix: how it asks, and what it hears once types and checker allow it."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

from anthropic.types import Message, RawMessageStreamEvent
from checker import parse_sse
from checker_messages import check_error, check_message, check_message_twins, check_messages
from matrix_road import Road
from matrix_words import IMAGE, SCHEMA, TOOLS, Call, Fault, Heard, Json, Past, Question, Told
from pydantic import Discriminator, TypeAdapter

NAME = "messages"
_EVENT: TypeAdapter[Any] = TypeAdapter(Annotated[get_args(RawMessageStreamEvent)[0], Discriminator("type")])
_FINISHES = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}


def spell(question: Question, model: str, *, stream: bool) -> Json:
    """The body of the request."""
    parts: Any = question.text
    if question.image:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}}
        parts = [image, {"type": "text", "text": question.text}]
    past = [message for turn in question.past for message in _past(turn)]
    asked: Json = {"model": model, "messages": [{"role": "user", "content": parts}, *past], "stream": stream}
    if question.tools:
        asked["tools"] = [
            {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
            for tool in TOOLS
        ]
    output: Json = {}
    if question.effort:
        asked["thinking"] = {"type": "adaptive", "display": "summarized"}
        output["effort"] = question.effort
    if question.shaped:
        output["format"] = {"type": "json_schema", "schema": SCHEMA}
    return asked | {"max_tokens": question.limit or 4096} | ({"output_config": output} if output else {})


def _past(turn: Past) -> list[Json]:
    answers = zip(turn.heard.calls, turn.results, strict=True)
    told = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in answers]
    return [turn.heard.back, {"role": "user", "content": told}]


def send(road: Road, body: Json) -> None:
    """By the SDK, to its end; the SDK raises what it makes of an error."""
    told: Any = road.anthropic.messages.create(**body)
    if body["stream"]:
        list(told)


def whole(raw: bytes, _body: Json) -> Heard:
    """A message."""
    return _heard(json.loads(raw))


def streamed(raw: bytes, _body: Json) -> Heard:
    """A stream, event by event, and then added up."""
    return _heard(check_messages(_events(raw)))


def _events(raw: bytes) -> list[Json]:
    events = parse_sse(raw, done=False)
    for event in events:
        if event["type"] not in ("ping", "error"):  # which the SDK's type of an event leaves out
            _EVENT.validate_python(event, strict=True)
    return events


def broken(raw: bytes, status: int) -> Told:
    """A stream that ends with an error."""
    events = _events(raw)
    check_messages(events, done=False)
    text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
    return _told(events[-1], status, text)


def refused(raw: bytes, status: int) -> Told:
    """An error in HTTP."""
    return _told(json.loads(raw), status)


def _told(body: Json, status: int, text: str = "") -> Told:
    check_error(body)
    assert body.keys() <= {"type", "error", "request_id"}
    return Told(status, body["error"]["type"], None, text)


_TYPES = {
    "rate_limit_exceeded": "rate_limit_error", "context_length_exceeded": "invalid_request_error",
    "model_not_found": "not_found_error", "upstream_overloaded": "overloaded_error", "upstream_loading": "overloaded_error",
    "overloaded_error": "overloaded_error",
}  # fmt: skip
"""Anthropic's word for an error; any other failure is an ``api_error``."""


def wanted(fault: Fault, *, committed: bool) -> Told:
    """What must be told of an upstream's error."""
    return Told(200 if committed else fault.client_status, _TYPES.get(fault.code, "api_error"), None)


def usage(counts: dict[str, int]) -> dict[str, int]:
    """The counts as they must stand on this client's wire: what was read from a cache or written to one is beside the
    input."""
    fresh = counts["input"] - counts["cached"] - counts["written"]
    return {name: count for name, count in counts.items() if name != "total"} | {"input": fresh}


def _heard(told: Json) -> Heard:
    check_message(told)
    message = Message.model_validate_json(json.dumps(told), strict=True)
    blocks = message.content
    calls = tuple(Call(block.id, block.name, dict(block.input)) for block in blocks if block.type == "tool_use")
    details = message.stop_details
    return Heard(
        text="".join(block.text for block in blocks if block.type == "text"),
        thoughts="".join(block.thinking for block in blocks if block.type == "thinking"),
        calls=calls,
        refusal=(details and details.explanation) or "",
        finish=_FINISHES[message.stop_reason or ""],
        usage=_usage(message),
        back={"role": "assistant", "content": told["content"]},
        wire=told,
    )


def twins(streamed: Heard, whole: Heard) -> None:
    """Both messages, field by field."""
    check_message_twins(streamed.wire, whole.wire)


def _usage(message: Message) -> dict[str, int]:
    told = message.usage
    details = told.output_tokens_details
    return {
        "input": told.input_tokens,
        "cached": told.cache_read_input_tokens or 0,
        "written": told.cache_creation_input_tokens or 0,
        "output": told.output_tokens,
        "thought": (details and details.thinking_tokens) or 0,
    }
