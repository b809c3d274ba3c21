"""The judge of requests, judged: an unknown key anywhere in a body is caught, for each vendor's types."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest
from vendor_types import (
    assert_anthropic_request,
    assert_chat_request,
    assert_google_request,
    assert_responses_request,
)

Path = tuple[str | int, ...]
SCHEMA = {"type": "object"}
USER = {"role": "user", "content": "x"}

CHAT: list[dict[str, Any]] = [
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "x"}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "u"}}],
            },
            {
                "role": "assistant",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": "x"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
        "stream": True,
        "stream_options": {"include_usage": True},
    }
]
RESPONSES: list[dict[str, Any]] = [
    {"model": "m", "input": "x", "stream": True, "tools": [{"type": "custom", "name": "f"}]},
    {
        "model": "m",
        "input": [
            USER,
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "x"},
                    {"type": "input_image", "image_url": "u", "detail": "auto"},
                ],
            },
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "x"}]},
            {
                "type": "message",
                "role": "assistant",
                "id": "m",
                "status": "completed",
                "content": [{"type": "output_text", "text": "x", "annotations": []}],
            },
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "x"}]},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}],
        "tool_choice": {"type": "function", "name": "f"},
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
    },
]
CLAUDE: list[dict[str, Any]] = [
    {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            USER,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "x", "signature": "s"},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}]},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}},
                ],
            },
        ],
        "tools": [{"name": "f", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "f"},
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
    }
]
GEMINI: list[dict[str, Any]] = [
    {
        "contents": [
            {"role": "user", "parts": [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": "eA=="}}]},
            {"role": "model", "parts": [{"functionCall": {"id": "a", "name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "a", "name": "f", "response": {}}}]},
        ],
        "systemInstruction": {"parts": [{"text": "x"}]},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}, "responseJsonSchema": SCHEMA},
    }
]
FREE = ("parameters", "schema", "input_schema", "args", "response", "parametersJsonSchema", "responseJsonSchema")
"""What within is the client's own (Claude's ``input`` of a call too; a Responses ``input`` is a list)."""

JUDGES = [
    pytest.param(judge, body, id=f"{judge.__name__}-{number}")
    for judge, bodies in (
        (assert_chat_request, CHAT),
        (assert_responses_request, RESPONSES),
        (assert_anthropic_request, CLAUDE),
        (assert_google_request, GEMINI),
    )
    for number, body in enumerate(bodies)
]


def objects(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all objects in ``value`` whose keys are the vendor's."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            if name not in FREE and (name, inner) != ("input", {}):
                yield from objects(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from objects(inner, (*path, index))


@pytest.mark.parametrize(("judge", "body"), JUDGES)
def test_a_key_that_the_sdk_does_not_know_is_caught_wherever_it_stands(
    judge: Callable[[Any], None], body: dict[str, Any]
) -> None:
    judge(body)
    for path in objects(body):
        strange = copy.deepcopy(body)
        place: Any = strange
        for step in path:
            place = place[step]
        place["strange"] = 1
        with pytest.raises(pydantic.ValidationError):
            judge(strange)


@pytest.mark.parametrize(("judge", "body"), JUDGES)
def test_a_value_of_the_wrong_type_is_caught(judge: Callable[[Any], None], body: dict[str, Any]) -> None:
    for path in objects(body):
        if path and isinstance(path[-1], str):
            broken = copy.deepcopy(body)
            place: Any = broken
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = 5
            with pytest.raises(pydantic.ValidationError):
                judge(broken)


def test_a_servers_own_field_is_allowed_to_servers_alone() -> None:
    body = {"model": "m", "messages": [USER, {"role": "assistant", "content": "x", "reasoning": "hm"}]}
    assert_chat_request(body, server=True)
    with pytest.raises(pydantic.ValidationError):
        assert_chat_request(body)


def test_sampling_is_allowed_to_old_models_alone() -> None:
    body = {"model": "m", "max_tokens": 9, "messages": [USER], "temperature": 0.5}
    assert_anthropic_request(body, sampling=True)
    with pytest.raises(pydantic.ValidationError):
        assert_anthropic_request(body)


def test_googles_other_spelling_is_caught() -> None:
    with pytest.raises(AssertionError, match="max_output_tokens"):
        assert_google_request({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"max_output_tokens": 5}})
