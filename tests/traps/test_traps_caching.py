"""Traps of prompt caching, through the public door: G61 and G62 of the list of failures seen in the field."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from road import APIS, BACKENDS, MODES, Road, build
from vendors import Json, Says

MARK = {"type": "ephemeral"}
PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PARAMETERS = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}, "required": ["z"]}
DESCRIBED = {"name": "look", "description": "Looks.", "parameters": PARAMETERS}


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def call(id_: str, **more: Any) -> Json:
    return {"id": id_, "type": "function", "function": {"name": "look", "arguments": '{"z": "é", "a": 1}'}, **more}


MARKED: Json = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "A long text.", "cache_control": MARK}]},
        {"role": "assistant", "content": None, "tool_calls": [call("call_a"), call("call_b", cache_control=MARK)]},
        {"role": "tool", "tool_call_id": "call_a", "content": "one"},
        {"role": "tool", "tool_call_id": "call_b", "content": "two", "cache_control": MARK},
    ],
    "tools": [{"type": "function", "function": DESCRIBED, "cache_control": MARK}],
}
"""The same as an Anthropic client would mark it: a text, a call, a result and a tool."""


@pytest.mark.parametrize("stream", MODES)
def test_g61_breakpoints_stay_on_their_blocks_for_claude(road: Road, stream: bool) -> None:
    road.plays("claude", Says(("fine",)), stream=stream)
    got = road.ask("chat", "claude", stream=stream, **MARKED)
    sent = road.sent()
    marked = [("tools", tool["name"]) for tool in sent["tools"] if "cache_control" in tool]
    for turn in sent["messages"]:
        marked += [
            (part["type"], part.get("id") or part.get("tool_use_id"))
            for part in turn["content"]
            if "cache_control" in part
        ]
    assert marked == [("tools", "look"), ("text", None), ("tool_use", "call_b"), ("tool_result", "call_b")]
    assert [part["type"] for part in sent["messages"][-1]["content"]] == ["tool_result", "tool_result"]
    assert "cache_control" not in got.headers.get("x-turnout-dropped", "")
    assert "cache_control" not in sent, "the client set its own"


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "claude"])
def test_g61_nobody_else_is_told_of_them(road: Road, backend: str, stream: bool) -> None:
    road.plays(backend, Says(("fine",)), stream=stream)
    got = road.ask("chat", backend, stream=stream, **MARKED)
    assert b"cache_control" not in road.upstream.asked[-1].raw
    assert "cache_control" in got.headers["x-turnout-dropped"].split(", ")


def test_g61_nor_of_those_in_a_responses_request(road: Road) -> None:
    part = {"type": "input_text", "text": "A long text.", "cache_control": MARK}
    for backend in BACKENDS:
        road.plays(backend, Says(("fine",)), stream=False)
        road.ask("responses", backend, input=[{"role": "user", "content": [part]}])
        assert (b"cache_control" in road.upstream.asked[-1].raw) is (backend == "claude"), backend


def turns(api: str, count: int) -> list[Json]:
    """A conversation of so many steps, each a prefix of the next: a picture, thoughts, calls and their results."""
    made: list[Json] = _opening(api)
    for number in range(count):
        made += _step(api, f"call_{number}", number)
    return made


def _opening(api: str) -> list[Json]:
    if api == "responses":
        parts: list[Json] = [
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": PICTURE},
        ]
        return [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]


def _step(api: str, id_: str, number: int) -> list[Json]:
    if api == "chat":
        thought = {
            "role": "assistant",
            "content": f"Step {number}.",
            "reasoning_content": "Hm.",
            "tool_calls": [call(id_)],
        }
        return [thought, {"role": "tool", "tool_call_id": id_, "content": f"result {number}"}]
    return [
        {"type": "reasoning", "id": f"rs_{'0' * 32}_{number}", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": f"Step {number}."}]},
        {"type": "function_call", "call_id": id_, "name": "look", "arguments": '{"z": "é", "a": 1}'},
        {"type": "function_call_output", "call_id": id_, "output": f"result {number}"},
    ]


def ask(road: Road, api: str, backend: str, count: int) -> dict[str, msgspec.Raw]:
    """What the upstream is sent after so many steps, its top level still raw."""
    road.plays(backend, Says(("fine",)), stream=False)
    if api == "responses":
        tool: Json = {"type": "function", "strict": False, **DESCRIBED}
        road.ask(api, backend, input=turns(api, count), tools=[tool], reasoning={"effort": "low"})
    else:
        tool = {"type": "function", "function": DESCRIBED}
        road.ask(api, backend, messages=turns(api, count), tools=[tool], reasoning_effort="low")
    return msgspec.json.decode(road.upstream.asked[-1].raw, type=dict[str, msgspec.Raw])


HISTORIES = ("messages", "input", "contents")
UNMOVED = ("tools", "system", "instructions", "systemInstruction")


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g62_what_was_sent_before_is_sent_again_byte_for_byte(road: Road, backend: str, api: str) -> None:
    bodies = [ask(road, api, backend, count) for count in range(4)]
    (history,) = [name for name in HISTORIES if name in bodies[0]]
    for before, after in pairwise(bodies):
        assert list(before) == list(after), "keys keep their order"
        assert [bytes(after.get(name, b"")) for name in UNMOVED] == [bytes(before.get(name, b"")) for name in UNMOVED]
        shared = bytes(before[history])[:-1]
        assert bytes(after[history]).startswith(shared), (shared, bytes(after[history]))


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g62_no_id_and_no_date_of_ours_is_in_it(road: Road, backend: str, api: str) -> None:
    assert ask(road, api, backend, 3) == ask(road, api, backend, 3)
