"""Every kind of stream that the demo makes passes the stream invariant checker."""

from typing import Any

import msgspec
import pytest
from asgi_post import post
from checker import check_chat, check_responses, parse_sse

from proxy.demo import create_app

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FN = {"name": "get_weather", "parameters": CITY, "strict": True}
CUSTOM = {"name": "run_sql", "description": "SQL"}
SCHEMA = {"name": "place", "schema": CITY, "strict": True}
FORMAT = {"type": "json_schema", "json_schema": SCHEMA}

CHAT: dict[str, dict[str, Any]] = {
    "text": {},
    "usage": {"stream_options": {"include_usage": True}},
    "choices": {"n": 3, "stream_options": {"include_usage": True}},
    "effort": {"reasoning_effort": "high"},
    "tools": {"tools": [{"type": "function", "function": FN}], "stream_options": {"include_usage": True}},
    "custom tool": {"tools": [{"type": "function", "function": FN}, {"type": "custom", "custom": CUSTOM}]},
    "format": {"response_format": FORMAT},
    "limit": {"max_completion_tokens": 3},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
}
RESPONSES: dict[str, dict[str, Any]] = {
    "text": {"instructions": "Be brief.", "metadata": {"a": "b"}, "temperature": 0, "top_p": 1},
    "effort": {"reasoning": {"effort": "high"}},
    "summary": {"reasoning": {"effort": "low", "summary": "auto"}},
    "tools": {"tools": [{"type": "function", **FN}], "tool_choice": "required", "parallel_tool_calls": False},
    "custom tool": {
        "tools": [{"type": "function", **FN}, {"type": "custom", **CUSTOM}],
        "reasoning": {"effort": "low"},
    },
    "format": {"text": {"format": {"type": "json_schema", **SCHEMA}}},
    "limit": {"max_output_tokens": 16},
    "limit within reasoning": {"max_output_tokens": 16, "reasoning": {"effort": "max", "summary": "auto"}},
    "logprobs": {"include": ["message.output_text.logprobs"], "top_logprobs": 1},
}
TEXT = "Weather in “Köln” 日本 in parallel"


@pytest.mark.anyio
@pytest.mark.parametrize("model", ["demo-chat", "demo-local"])
@pytest.mark.parametrize("name", CHAT)
async def test_chat_streams(model: str, name: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": TEXT}], **CHAT[name]}
    reply = await post(create_app(), "/v1/chat/completions", {**body, "stream": True})
    chunks = parse_sse(reply.body)
    check_chat(chunks, include_usage="stream_options" in body)
    whole = {key: value for key, value in body.items() if key != "stream_options"}
    answer = msgspec.json.decode((await post(create_app(), "/v1/chat/completions", whole)).body)
    if "stream_options" in body:
        assert chunks[-1]["usage"] == answer["usage"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", RESPONSES)
async def test_responses_streams(name: str) -> None:
    body = {"model": "demo-openai", "input": TEXT, **RESPONSES[name]}
    reply = await post(create_app(), "/v1/responses", {**body, "stream": True})
    events = parse_sse(reply.body)
    check_responses(events, body)
    answer = msgspec.json.decode((await post(create_app(), "/v1/responses", body)).body)
    same = ("output", "usage", "status", "incomplete_details", "tools", "text")
    assert {key: events[-1]["response"][key] for key in same} == {key: answer[key] for key in same}
