"""Traps of tools, through the public door: G10-G14, G22 of the list of failures seen in the field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from road import APIS, BACKENDS, MODES, Road, build
from scripted import stream, whole
from vendors import Call, Json, Says, claude_block, claude_end, claude_start, data, gemini

NO_ARGUMENTS = {"name": "ping", "parameters": {"type": "object", "properties": {}}}
WEATHER = {
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def tools(api: str, *functions: Json) -> Json:
    if api == "responses":
        return {"tools": [{"type": "function", "strict": False, **function} for function in functions]}
    return {"tools": [{"type": "function", "function": function} for function in functions]}


def call(id_: str, arguments: str = '{"city":"Rome"}', name: str = "get_weather") -> tuple[str, str, str]:
    return id_, name, arguments


def history(
    api: str, calls: Sequence[tuple[str, str, str]], results: Sequence[tuple[str, str]], then: str | None = None
) -> Json:
    """A conversation in which the model called tools and got their results (id, text), and the user went on."""
    if api == "responses":
        items: list[Json] = [{"role": "user", "content": "Weather?"}]
        items += [
            {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}
            for id_, name, arguments in calls
        ]
        items += [{"type": "function_call_output", "call_id": id_, "output": text} for id_, text in results]
        items += [] if then is None else [{"role": "user", "content": then}]
        return {"input": items, **tools(api, WEATHER)}
    made = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id_, name, arguments in calls
    ]
    messages: list[Json] = [{"role": "user", "content": "Weather?"}]
    messages += [{"role": "assistant", "content": None, "tool_calls": made}]
    messages += [{"role": "tool", "tool_call_id": id_, "content": text} for id_, text in results]
    messages += [] if then is None else [{"role": "user", "content": then}]
    return {"messages": messages, **tools(api, WEATHER)}


def calls_in(api: str, answer: Any) -> list[tuple[str, str, str]]:
    """The calls of a whole answer, as a client would echo them."""
    if api == "responses":
        items = [item for item in answer["output"] if item["type"] == "function_call"]
        return [(item["call_id"], item["name"], item["arguments"]) for item in items]
    made = answer["choices"][0]["message"].get("tool_calls") or []
    return [(one["id"], one["function"]["name"], one["function"]["arguments"]) for one in made]


# --- G10 -----------------------------------------------------------------------------------------------------------


def _joined(api: str, answer: bytes, *, stream_: bool) -> str:
    """The arguments of the only call, as the client puts them together."""
    if not stream_:
        ((_, _, text),) = calls_in(api, json.loads(answer))
        return text
    told = [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: {")]
    if api == "responses":
        (done,) = (event for event in told if event["type"] == "response.function_call_arguments.done")
        return str(done["arguments"])
    pieces = [piece for one in told for choice in one["choices"] for piece in choice["delta"].get("tool_calls") or []]
    return "".join(piece["function"].get("arguments", "") for piece in pieces)


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g10_a_call_without_arguments_is_an_empty_object(road: Road, backend: str, api: str, stream_: bool) -> None:
    road.plays(backend, Says((), [Call("ping", {})]), stream=stream_)
    got = road.ask(api, backend, stream=stream_, **tools(api, NO_ARGUMENTS))
    assert _joined(api, got.content, stream_=stream_) == "{}"
    assert road.hear(api, backend, stream=stream_, **tools(api, NO_ARGUMENTS)).calls == [("ping", {})]


@pytest.mark.parametrize("api", APIS)
def test_g10_claudes_single_empty_piece(road: Road, api: str) -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "ping", "input": {}}
    piece = {"type": "input_json_delta", "partial_json": ""}
    road.upstream.script(stream(claude_start(), *claude_block(0, block, piece), *claude_end("tool_use")))
    got = road.ask(api, "claude", stream=True, **tools(api, NO_ARGUMENTS))
    assert _joined(api, got.content, stream_=True) == "{}"


# --- G11 -----------------------------------------------------------------------------------------------------------


def _claude_ids(sent: Json) -> tuple[list[str], list[str]]:
    blocks = [
        block for message in sent["messages"] if isinstance(message["content"], list) for block in message["content"]
    ]
    used = [block["id"] for block in blocks if block["type"] == "tool_use"]
    return used, [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g11_ids_that_claude_refuses_are_rewritten_alike_on_both_sides(road: Road, api: str, stream_: bool) -> None:
    strange = ["functions.Bash:0", "functions.Bash:1", "call|ø", "toolu_ok-1"]
    talk = history(api, [call(id_) for id_ in strange], [(id_, "sunny") for id_ in strange])
    road.plays("claude", Says(("ok",)), stream=stream_)
    seen = []
    for _ in range(2):
        road.ask(api, "claude", stream=stream_, **talk)
        used, answered = _claude_ids(road.sent())
        assert used == answered
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", id_) for id_ in used)
        assert len(set(used)) == len(strange)
        seen.append(used)
    assert seen[0] == seen[1]
    assert seen[0][-1] == "toolu_ok-1"


# --- G12, G13 ------------------------------------------------------------------------------------------------------

PAIR = [call("call_a"), call("call_b", '{"city":"Oslo"}')]
RESULTS = [("call_a", "sunny"), ("call_b", "snow")]


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g12_all_results_stand_in_the_next_user_turn_before_its_text(road: Road, api: str, stream_: bool) -> None:
    road.plays("claude", Says(("ok",)), stream=stream_)
    road.ask(api, "claude", stream=stream_, **history(api, PAIR, RESULTS, "And now?"))
    turns = road.sent()["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    told = turns[-1]["content"]
    assert [block["type"] for block in told] == ["tool_result", "tool_result", "text"]
    assert [block["tool_use_id"] for block in told[:2]] == ["call_a", "call_b"]
    assert told[2]["text"] == "And now?"


@pytest.mark.parametrize("order", [RESULTS, RESULTS[::-1]], ids=["in order", "reversed"])
@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g13_gemini_gets_all_results_in_one_content_in_call_order(
    road: Road, api: str, stream_: bool, order: list[tuple[str, str]]
) -> None:
    road.plays("gemini", Says(("ok",)), stream=stream_)
    road.ask(api, "gemini", stream=stream_, **history(api, PAIR, order))
    asked, called, answered = road.sent()["contents"]
    assert (asked["role"], called["role"], answered["role"]) == ("user", "model", "user")
    assert [part["functionCall"]["args"]["city"] for part in called["parts"]] == ["Rome", "Oslo"]
    told = [part["functionResponse"] for part in answered["parts"]]
    assert len(told) == 2
    assert ["sunny" in str(one["response"]) for one in told] == [True, False]
    assert all(isinstance(one["response"], dict) and one["name"] == "get_weather" for one in told)


# --- G14 -----------------------------------------------------------------------------------------------------------


def _twice(id_: str | None, turn: int = 0) -> Says:
    """The same function twice; ``id_``: what Gemini 3 calls them, None for 2.5, which gives none."""
    ids = (None, None) if id_ is None else (f"{id_}-1", f"{id_}-2")
    calls = [Call("get_weather", {"city": city}, one) for city, one in zip(("Rome", "Oslo"), ids, strict=True)]
    return Says((), calls, id=f"resp-{turn}")


@pytest.mark.parametrize("given", [None, "fn"], ids=["2.5", "3"])
@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g14_ids_are_unique_in_the_conversation_and_geminis_own_come_back(
    road: Road, api: str, stream_: bool, given: str | None
) -> None:
    made: list[tuple[str, str, str]] = []
    for turn in range(2):
        says = _twice(given and f"{given}{turn}", turn)
        road.plays("gemini", says, stream=stream_)
        assert len(road.hear(api, "gemini", stream=stream_, **tools(api, WEATHER)).calls) == 2
        road.plays("gemini", says, stream=False)
        made += calls_in(api, road.ask(api, "gemini", **tools(api, WEATHER)).json())
    assert len({id_ for id_, _, _ in made}) == 4
    assert all(id_ and id_ not in ("get_weather", "resp-up") for id_, _, _ in made)
    road.plays("gemini", Says(("ok",)), stream=stream_)
    road.ask(api, "gemini", stream=stream_, **history(api, made[:2], [(id_, "fine") for id_, _, _ in made[:2]]))
    contents = road.sent()["contents"]
    back = [part["functionResponse"].get("id") for part in contents[-1]["parts"]]
    called = [part["functionCall"].get("id") for part in contents[1]["parts"]]
    assert back == called
    if given is not None:
        assert back == ["fn0-1", "fn0-2"]


@pytest.mark.parametrize("api", APIS)
def test_g14_two_streamed_calls_of_one_function_do_not_merge(road: Road, api: str) -> None:
    road.plays("gemini", _twice(None), stream=True)
    got = road.hear(api, "gemini", stream=True, **tools(api, WEATHER))
    assert got.calls == [("get_weather", {"city": "Rome"}), ("get_weather", {"city": "Oslo"})]


# --- G22 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g22_geminis_stop_with_a_call_is_tool_calls(road: Road, api: str, stream_: bool) -> None:
    part = {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}}
    told = gemini([part], "STOP", promptTokenCount=3, candidatesTokenCount=4, totalTokenCount=7)
    road.upstream.script(stream(data(told)) if stream_ else whole(told))
    got = road.hear(api, "gemini", stream=stream_, **tools(api, WEATHER))
    assert got.finish == "tool_calls"
    assert got.calls == [("get_weather", {"city": "Rome"})]


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g22_a_call_ends_with_tool_calls_and_its_absence_with_stop(road: Road, backend: str, stream_: bool) -> None:
    for says, finish in (
        (Says(("Hm.",), [Call("get_weather", {"city": "Rome"})]), "tool_calls"),
        (Says(("Hm.",)), "stop"),
    ):
        road.plays(backend, says, stream=stream_)
        for api in APIS:
            assert road.hear(api, backend, stream=stream_, **tools(api, WEATHER)).finish == finish
