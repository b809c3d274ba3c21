"""The official Anthropic SDK, types enforced, against the demo."""

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from anthropic.types import RawMessageStreamEvent
from live import serving
from pydantic import TypeAdapter

from proxy.demo import create_app

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [
    {"name": "get_weather", "description": "Weather", "input_schema": SCHEMA},
    {
        "name": "ping",
        "input_schema": {"type": "object", "properties": {}},
    },
]
ADAPTIVE: Any = {"type": "adaptive", "display": "summarized"}


@pytest.fixture(scope="module")
def client() -> Iterator[Anthropic]:
    with (
        serving(create_app()) as url,
        Anthropic(base_url=url, api_key="k", max_retries=0, _strict_response_validation=True) as sdk,
    ):
        yield sdk


def ask(client: Anthropic, text: str, **more: Any) -> Any:
    messages = more.pop("messages", [{"role": "user", "content": text}])
    return client.messages.create(**{"model": "demo-claude", "max_tokens": 500, "messages": messages, **more})


def test_stream_builds_the_whole_answer(client: Anthropic) -> None:
    more: Any = {"thinking": ADAPTIVE, "output_config": {"effort": "medium"}, "system": "Be brief."}
    whole = ask(client, "What is “Größe”?", **more)
    events = list(ask(client, "What is “Größe”?", stream=True, **more))
    for event in events:
        EVENT.validate_python(event.model_dump())
    with client.messages.stream(
        model="demo-claude", max_tokens=500, messages=[{"role": "user", "content": "What is “Größe”?"}], **more
    ) as stream:
        final = stream.get_final_message()
    assert [block.model_dump(exclude={"parsed_output"}) for block in final.content] == [
        block.model_dump() for block in whole.content
    ]
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.input_tokens == whole.usage.input_tokens
    assert whole.content[0].thinking.startswith("The user asks")
    assert whole.content[0].signature
    assert 0 < whole.usage.output_tokens_details.thinking_tokens < whole.usage.output_tokens


def test_display_is_omitted_unless_asked(client: Anthropic) -> None:
    answer = ask(client, "Why?", thinking={"type": "adaptive"})
    assert answer.content[0].type == "thinking"
    assert answer.content[0].thinking == ""
    assert answer.content[0].signature


def test_tool_loop_with_thinking_in_parallel(client: Anthropic) -> None:
    first = ask(client, "Weather in Paris in parallel", tools=TOOLS, thinking=ADAPTIVE)
    thinking, call, ping = first.content
    assert first.stop_reason == "tool_use"
    assert call.input == {"city": "Paris"}
    assert ping.input == {}
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": block.name} for block in (call, ping)]
    turns = [
        {"role": "user", "content": "Weather in Paris in parallel"},
        {"role": "assistant", "content": [thinking, call, ping]},
        {"role": "user", "content": results},
    ]
    last = ask(client, "", messages=turns, tools=TOOLS, thinking=ADAPTIVE)
    assert last.stop_reason == "end_turn"
    assert "get_weather; ping" in last.content[-1].text


def test_tool_input_streams_in_fragments_and_an_empty_one_as_empty(client: Anthropic) -> None:
    events = list(ask(client, "Weather in Paris in parallel", tools=TOOLS, stream=True))
    parts: dict[int, list[str]] = {}
    for event in events:
        if event.type == "content_block_delta" and event.delta.type == "input_json_delta":
            parts.setdefault(event.index, []).append(event.delta.partial_json)
    assert "".join(parts[0]) == '{"city":"Paris"}'
    assert parts[0][0] == ""
    assert len(parts[0]) > 2
    assert parts[1] == [""]


def test_structured_output_image_limit_stop_and_forced_tool(client: Anthropic) -> None:
    schema = {**SCHEMA, "additionalProperties": False}
    formatted = ask(client, "In Rome", output_config={"format": {"type": "json_schema", "schema": schema}})
    assert formatted.content[0].text == '{"city":"Rome"}'
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    turn = {"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": "What?"}]}
    assert "I see an image" in ask(client, "", messages=[turn]).content[0].text
    cut = ask(client, "Hi", max_tokens=3)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 3)
    stopped = ask(client, "Hi", stop_sequences=["model"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "model")
    forced = ask(client, "Hi", tools=TOOLS, tool_choice={"type": "tool", "name": "ping"})
    assert [block.name for block in forced.content] == ["ping"]
    silent = ask(client, "Hi", tools=TOOLS, tool_choice={"type": "none"})
    assert silent.stop_reason == "end_turn"


def test_cache_tokens_are_additive(client: Anthropic) -> None:
    system = [{"type": "text", "text": "one two three", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    plain = ask(client, "Hi", system="one two three").usage
    first = ask(client, "Hi", system=system).usage
    assert first.cache_creation_input_tokens == 3
    assert first.cache_creation.ephemeral_1h_input_tokens == 3
    assert first.input_tokens + first.cache_creation_input_tokens == plain.input_tokens
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    later = ask(client, "", messages=turns, system=system).usage
    assert (later.cache_read_input_tokens, later.cache_creation_input_tokens) == (3, 0)


def test_count_tokens_equals_the_bill(client: Anthropic) -> None:
    messages: Any = [{"role": "user", "content": "Hi there"}]
    counted = client.messages.count_tokens(model="demo-claude", messages=messages, tools=TOOLS)
    assert counted.input_tokens == ask(client, "Hi there", tools=TOOLS).usage.input_tokens
    assert "demo-claude" in [model.id for model in client.models.list()]
