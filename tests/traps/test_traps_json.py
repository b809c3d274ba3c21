"""Traps of structured output and schemas, through the public door: G15, G34-G36, G76 of the failures seen in the field."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from live import Live
from road import APIS, BACKENDS, MODES, Road, body, build, config
from scripted import scripted, whole
from vendor_types import assert_anthropic_request, assert_google_request
from vendors import Call, Json, Says

HOSTILE_TOOL = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "kind": {"const": "city"},
        "name": {"type": ["string", "null"]},
        "near": {
            "anyOf": [
                {"type": "object", "properties": {"km": {"type": "number", "exclusiveMinimum": 0}}},
                {"type": "null"},
            ]
        },
    },
    "required": ["kind"],
}
SUBSET = {"$schema", "additionalProperties", "const", "exclusiveMinimum", "anyOf"}
CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {
            "type": "array",
            "items": {"type": "object", "properties": {"t": {"type": "integer"}}, "required": ["t"]},
        },
    },
    "required": ["city", "days"],
}
ANSWER = '{"city":"Rome","days":[{"t":21}]}'
PIECES = (ANSWER[:9], ANSWER[9:])


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


@pytest.fixture(scope="module")
def older() -> Iterator[Road]:
    """The same, with a Gemini that refuses JSON output beside functions."""
    with (
        scripted() as upstream,
        Live(config(upstream.url).replace("gemini-3.1-pro", "gemini-2.5-flash")) as live,
        httpx2.Client(timeout=20) as http,
    ):
        yield Road(live, upstream, http)


def shaped(api: str, schema: Any = None) -> Json:
    """The fields that ask for an answer in ``schema``; None: for any JSON object."""
    named = {"name": "weather", "schema": schema, "strict": True}
    if api == "responses":
        return {"text": {"format": {"type": "json_object"} if schema is None else {"type": "json_schema", **named}}}
    return {
        "response_format": {"type": "json_object"} if schema is None else {"type": "json_schema", "json_schema": named}
    }


def tools(api: str, parameters: Any, **more: Any) -> Json:
    function = {"name": "get_weather", "description": "The weather.", "parameters": parameters, **more}
    return {
        "tools": [
            {"type": "function", **function} if api == "responses" else {"type": "function", "function": function}
        ]
    }


def keys(value: Any) -> set[str]:
    """Every key at any depth."""
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys(inner)}
    return {key for inner in value for key in keys(inner)} if isinstance(value, list) else set()


def objects(value: Any) -> Iterator[Json]:
    """Every schema of an object."""
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


# --- G15 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g15_a_tools_schema_is_taken_by_every_vendor(road: Road, backend: str, api: str, stream_: bool) -> None:
    road.plays(backend, Says((), [Call("get_weather", {"kind": "city"})]), stream=stream_)
    told = road.hear(api, backend, stream=stream_, **tools(api, HOSTILE_TOOL))
    assert told.calls == [("get_weather", {"kind": "city"})]
    sent = road.sent()["tools"][0]
    match BACKENDS[backend][0]:
        case "google_gemini":
            assert_google_request(road.sent())
            (declared,) = sent["functionDeclarations"]
            assert keys(declared.get("parameters")).isdisjoint(SUBSET)
            assert declared["parametersJsonSchema"] == HOSTILE_TOOL
        case "anthropic_messages":
            assert sent["input_schema"] == HOSTILE_TOOL
        case "openai_chat":
            assert sent["function"]["parameters"] == HOSTILE_TOOL
        case _:
            assert sent["parameters"] == HOSTILE_TOOL


# --- G34 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g34_every_object_is_closed_for_claude(road: Road, api: str, stream_: bool) -> None:
    road.plays("claude", Says(PIECES), stream=stream_)
    told = road.hear(api, "claude", stream=stream_, **shaped(api, CITY))
    assert (told.text, told.finish, told.calls) == (ANSWER, "stop", [])
    sent = road.sent()
    assert_anthropic_request(sent)
    format_ = sent["output_config"]["format"]
    assert set(format_) == {"type", "schema"}
    assert "weather" not in json.dumps(sent)
    found = list(objects(format_["schema"]))
    assert len(found) == 2
    assert all(schema["additionalProperties"] is False for schema in found)


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "claude"])
def test_g34_elsewhere_the_schema_is_enforced_by_the_backend(road: Road, backend: str, api: str, stream_: bool) -> None:
    road.plays(backend, Says(PIECES), stream=stream_)
    got = road.ask(api, backend, stream=stream_, **shaped(api, CITY))
    assert "x-turnout-buffered" not in got.headers
    told = road.hear(api, backend, stream=stream_, **shaped(api, CITY))
    assert (told.text, told.finish) == (ANSWER, "stop")
    sent = road.sent()
    match BACKENDS[backend][0]:
        case "google_gemini":
            config_ = sent["generationConfig"]
            assert (config_["responseMimeType"], config_["responseJsonSchema"]) == ("application/json", CITY)
        case "openai_chat":
            assert sent["response_format"]["json_schema"]["schema"] == CITY
        case _:
            assert sent["text"]["format"]["schema"] == CITY


# --- G35 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g35_a_schema_and_tools_together(older: Road, backend: str, api: str, stream_: bool) -> None:
    """Gemini up to 2.5 is told the schema in words, and its final answer is judged: so it is asked for as a whole."""
    asked = {**shaped(api, CITY), **tools(api, {"type": "object", "properties": {}}, strict=False)}
    by_words = backend == "gemini"
    older.plays(backend, Says(PIECES), stream=stream_ and not by_words)
    told = older.hear(api, backend, stream=stream_, **asked)
    assert (told.text, told.finish) == (ANSWER, "stop")
    sent = older.sent()
    if by_words:
        assert_google_request(sent)
        assert keys(sent).isdisjoint({"responseMimeType", "responseJsonSchema", "responseSchema"})
        assert json.dumps(CITY, separators=(",", ":")) in sent["systemInstruction"]["parts"][-1]["text"]
    older.plays(backend, Says((), [Call("get_weather", {})]), stream=stream_ and not by_words)
    assert older.hear(api, backend, stream=stream_, **asked).calls == [("get_weather", {})]


def test_g35_gemini_3_enforces_it_beside_tools(road: Road) -> None:
    road.plays("gemini", Says(PIECES), stream=False)
    road.ask("chat", "gemini", **shaped("chat", CITY), **tools("chat", {"type": "object", "properties": {}}))
    assert road.sent()["generationConfig"]["responseJsonSchema"] == CITY


# --- G36 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g36_a_flat_format_is_nested_where_chat_is_spoken(road: Road, backend: str, stream_: bool) -> None:
    format_ = {"type": "json_schema", "name": "weather", "schema": CITY, "strict": True}
    road.plays(backend, Says(PIECES), stream=stream_)
    text = {"format": format_, "verbosity": "low"}
    got = road.ask("responses", backend, stream=stream_, text=text)
    assert road.hear("responses", backend, stream=stream_, text=text).text == ANSWER
    sent = road.sent()
    takes = backend in ("openai", "gpt")
    dropped = got.headers.get("x-turnout-dropped", "")
    assert ("verbosity" in dropped) is not takes
    match BACKENDS[backend][0]:
        case "openai_chat":
            nested = {name: value for name, value in format_.items() if name != "type"}
            assert sent["response_format"] == {"type": "json_schema", "json_schema": nested}
            assert "text" not in sent
            assert sent.get("verbosity") == ("low" if takes else None)
        case "openai_responses":
            assert sent["text"]["format"] == format_
            assert sent["text"].get("verbosity") == ("low" if takes else None)
        case _:
            assert "verbosity" not in keys(sent)


@pytest.mark.parametrize("backend", ["gpt", "lmstudio"])
def test_g36_a_nested_format_is_flat_where_responses_is_spoken(road: Road, backend: str) -> None:
    road.plays(backend, Says(PIECES), stream=False)
    assert road.hear("chat", backend, verbosity="low", **shaped("chat", CITY)).text == ANSWER
    sent = road.sent()
    assert sent["text"]["format"] == {"type": "json_schema", "name": "weather", "schema": CITY, "strict": True}
    assert sent["text"].get("verbosity") == ("low" if backend == "gpt" else None)
    assert "response_format" not in sent


# --- G76 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g76_json_object_is_text_and_no_hidden_call(road: Road, backend: str, api: str, stream_: bool) -> None:
    by_words = backend == "claude"
    road.plays(backend, Says(PIECES), stream=stream_ and not by_words)
    told = road.hear(api, backend, stream=stream_, **shaped(api))
    assert (told.text, told.calls, told.finish) == (ANSWER, [], "stop")
    sent = road.sent()
    assert "tools" not in sent
    if by_words:
        assert "JSON" in sent["system"]
        road.plays(backend, Says(("Sure!\n```json\n", ANSWER, "\n```\n")), stream=False)
        assert road.hear(api, backend, stream=stream_, **shaped(api)).text == ANSWER


@pytest.mark.parametrize("api", APIS)
def test_g76_words_that_are_no_json_are_never_a_200(road: Road, api: str) -> None:
    road.plays("claude", Says(("I cannot do that.",)), stream=False)
    got = road.post(api, body(api, "claude", **shaped(api)))
    assert (got.status_code, got.json()["error"]["code"]) == (502, "structured_output_invalid")
    assert len(road.upstream.asked) == 2


# --- hostile schemas -----------------------------------------------------------------------------------------------


def deep(levels: int) -> bytes:
    return b'{"type":"object","properties":{"a":' * levels + b"{}" + b"}}" * levels


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_schema_ten_thousand_deep_is_answered_within_a_second(road: Road, backend: str, api: str) -> None:
    asked = json.dumps(body(api, backend, **shaped(api, "HERE"))).encode()
    started = time.monotonic()
    got = road.post(api, asked.replace(b'"HERE"', deep(10_000)))
    assert time.monotonic() - started < 1
    assert got.status_code == 400
    assert "nested deeper" in got.json()["error"]["message"]


def doubling(levels: int) -> Json:
    defs = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"type": "object", "$defs": {**defs, f"d{levels}": {}}, "allOf": [{"$ref": "#/$defs/d0"}]}


TREE = {"type": "object", "properties": {"name": {"type": "string"}, "in": {"$ref": "#"}}, "required": ["name"]}


@pytest.mark.parametrize("schema", [doubling(60), TREE, {"$ref": "#"}, {"allOf": [{"$ref": "#"}]}])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_recursive_schema_is_answered_within_a_second(road: Road, backend: str, schema: Json) -> None:
    road.upstream.script(whole({"error": {"message": "no such schema"}}, 400))
    started = time.monotonic()
    got = road.post("chat", body("chat", backend, **shaped("chat", schema)))
    assert time.monotonic() - started < 1
    assert got.status_code == 400


def test_recursion_is_emulated_where_the_vendor_refuses_it(road: Road) -> None:
    road.plays("claude", Says((), [Call("weather", {"name": "a", "in": {"name": "b"}})]), stream=False)
    assert json.loads(road.hear("chat", "claude", **shaped("chat", TREE)).text) == {"name": "a", "in": {"name": "b"}}
    assert road.sent()["tools"][0]["input_schema"] == TREE
    road.plays("gemini", Says(('{"name":"a"}',)), stream=False)
    assert road.hear("chat", "gemini", **shaped("chat", TREE)).text == '{"name":"a"}'
    assert road.sent()["generationConfig"] == {"responseMimeType": "application/json"}
