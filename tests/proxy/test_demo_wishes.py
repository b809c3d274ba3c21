"""What a question asks of the demo in so many words: tools by name, step by step, and text word for word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from live import demo_upstream

from proxy.demo.brain import Prompt, Said, Tool, think
from proxy.demo.wishes import means, steps, verbatim

TEXT = {"type": "object", "properties": {"text": {"type": "string"}, "more": {"type": "string"}}}
TOOLS = (
    Tool("first", TEXT),
    Tool("patch", {}, custom=True),
    Tool("search", TEXT, namespace="mcp__docs"),
    Tool("mcp__web__fetch", TEXT),
)
CALL, RESULT = Said("assistant", "{}", "call"), Said("tool", "done", "result")


def called(text: str, *after: Said, **more: Any) -> list[str]:
    answer = think(Prompt(said=(Said("user", text), *after), tools=TOOLS, **more))
    return [call.tool.name for call in answer.calls]


def test_steps_and_the_tools_of_each() -> None:
    assert steps("Use the tool a, then use the tools b-c and mcp__d. Last use the tool e!") == [
        ["a"],
        ["b-c", "mcp__d"],
        ["e"],
    ]
    assert steps("The tool said nothing, so use a tool") == []


@pytest.mark.parametrize(
    ("word", "name", "namespace", "same"),
    [
        ("search", "search", None, True),
        ("search", "search", "mcp__docs", True),
        ("mcp__docs__search", "search", "mcp__docs", True),
        ("mcp__docs__search", "mcp__docs__search", None, True),
        ("search", "mcp__docs__search", None, True),
        ("search", "research", None, False),
        ("mcp__web__search", "search", "mcp__docs", False),
    ],
)
def test_a_tool_is_meant_with_its_namespace_or_without(word: str, name: str, namespace: str | None, same: bool) -> None:
    assert means(word, name, namespace) is same


def test_each_step_calls_its_tools_and_then_there_is_an_answer() -> None:
    text = "Use the tool patch, then use the tools fetch and search."
    assert called(text) == ["patch"]
    assert called(text, CALL, RESULT) == ["mcp__web__fetch", "search"]
    assert called(text, CALL, RESULT, CALL, CALL, RESULT, RESULT) == []


def test_calls_of_earlier_questions_are_no_steps_of_this_one() -> None:
    before = (CALL, RESULT, Said("assistant", "Well."), Said("user", "Use the tool search"))
    assert called("Use the tool patch", *before) == ["search"]


def test_one_call_at_a_time_where_that_is_asked() -> None:
    assert called("Use the tools patch and first", parallel=False) == ["patch"]


def test_a_tool_that_is_not_on_offer_is_not_called() -> None:
    assert called("Use the tool delete_all") == []


def test_fenced_text_is_given_as_it_stands() -> None:
    text = 'Use the tools patch and first on “this”:\n```\n  "a"\\n\n\tb\n```\nand no more'
    calls = think(Prompt(said=(Said("user", text),), tools=TOOLS)).calls
    assert verbatim(text) == calls[0].input == calls[1].arguments["text"] == '  "a"\\n\n\tb\n'
    assert calls[1].arguments["more"] != calls[0].input


def test_without_a_fence_nothing_is_verbatim() -> None:
    assert verbatim("Use ```this``` here") is None


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with demo_upstream() as found:
        yield found


def test_responses_offers_tools_that_come_in_the_middle(url: str) -> None:
    tool = {"type": "namespace", "name": "mcp__x", "tools": [{"type": "function", "name": "y", "parameters": TEXT}]}
    later = {"type": "additional_tools", "role": "developer", "tools": [tool]}
    body = {"model": "gpt-5.6", "input": [later, {"role": "user", "content": "Use the tool y"}]}
    told = httpx2.post(f"{url}/v1/responses", json=body).json()
    [call] = [item for item in told["output"] if item["type"] == "function_call"]
    assert (call["namespace"], call["name"]) == ("mcp__x", "y")
    assert json.loads(call["arguments"])


def test_responses_refuses_a_wrong_tool_in_the_middle(url: str) -> None:
    later = {"type": "additional_tools", "role": "developer", "tools": [{"type": "nonsense"}]}
    body = {"model": "gpt-5.6", "input": [{"role": "user", "content": "Hi"}, later]}
    told = httpx2.post(f"{url}/v1/responses", json=body)
    assert (told.status_code, told.json()["error"]["param"]) == (400, "input[1].tools[0].type")
