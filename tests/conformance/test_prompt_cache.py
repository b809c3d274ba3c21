"""Done when 9: an agent's session on Claude reads most of its input from the cache, and nothing it sends moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from cache_simulator import Reading, Simulator
from live import Live
from openai import OpenAI
from scripted import Upstream, scripted

TURNS = 20
ENOUGH = 0.80
"""Of the input, what must be read from the cache."""
SYSTEM = "You are a careful engineer. " + "Read before you write; test what you change. " * 60
PROPERTIES = {"path": {"type": "string", "description": "Below the repository's root."}}
PARAMETERS = {"type": "object", "properties": PROPERTIES, "required": ["path"], "additionalProperties": False}
TOOLS = [
    (name, f"{name}: " + "what it does, told at length. " * 20) for name in ("read", "write", "grep", "run", "list")
]


@dataclass
class Session:
    """Turnout before a simulated Claude."""

    upstream: Upstream
    simulator: Simulator
    sdk: OpenAI

    def begin(self, **settings: Any) -> None:
        self.simulator = Simulator(calls=TURNS - 1, **settings)
        self.upstream.asked.clear()
        self.upstream.reply = self.simulator


CONFIG = """version: 1
backends:
  claude: {{provider: anthropic, model: claude-sonnet-5, base_url: "{url}/v1", credential: sk-canary-claude}}
  off: {{provider: anthropic, model: claude-sonnet-5, base_url: "{url}/v1", credential: sk-canary-claude, prompt_cache: "off"}}
aliases:
  claude: {{use: [claude]}}
  off: {{use: [off]}}
"""


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with scripted() as upstream, Live(CONFIG.format(url=upstream.url)) as live:
        sdk = OpenAI(base_url=live.base_url, api_key="k", max_retries=0, timeout=20, _strict_response_validation=True)
        yield Session(upstream, Simulator(), sdk)
        sdk.close()


def result(turn: int) -> str:
    """What the tool answers: more with every turn."""
    return f"file {turn}\n" + f"line of file {turn}\n" * (10 + 4 * turn)


def chat(sdk: OpenAI, model: str, **more: Any) -> list[tuple[int, int]]:
    """A chat client, which gives back nothing but what chat has words for. -> (input, cached) of each turn."""
    functions = [{"name": name, "description": about, "parameters": PARAMETERS} for name, about in TOOLS]
    tools: Any = [{"type": "function", "function": function} for function in functions]
    messages: Any = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Mend the parser."}]
    told = []
    for turn in range(TURNS):
        got = sdk.chat.completions.create(model=model, messages=messages, tools=tools, **more)
        assert got.usage is not None
        assert got.usage.prompt_tokens_details is not None
        told.append((got.usage.prompt_tokens, got.usage.prompt_tokens_details.cached_tokens or 0))
        answer = got.choices[0].message
        calls = [call.model_dump(exclude_none=True) for call in answer.tool_calls or ()]
        if not calls:
            assert turn == TURNS - 1
            break
        messages.append({"role": "assistant", "content": answer.content, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": result(turn)} for call in calls]
    return told


def responses(sdk: OpenAI, model: str, **more: Any) -> list[tuple[int, int]]:
    """A Responses client that streams and gives back every item. -> (input, cached) of each turn."""
    tools: Any = [
        {"type": "function", "name": name, "description": about, "parameters": PARAMETERS, "strict": True}
        for name, about in TOOLS
    ]
    items: Any = [{"role": "user", "content": "Mend the parser."}]
    told = []
    for turn in range(TURNS):
        stream = sdk.responses.create(
            model=model, instructions=SYSTEM, input=items, tools=tools, store=False, stream=True, **more
        )
        last = list(stream)[-1]
        assert last.type == "response.completed"
        usage = last.response.usage
        assert usage is not None
        told.append((usage.input_tokens, usage.input_tokens_details.cached_tokens))
        items += [item.model_dump(exclude_none=True) for item in last.response.output]
        calls = [item.call_id for item in last.response.output if item.type == "function_call"]
        if not calls:
            assert turn == TURNS - 1
            break
        items += [{"type": "function_call_output", "call_id": id_, "output": result(turn)} for id_ in calls]
    return told


CLIENTS = {"chat": chat, "responses": responses}
EFFORTS = {"chat": {"reasoning_effort": "medium"}, "responses": {"reasoning": {"effort": "medium", "summary": "auto"}}}


@pytest.mark.parametrize("thinks", [False, True], ids=["plain", "thinking"])
@pytest.mark.parametrize("api", CLIENTS)
def test_an_agent_session_reads_its_input_from_the_cache(session: Session, api: str, thinks: bool) -> None:
    """Measured 2026-11: 0.91 for both clients, with thinking and without."""
    session.begin()
    told = CLIENTS[api](session.sdk, "claude", **(EFFORTS[api] if thinks else {}))
    assert len(session.simulator.readings) == TURNS
    assert session.simulator.share >= ENOUGH, f"{session.simulator.share:.3f}"
    assert told == [(each.input, each.read) for each in session.simulator.readings]


@pytest.mark.parametrize("api", CLIENTS)
def test_nothing_is_kept_where_the_operator_does_not_want_it(session: Session, api: str) -> None:
    session.begin()
    CLIENTS[api](session.sdk, "off")
    assert session.simulator.share == 0
    assert b"cache_control" not in b"".join(asked.raw for asked in session.upstream.asked)


def test_a_short_prompt_gets_no_breakpoint(session: Session) -> None:
    session.begin()
    session.sdk.chat.completions.create(model="claude", messages=[{"role": "user", "content": "Hi!"}])
    assert "cache_control" not in session.upstream.asked[-1].body
    assert session.simulator.readings == [Reading(0, 0, session.simulator.readings[0].input)]


@pytest.mark.parametrize("api", CLIENTS)
def test_what_was_said_before_stays_byte_for_byte(session: Session, api: str) -> None:
    """G62: from one turn to the next, tools, system and history are the same bytes; only the end is new."""
    session.begin()
    CLIENTS[api](session.sdk, "claude", **EFFORTS[api])
    bodies = [asked.body for asked in session.upstream.asked]
    for before, after in pairwise(bodies):
        assert dumped(after["tools"]) == dumped(before["tools"])
        assert dumped(after["system"]) == dumped(before["system"])
        assert list(after) == list(before)
        assert dumped(after["messages"][: len(before["messages"])]) == dumped(before["messages"])


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
