"""Traps of stored state, through the public door: G59 of the list of failures seen in the field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from checker import parse_sse
from heard import heard
from live import Live
from road import BACKENDS, MODES, Road, body, config
from scripted import Upstream, scripted
from vendors import Call, Json, Says

OLD, NEW = "Talk like a pirate.", "Talk like a judge."
QUESTION, RESULT, ANSWER = "Weather in Rome?", "It is 21 degrees.", "Mild."
TOOLS = [
    {
        "type": "function",
        "name": "get_weather",
        "description": "The weather at a place.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "strict": False,
    }
]


@contextmanager
def serve(upstream: Upstream, folder: Path) -> Iterator[Road]:
    with Live(config(upstream.url), folder=folder) as live, httpx2.Client(timeout=20) as http:
        yield Road(live, upstream, http)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with scripted() as made:
        yield made


@pytest.fixture(scope="module")
def road(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with serve(upstream, tmp_path_factory.mktemp("state")) as made:
        yield made


def turn(road: Road, backend: str, says: Says, *, stream: bool, **fields: Any) -> Json:
    """The response object of one turn, once types and checker have passed it."""
    road.plays(backend, says, stream=stream)
    asked = body("responses", backend, stream=stream, tools=TOOLS, **fields)
    got = road.post("responses", asked)
    assert got.status_code == 200, got.text
    # What OpenAI answers its own client passes unread, and the script does not echo.
    unread = backend == "gpt" and "previous_response_id" not in fields
    heard("responses", got.content, stream=stream, asked={"input": asked["input"]} if unread else asked)
    told: Json = parse_sse(got.content)[-1]["response"] if stream else got.json()
    return told


def begun(road: Road, backend: str, *, stream: bool) -> tuple[str, str]:
    """The id of a turn that called a tool, and of its call."""
    calls = Says(calls=(Call("get_weather", {"city": "Rome"}, f"call_{backend}_{stream:d}"),))
    told = turn(road, backend, calls, stream=stream, input=[{"role": "user", "content": QUESTION}], instructions=OLD)
    [call] = [item for item in told["output"] if item["type"] == "function_call"]
    return told["id"], call["call_id"]


def gone_on(road: Road, backend: str, before: tuple[str, str], *, stream: bool, **fields: Any) -> Json:
    previous, call_id = before
    result = {"type": "function_call_output", "call_id": call_id, "output": RESULT}
    says = Says((ANSWER,))
    told = turn(road, backend, says, stream=stream, input=[result], previous_response_id=previous, **fields)
    assert told["previous_response_id"] == previous
    return road.sent()


def history(dialect: str, sent: Json) -> list[tuple[str, str]]:
    """What the upstream was told, as (kind, what matters of it), in order."""
    return list(_HISTORY[dialect](sent))


def _chat(sent: Json) -> Iterator[tuple[str, str]]:
    for message in sent["messages"]:
        for call in message.get("tool_calls") or []:
            yield "call", call["function"]["name"]
        if message["role"] == "tool":
            yield "result", message["content"]
        elif message.get("content"):
            yield message["role"].replace("developer", "system"), message["content"]


def _anthropic(sent: Json) -> Iterator[tuple[str, str]]:
    if "system" in sent:
        yield "system", _text(sent["system"])
    for message in sent["messages"]:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            match block["type"]:
                case "tool_use":
                    yield "call", block["name"]
                case "tool_result":
                    yield "result", _text(block["content"])
                case "text":
                    yield message["role"], block["text"]


def _gemini(sent: Json) -> Iterator[tuple[str, str]]:
    if "systemInstruction" in sent:
        yield "system", sent["systemInstruction"]["parts"][0]["text"]
    for content in sent["contents"]:
        for part in content["parts"]:
            if "functionCall" in part:
                yield "call", part["functionCall"]["name"]
            elif "functionResponse" in part:
                [said] = part["functionResponse"]["response"].values()
                yield "result", said
            else:
                yield content["role"], part["text"]


def _responses(sent: Json) -> Iterator[tuple[str, str]]:
    if sent.get("instructions"):
        yield "system", sent["instructions"]
    for item in sent["input"]:
        match item.get("type", "message"):
            case "function_call":
                yield "call", item["name"]
            case "function_call_output":
                yield "result", item["output"]
            case "message":
                yield item["role"], _text(item["content"])


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


_HISTORY = {
    "openai_chat": _chat,
    "anthropic_messages": _anthropic,
    "google_gemini": _gemini,
    "openai_responses": _responses,
}
WHOLE = [("user", QUESTION), ("call", "get_weather"), ("result", RESULT)]


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g59_the_whole_thread_goes_upstream_and_no_old_instructions(road: Road, backend: str, stream: bool) -> None:
    before = begun(road, backend, stream=stream)
    assert history(BACKENDS[backend][0], road.sent())[0] == ("system", OLD)
    sent = gone_on(road, backend, before, stream=stream)
    assert history(BACKENDS[backend][0], sent) == WHOLE
    assert "previous_response_id" not in sent
    sent = gone_on(road, backend, before, stream=stream, instructions=NEW)
    assert history(BACKENDS[backend][0], sent) == [("system", NEW), *WHOLE]


def test_g59_it_works_after_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    with serve(upstream, tmp_path) as road:
        begun_at = {(backend, mode): begun(road, backend, stream=mode) for backend in BACKENDS for mode in MODES}
        road.live.kill()
    with serve(upstream, tmp_path) as road:
        for (backend, mode), before in begun_at.items():
            sent = gone_on(road, backend, before, stream=mode)
            assert history(BACKENDS[backend][0], sent) == WHOLE, backend
