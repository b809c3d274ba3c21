"""The official OpenAI SDK, types enforced, against the demo: chat and Responses, whole and streamed."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from live import serving
from openai import OpenAI
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from proxy.demo import create_app

CHAT_MODELS = ["demo-chat", "demo-local"]
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
    "strict": True,
}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
PIXEL = "data:image/png;base64,iVBORw0KGgo="


class Address(BaseModel):
    street: str
    number: int


class Person(BaseModel):
    name: str
    age: int
    mood: Literal["good", "bad"]
    homes: list[Address]
    nickname: str | None


@pytest.fixture(scope="module")
def client() -> Iterator[OpenAI]:
    with (
        serving(create_app()) as url,
        OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, _strict_response_validation=True) as sdk,
    ):
        yield sdk


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def test_chat_answer_streamed_equals_whole(client: OpenAI) -> None:
    for model in CHAT_MODELS:
        asked: dict[str, Any] = {"model": model, "messages": [user("What is “Größe” in 日本語? 🙂")], "seed": 1}
        whole = client.chat.completions.create(**asked)
        chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert whole.choices[0].message.content == text
        assert "日本語? 🙂" in text
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1].choices == []
        assert chunks[-1].usage == whole.usage
        assert {chunk.id for chunk in chunks} == {whole.id}


def test_chat_stream_has_no_usage_unless_asked(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="demo-chat", messages=[user("Hi!")], stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_vllm_like_names_give_reasoning_text_and_openai_names_only_count_it(client: OpenAI) -> None:
    asked: dict[str, Any] = {"messages": [user("Why?")], "reasoning_effort": "high"}
    local = client.chat.completions.create(model="demo-local", **asked)
    cloud = client.chat.completions.create(model="demo-chat", **asked)
    reasoning = (local.choices[0].message.model_extra or {})["reasoning"]
    assert "Why?" in reasoning
    assert "reasoning" not in (cloud.choices[0].message.model_extra or {})
    assert local.usage
    assert cloud.usage
    assert local.usage.completion_tokens_details
    assert cloud.usage.completion_tokens_details
    thought = local.usage.completion_tokens_details.reasoning_tokens
    assert thought == cloud.usage.completion_tokens_details.reasoning_tokens
    assert thought
    assert 0 < thought < local.usage.completion_tokens
    streamed = client.chat.completions.create(model="demo-local", **asked, stream=True)
    deltas = [(chunk.choices[0].delta.model_extra or {}).get("reasoning") for chunk in streamed]
    assert "".join(delta for delta in deltas if delta) == reasoning


def test_chat_tool_loop(client: OpenAI) -> None:
    for model in CHAT_MODELS:
        messages: list[Any] = [user("Weather in Paris, please, and in parallel in Rome")]
        tools: Any = [{"type": "function", "function": WEATHER}]
        first = client.chat.completions.create(model=model, messages=messages, tools=tools)
        assert first.choices[0].finish_reason == "tool_calls"
        calls = first.choices[0].message.tool_calls or []
        assert len({call.id for call in calls}) == 2
        assert json.loads(calls[0].function.arguments) == {"city": "Paris", "unit": "celsius"}  # type: ignore[union-attr]
        messages.append(first.choices[0].message)
        messages += [{"role": "tool", "tool_call_id": call.id, "content": f"sunny {i}"} for i, call in enumerate(calls)]
        last = client.chat.completions.create(model=model, messages=messages, tools=tools)
        assert last.choices[0].finish_reason == "stop"
        assert "sunny 0; sunny 1" in (last.choices[0].message.content or "")


def test_chat_tool_call_streams_in_fragments(client: OpenAI) -> None:
    asked: dict[str, Any] = {
        "messages": [user("Call it for Paris")],
        "tools": [{"type": "function", "function": WEATHER}],
    }
    for model in CHAT_MODELS:
        with client.chat.completions.stream(model=model, **asked) as stream:
            fragments = [
                event.arguments_delta for event in stream if event.type == "tool_calls.function.arguments.delta"
            ]
            final = stream.get_final_completion()
        assert len([fragment for fragment in fragments if fragment]) > 2
        assert final.choices[0].finish_reason == "tool_calls"
        whole = client.chat.completions.create(model=model, **asked)
        assert final.choices[0].message.tool_calls
        assert whole.choices[0].message.tool_calls
        assert final.choices[0].message.tool_calls[0].id == whole.choices[0].message.tool_calls[0].id
        assert "".join(fragments) == whole.choices[0].message.tool_calls[0].function.arguments  # type: ignore[union-attr]


def test_chat_parse_image_limit_stop_and_choices(client: OpenAI) -> None:
    for model in CHAT_MODELS:
        parsed = client.chat.completions.parse(model=model, messages=[user("Make one")], response_format=Person)
        assert isinstance(parsed.choices[0].message.parsed, Person)
        image: Any = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}
        seen = client.chat.completions.create(model=model, messages=[image])
        assert "I see an image" in (seen.choices[0].message.content or "")
        cut = client.chat.completions.create(
            model=model, messages=[user("Hi")], max_completion_tokens=3, reasoning_effort="none"
        )
        assert cut.choices[0].finish_reason == "length"
        assert cut.usage
        assert cut.usage.completion_tokens == 3
        stopped = client.chat.completions.create(model=model, messages=[user("Hi")], stop=["model"], n=2)
        assert [choice.finish_reason for choice in stopped.choices] == ["stop", "stop"]
        assert all("model" not in (choice.message.content or "") for choice in stopped.choices)


def test_chat_logprobs_cover_the_text(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="demo-chat", messages=[user("Hi")], logprobs=True, top_logprobs=2)
    logprobs = answer.choices[0].logprobs
    assert logprobs
    assert logprobs.content
    assert "".join(entry.token for entry in logprobs.content) == answer.choices[0].message.content
    assert all(len(entry.top_logprobs) == 2 for entry in logprobs.content)


def test_responses_events_build_the_whole_answer(client: OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "demo-openai",
        "input": "What is “Größe”?",
        "reasoning": {"effort": "low", "summary": "auto"},
        "instructions": "Be brief.",
        "metadata": {"a": "b"},
    }
    whole = client.responses.create(**asked)
    events = list(client.responses.create(**asked, stream=True))
    for event in events:
        EVENT.validate_python(event.model_dump(), strict=False)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [events[0].type, events[1].type] == ["response.created", "response.in_progress"]
    final = events[-1]
    assert final.type == "response.completed"
    assert final.response.output == whole.output
    assert final.response.usage == whole.usage
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == whole.output_text == final.response.output_text
    reasoning, message = whole.output
    assert reasoning.type == "reasoning"
    assert reasoning.summary[0].text
    assert reasoning.encrypted_content
    assert message.type == "message"
    assert whole.instructions == "Be brief."
    assert whole.metadata == {"a": "b"}


def test_responses_without_summary_still_reasons(client: OpenAI) -> None:
    answer = client.responses.create(model="demo-openai", input="Why?", reasoning={"effort": "medium"})
    assert answer.output[0].type == "reasoning"
    assert answer.output[0].summary == []
    assert answer.usage
    assert answer.usage.output_tokens_details.reasoning_tokens > 0


def test_responses_tool_loop(client: OpenAI) -> None:
    tools: Any = [{"type": "function", **WEATHER}, {"type": "custom", "name": "run_sql"}]
    asked: list[Any] = [user("Weather in Paris in parallel")]
    first = client.responses.create(model="demo-openai", input=asked, tools=tools, reasoning={"effort": "low"})
    call, custom = first.output[1], first.output[2]
    assert call.type == "function_call"
    assert json.loads(call.arguments)["city"] == "Paris"
    assert custom.type == "custom_tool_call"
    assert "run_sql" in custom.input
    asked += [item.model_dump(exclude_none=True) for item in first.output]
    asked.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    asked.append({"type": "custom_tool_call_output", "call_id": custom.call_id, "output": "1 row"})
    last = client.responses.create(model="demo-openai", input=asked, tools=tools)
    assert "sunny; 1 row" in last.output_text


def test_responses_tool_events(client: OpenAI) -> None:
    tools: Any = [{"type": "namespace", "name": "ns", "description": "n", "tools": [{"type": "function", **WEATHER}]}]
    events = list(client.responses.create(model="demo-openai", input="Call", tools=tools, stream=True))
    done = next(event for event in events if event.type == "response.function_call_arguments.done")
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(deltas) == done.arguments
    assert len(deltas) > 2
    item = next(event.item for event in events if event.type == "response.output_item.done")
    assert item.type == "function_call"
    assert item.namespace == "ns"
    assert item.name == "get_weather"


def test_responses_parse_image_and_limit(client: OpenAI) -> None:
    parsed = client.responses.parse(model="demo-openai", input="Make Anna, 33", text_format=Person)
    assert parsed.output_parsed
    assert parsed.output_parsed.age == 33
    part: Any = {"type": "input_image", "image_url": PIXEL, "detail": "auto"}
    seen = client.responses.create(model="demo-openai", input=[{"role": "user", "content": [part]}])
    assert "I see an image" in seen.output_text
    cut = client.responses.create(model="demo-openai", input="count to 100", max_output_tokens=16)
    assert cut.status == "incomplete"
    assert cut.incomplete_details
    assert cut.incomplete_details.reason == "max_output_tokens"
    assert cut.output[-1].type == "message"
    assert cut.output[-1].status == "incomplete"


def test_both_apis_give_the_same_answer_and_prompt_count(client: OpenAI) -> None:
    chat = client.chat.completions.create(model="demo-chat", messages=[user("Same?")])
    response = client.responses.create(model="demo-openai", input="Same?")
    assert chat.choices[0].message.content == response.output_text
    assert chat.usage
    assert response.usage
    assert chat.usage.prompt_tokens == response.usage.input_tokens


def test_small_endpoints(client: OpenAI) -> None:
    assert {"demo-local", "demo-claude"} <= {model.id for model in client.models.list()}
    vectors = client.embeddings.create(model="demo-embed", input=["a", "b"], dimensions=8, encoding_format="float")
    assert [len(row.embedding) for row in vectors.data] == [8, 8]
    assert vectors.data[0].embedding != vectors.data[1].embedding
    raw = client.embeddings.with_raw_response.create(model="demo-embed", input="a", dimensions=8)
    packed = base64.b64decode(raw.http_response.json()["data"][0]["embedding"])
    assert list(struct.unpack("<8f", packed)) == vectors.data[0].embedding
    old = client.completions.create(model="demo-local", prompt="Hi", max_tokens=4)
    assert old.choices[0].finish_reason == "length"
    assert old.usage
    assert old.usage.completion_tokens == 4
    stream = client.completions.with_raw_response.create(model="demo-local", prompt="Hi", max_tokens=4, stream=True)
    lines = [line for line in stream.http_response.iter_lines() if line.startswith("data: {")]
    text = "".join(json.loads(line[6:])["choices"][0]["text"] for line in lines)
    assert text == old.choices[0].text
    counted = client.responses.input_tokens.count(model="demo-openai", input="Same?")
    assert counted.input_tokens == 2
