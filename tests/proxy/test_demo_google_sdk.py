"""The official google-genai SDK against the demo."""

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types
from live import serving
from pydantic import BaseModel

from proxy.demo import create_app

MODEL = "demo-gemini"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: Any = [
    {
        "function_declarations": [
            {"name": "get_weather", "description": "Weather", "parameters_json_schema": CITY},
            {
                "name": "old",
                "parameters": {"type": "OBJECT", "properties": {"day": {"type": "INTEGER", "nullable": True}}},
            },
        ]
    }
]


class Place(BaseModel):
    city: str
    number: int


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    with serving(create_app()) as url:
        yield genai.Client(api_key="k", http_options={"base_url": url})


def ask(client: genai.Client, contents: Any, model: str = MODEL, **config: Any) -> types.GenerateContentResponse:
    return client.models.generate_content(model=model, contents=contents, config=types.GenerateContentConfig(**config))


def parts(answer: types.GenerateContentResponse) -> list[types.Part]:
    assert answer.candidates
    assert answer.candidates[0].content
    return answer.candidates[0].content.parts or []


def test_stream_builds_the_whole_answer(client: genai.Client) -> None:
    config: Any = {
        "thinking_config": {"include_thoughts": True, "thinking_level": "low"},
        "system_instruction": "Short",
    }
    whole = ask(client, "What is “Größe”?", **config)
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="What is “Größe”?", config=config))
    streamed = [part for chunk in chunks for part in parts(chunk)]
    assert "".join(part.text or "" for part in streamed if not part.thought) == whole.text
    assert "".join(part.text or "" for part in streamed if part.thought) == parts(whole)[0].text
    assert chunks[-1].usage_metadata == whole.usage_metadata
    assert [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates][:-1] == [None] * (
        len(chunks) - 1
    )
    assert streamed[-1].thought_signature == parts(whole)[1].thought_signature
    usage = whole.usage_metadata
    assert usage
    assert usage.thoughts_token_count
    assert usage.total_token_count == sum(
        count or 0 for count in (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count)
    )


def test_thoughts_are_counted_but_hidden_unless_included(client: genai.Client) -> None:
    answer = ask(client, "Why?")
    assert [part.thought for part in parts(answer)] == [None]
    assert answer.usage_metadata
    assert answer.usage_metadata.thoughts_token_count


def test_tool_loop_keeps_ids_and_signatures(client: genai.Client) -> None:
    first = ask(client, "Weather in Paris in parallel", tools=TOOLS, automatic_function_calling={"disable": True})
    assert first.candidates
    assert first.candidates[0].finish_reason == types.FinishReason.STOP
    called = parts(first)
    calls = [part.function_call for part in called]
    assert calls[0]
    assert calls[0].args == {"city": "Paris"}
    assert called[0].thought_signature
    assert called[1].thought_signature is None
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": call.name}))
        for call in calls
        if call
    ]
    assert first.candidates[0].content
    history = [types.UserContent("Weather in Paris"), first.candidates[0].content, types.UserContent(results)]
    last = ask(client, history, tools=TOOLS)
    assert "get_weather; old" in (last.text or "")


def test_gemini_25_has_neither_ids_nor_signatures_and_may_not_think(client: genai.Client) -> None:
    answer = ask(client, "Call", model="gemini-2.5-flash", tools=TOOLS, thinking_config={"thinking_budget": 0})
    part = parts(answer)[0]
    assert part.function_call
    assert part.function_call.id is None
    assert part.thought_signature is None
    assert answer.usage_metadata
    assert answer.usage_metadata.thoughts_token_count is None


def test_structured_output_image_limit_and_candidates(client: genai.Client) -> None:
    parsed = ask(client, "In Rome, 7", response_mime_type="application/json", response_schema=Place)
    assert parsed.parsed == Place(city="Rome", number=7)
    by_schema = ask(client, "In Rome", response_mime_type="application/json", response_json_schema=CITY)
    assert by_schema.text == '{"city":"Rome"}'
    image = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
    assert "I see an image" in (ask(client, [image, "What?"]).text or "")
    cut = ask(
        client, "count to 50", model="gemini-2.5-flash", max_output_tokens=3, thinking_config={"thinking_budget": 0}
    )
    assert cut.candidates
    assert cut.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert len(ask(client, "Hi", candidate_count=2).candidates or []) == 2


def test_tool_modes(client: genai.Client) -> None:
    none = ask(client, "Call", tools=TOOLS, tool_config={"function_calling_config": {"mode": "NONE"}})
    assert (none.text or "").startswith("Demo answer")
    config = {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["old"]}}
    call = parts(ask(client, "Call", tools=TOOLS, tool_config=config))[0].function_call
    assert call
    assert call.name == "old"


def test_count_tokens_and_models(client: genai.Client) -> None:
    counted = client.models.count_tokens(model=MODEL, contents="Hi there")
    answer = ask(client, "Hi there")
    assert answer.usage_metadata
    assert counted.total_tokens == answer.usage_metadata.prompt_token_count
    assert "models/demo-gemini" in [model.name for model in client.models.list(config={"query_base": True})]
