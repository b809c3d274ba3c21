"""Requests whose turns, items and tools have the usual shape are read in one step: nothing of them may be read otherwise
than field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters import ir
from adapters.anthropic_messages import plain as messages_plain
from adapters.catalog import DIALECTS
from adapters.openai_responses import plain as responses_plain

Json = dict[str, Any]
TURNS: list[Any] = [
    {"role": "user", "content": "Hello"},
    {"role": "system", "content": "Be terse."},
    {"role": "assistant", "content": ""},
    {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": ""}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": None}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1.50}}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": [1]}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "18"}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}, {"type": "text", "text": "So?"}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "!", "is_error": False}]},
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}]},
            {"type": "tool_result", "tool_use_id": "b", "content": [{"text": "2"}]},
        ],
    },
    {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
    {"role": "user", "content": [{"type": "text", "text": None}]},
    {"role": "user", "content": [{"text": "Hi"}]},
    {"role": "user", "content": None},
    {"role": "user"},
    {"role": "tool", "content": "Hi"},
    {"content": "Hi"},
    "Hi",
]
MESSAGES_TOOLS: list[Any] = [
    {"name": "f", "input_schema": {"type": "object"}},
    {"type": "custom", "name": "f", "description": "d", "strict": True, "input_schema": {}},
    {"type": None, "name": "f", "input_schema": {}},
    {"name": "f", "description": None, "strict": None, "input_schema": {}},
    {"name": "f", "input_schema": None},
    {"name": "f", "input_schema": {}, "cache_control": {"type": "ephemeral"}},
    {"type": "bash_20250124", "name": "bash"},
]
ITEMS: list[Any] = [
    {"role": "user", "content": "Hello"},
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be terse."}]},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]},
    {"type": "message", "role": "assistant", "id": "msg_1", "phase": "commentary", "content": "Hi"},
    {"type": "message", "role": "assistant", "id": None, "status": "completed", "content": "Hi"},
    {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "input_image", "image_url": "https://a/b"}]},
    {"role": "user", "content": [{"text": "Hi"}]},
    {"role": "user", "content": []},
    {"role": "user", "content": None},
    {"role": "tool", "content": "Hi"},
    {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"role": 1}'},
    {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}", "id": "fc_1", "namespace": "n"},
    {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}", "id": None},
    {"type": "function_call", "call_id": "a", "name": "f", "arguments": {}},
    {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "text", "id": "ctc_1", "namespace": "n"},
    {"type": "function_call_output", "call_id": "a", "output": "18", "id": "fco_1"},
    {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "18"}]},
    {"type": "custom_tool_call_output", "call_id": "a", "output": "18", "id": "ctco_1"},
    {"type": "function_call_output", "output": "18"},
    {"call_id": "a", "output": "18"},
    {"type": "item_reference", "id": "msg_1"},
]
RESPONSES_TOOLS: list[Any] = [
    {"type": "function", "name": "f"},
    {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False},
    {"type": "function", "name": "f", "description": None, "parameters": None, "strict": None},
    {"type": "function", "name": "f", "defer_loading": True},
    {"type": "function", "description": "d"},
    {"name": "f"},
    {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
]
QUESTIONS: list[tuple[str, Json]] = [
    *(("anthropic_messages", {"messages": [turn]}) for turn in TURNS),
    *(("anthropic_messages", {"messages": TURNS[:1], "tools": [tool]}) for tool in MESSAGES_TOOLS),
    *(("openai_responses", {"input": [item]}) for item in ITEMS),
    *(("openai_responses", {"input": "Hi", "tools": [tool]}) for tool in RESPONSES_TOOLS),
]


@pytest.mark.parametrize(("dialect", "fields"), QUESTIONS)
def test_the_short_way_reads_what_the_long_way_reads(
    dialect: str, fields: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"model": "m", **fields}).encode()
    short = read(dialect, body)
    for module, names in ((messages_plain, ("turn", "tool")), (responses_plain, ("message", "call", "tool"))):
        for name in names:
            monkeypatch.setattr(module, name, lambda raw: None)
    assert read(dialect, body) == short


def read(dialect: str, body: bytes) -> ir.Request | ir.Failure:
    """The request, or why it is none."""
    try:
        return DIALECTS[dialect].read_request(body)
    except ir.Invalid as error:
        return error.failure
