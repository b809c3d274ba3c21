"""Ten tool turns with reasoning, by the SDKs, before vendors that check every signature (the demo's strict upstream)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from live import Live, demo_config, demo_upstream

Json = dict[str, Any]
TURNS = 10
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
MORE = """
  to-budget: {use: [budget]}
  to-flash: {use: [flash]}
"""
ROWS = """
  budget: {provider: anthropic, base_url: "%s", model: claude-sonnet-4-5, credential: sk-demo-claude}
  flash: {provider: google, base_url: "%s/v1beta", model: gemini-3-flash, credential: sk-demo-gemini}
pools:"""
BACKENDS = ("to-claude", "to-budget", "to-gemini", "to-flash", "to-openai")


@dataclass(frozen=True)
class Scene:
    """A Turnout in front of the demo; ``journal``: what the demo was sent."""

    live: Live
    journal: list[Json]

    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.live.base_url, api_key="none", max_retries=0)

    def anthropic(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.live.url, api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    journal: list[Json] = []
    with demo_upstream(journal=journal) as url:
        text = demo_config(url, MORE).replace("\npools:", ROWS % (url, url), 1)
        with Live(text) as live:
            yield Scene(live, journal)


def signatures(sent: Json) -> int:
    """How many states of its own the vendor was given back."""
    body = sent["body"]
    parts = [part for turn in body.get("contents", ()) for part in turn["parts"]]
    blocks = [block for turn in body.get("messages", ()) for block in turn["content"] if isinstance(block, dict)]
    items = body.get("input", ())
    held = ("thoughtSignature", "signature", "encrypted_content")
    return sum(any(name in one for name in held) for one in (*parts, *blocks, *items))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_chat(scene: Scene, backend: str, stream: bool) -> None:
    """A client that keeps role, content and tool_calls alone."""
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    messages: list[Any] = [{"role": "user", "content": "The weather, in parallel, of Rome and Oslo"}]
    client = scene.openai()
    for turn in range(TURNS):
        asked: Any = {"model": backend, "messages": messages, "tools": [tool], "reasoning_effort": "medium"}
        if stream:
            with client.chat.completions.stream(**asked) as events:
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**asked).choices[0].message
        calls = [call.model_dump(include={"id", "type", "function"}) for call in message.tool_calls or ()]
        for call in calls:
            call["function"] = {name: call["function"][name] for name in ("name", "arguments")}
        assert calls, turn
        assert signatures(scene.journal[-1]) == turn
        messages.append({"role": "assistant", "content": message.content, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": f"sun {turn}"} for call in calls]
        messages.append({"role": "user", "content": f"And on day {turn}, in parallel, in Rome and Oslo?"})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_responses(scene: Scene, backend: str, stream: bool) -> None:
    """A client that keeps its own history: nothing is stored, every item goes back as it came. All in one turn, but
    where a token budget for thinking forbids to force a tool."""
    tool: Any = {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    items: list[Any] = [{"role": "user", "content": "The weather, in parallel, of Rome and Oslo"}]
    client = scene.openai()
    for turn in range(TURNS):
        asked: Any = {"model": backend, "input": items, "tools": [tool], "store": False}
        asked |= {"include": ["reasoning.encrypted_content"], "reasoning": {"effort": "medium", "summary": "auto"}}
        asked["tool_choice"] = "auto" if backend == "to-budget" else "required"
        if stream:
            with client.responses.stream(**asked) as events:
                response: Any = events.get_final_response()
        else:
            response = client.responses.create(**asked)
        calls = [item.call_id for item in response.output if item.type == "function_call"]
        assert calls, turn
        assert signatures(scene.journal[-1]) == turn
        items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]
        items += [{"type": "function_call_output", "call_id": id_, "output": f"sun {turn}"} for id_ in calls]
        if backend == "to-budget":
            items.append({"role": "user", "content": f"And on day {turn}?"})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_messages(scene: Scene, backend: str, stream: bool) -> None:
    """Anthropic's own SDK, in front of everybody."""
    messages: list[Any] = [{"role": "user", "content": "The weather, in parallel, of Rome and Oslo"}]
    client = scene.anthropic()
    for turn in range(TURNS):
        asked: Any = {"model": backend, "messages": messages, "max_tokens": 4000}
        asked["tools"] = [{"name": "weather", "input_schema": SCHEMA}]
        asked["extra_body"] = _thinking(backend)
        if stream:
            with client.messages.stream(**asked) as events:
                message = events.get_final_message()
        else:
            message = client.messages.create(**asked)
        calls = [block.id for block in message.content if block.type == "tool_use"]
        assert calls, turn
        assert signatures(scene.journal[-1]) == turn
        messages.append(
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]}
        )
        results: list[Any] = [{"type": "tool_result", "tool_use_id": id_, "content": f"sun {turn}"} for id_ in calls]
        messages.append({"role": "user", "content": [*results, {"type": "text", "text": f"And on day {turn}?"}]})


def _thinking(backend: str) -> Json:
    if backend == "to-budget":
        return {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "medium"}}
