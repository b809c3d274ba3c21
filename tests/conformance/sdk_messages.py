"""Messages through Anthropic's SDK, each mode ending in the SDK's own message."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

from anthropic import Anthropic, AsyncAnthropic, transform_schema
from anthropic.types import Message, RawMessageStreamEvent
from checker import parse_sse
from checker_messages import check_messages
from pydantic import Discriminator, TypeAdapter
from sdk_words import Answer, Json, Question, Result, Said, Turn

PATH = "/messages"
TUNING: Json = {"metadata": {"user_id": "u"}, "extra_body": {"temperature": 0.5, "top_p": 1}}
EVENT: TypeAdapter[Any] = TypeAdapter(Annotated[get_args(RawMessageStreamEvent)[0], Discriminator("type")])
_FINISHES = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def spell(question: Question) -> Json:
    """The keyword arguments of ``create`` (without the model)."""
    system = [turn.text for turn in question.turns if _is_system(turn)]
    turns = [_message(turn) for turn in question.turns if not _is_system(turn)]
    asked: Json = {"max_tokens": question.limit or 4096, "messages": _grouped(turns)}
    if system:
        asked["system"] = [{"type": "text", "text": text} for text in system]
    if question.tools:
        asked["tools"] = [_tool(tool) for tool in question.tools]
    choice = _choice(question)
    if choice is not None:
        asked["tool_choice"] = choice
    if question.effort:
        asked["thinking"] = {"type": "adaptive", "display": "summarized"}
    config = _output_config(question)
    if config:
        asked["output_config"] = config
    if question.stop:
        asked["stop_sequences"] = list(question.stop)
    return asked


def _is_system(turn: Turn) -> bool:
    return isinstance(turn, Said) and turn.role in ("system", "developer")


def _message(turn: Turn) -> Json:
    if isinstance(turn, Answer):
        return {"role": "assistant", "content": turn.back}
    if isinstance(turn, Result):
        result = {"type": "tool_result", "tool_use_id": turn.call_id, "content": turn.text}
        return {"role": "user", "content": [result]}
    if turn.image is None:
        return {"role": turn.role, "content": turn.text}
    data = turn.image.partition(",")[2]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    return {"role": turn.role, "content": [image, {"type": "text", "text": turn.text}]}


def _grouped(turns: list[Json]) -> list[Json]:
    """All results of one turn go into one message."""
    out: list[Json] = []
    for turn in turns:
        same = out and out[-1]["role"] == turn["role"] == "user"
        if same and isinstance(out[-1]["content"], list) and isinstance(turn["content"], list):
            out[-1]["content"] += turn["content"]
        else:
            out.append(turn)
    return out


def _tool(tool: Json) -> Json:
    kept = {name: tool[name] for name in ("name", "description", "strict") if name in tool}
    return {**kept, "input_schema": tool["parameters"]}


def _choice(question: Question) -> Json | None:
    names = {"required": "any", "none": "none", "auto": "auto"}
    choice = question.choice
    asked: Json | None = None
    if choice in names:
        asked = {"type": names[choice]}
    elif choice:
        asked = {"type": "tool", "name": choice}
    if question.parallel is not None:
        asked = {"type": "auto", **(asked or {}), "disable_parallel_tool_use": not question.parallel}
    return asked


def _output_config(question: Question) -> Json:
    config: Json = {"effort": question.effort} if question.effort else {}
    if question.model:
        config["format"] = {"type": "json_schema", "schema": transform_schema(question.model)}
    return config


def whole(sdk: Anthropic | AsyncAnthropic, asked: Json, question: Question) -> Any:
    """A message, or what gives one when awaited."""
    return sdk.messages.create(**asked)


def streamed(sdk: Anthropic, asked: Json, question: Question) -> Message:
    """By the SDK's stream helper."""
    with sdk.messages.stream(**asked) as stream:
        for event in stream:
            assert event.type
        return stream.get_final_message()


async def astreamed(sdk: AsyncAnthropic, asked: Json, question: Question) -> Message:
    """The same, asynchronous."""
    async with sdk.messages.stream(**asked) as stream:
        async for event in stream:
            assert event.type
        return await stream.get_final_message()


def iterated(sdk: Anthropic, asked: Json, question: Question) -> Message:
    """Event by event."""
    return _added([event.to_dict(mode="json") for event in sdk.messages.create(**asked, stream=True)])


def read(raw: bytes) -> Message:
    """The bytes of a stream, checked event by event."""
    events = parse_sse(raw, done=False)
    for event in events:
        if event["type"] != "ping":
            EVENT.validate_python(event, strict=True)
    return _added(events)


def _added(events: list[Json]) -> Message:
    return Message.model_validate(check_messages(events), strict=True)


def answer(message: Message, question: Question) -> Answer:
    """What was said."""
    usage = message.usage
    cached = usage.cache_read_input_tokens or 0
    read_ = usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0)
    thought = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0
    calls = [block for block in message.content if block.type == "tool_use"]
    text = "".join(block.text for block in message.content if block.type == "text")
    return Answer(
        text=text,
        calls=tuple((call.name, _json(call.input)) for call in calls),
        finish=_FINISHES[message.stop_reason or ""],  # type: ignore[arg-type]
        usage=(read_, cached, usage.output_tokens, thought, read_ + usage.output_tokens),
        reasoning="".join(block.thinking for block in message.content if block.type == "thinking"),
        parsed=question.model.model_validate_json(text) if question.model else None,
        call_ids=tuple(call.id for call in calls),
        back=[_kept(block) for block in message.content],
    )


def _kept(block: Any) -> Json:
    """A block as it goes back, without what the SDK's helpers add."""
    kept: Json = block.to_dict(mode="json")
    return {
        name: value for name, value in kept.items() if name not in ("parsed_output", "caller") and value is not None
    }


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True)
