"""Structured output through the public door, on backends that do not enforce it: judged, repaired once, replayed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from heard import heard
from live import Live, demo_upstream
from public_door import CHAT, RESPONSES, Heard, post
from structured import GOOD, KINDS, SCHEMA, TREE, asked, config, tool
from told import Told

APIS = {"chat": CHAT, "responses": RESPONSES}
MODES = (False, True)


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def live(journal: list[dict[str, Any]]) -> Iterator[Live]:
    with demo_upstream(journal=journal) as demo, Live(config(demo)) as made:
        yield made


@pytest.fixture
def sent(journal: list[dict[str, Any]]) -> list[dict[str, Any]]:
    journal.clear()
    return journal


def ask(live: Live, api: str, model: str, schema: Any = None, **more: Any) -> Heard:
    return post(live, APIS[api], asked(api, model, schema, **more))


def hear(live: Live, api: str, model: str, schema: Any = None, *, stream: bool, **more: Any) -> tuple[Heard, Told]:
    """An answer that types and checker have passed, told as JSON text and nothing else."""
    question = asked(api, model, schema, stream=stream, **more)
    answer = post(live, APIS[api], question)
    assert answer.status == 200, answer.raw
    assert answer.told("buffered") == ("1" if stream else None)
    told = heard(api, answer.raw, stream=stream, asked=question)
    assert (told.calls, told.finish) == ([], "stop")
    return answer, told


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("fault", ["good", "json-prose"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_the_json_and_nothing_else(live: Live, kind: str, fault: str, api: str, stream: bool) -> None:
    answer, told = hear(live, api, f"{kind}-{fault}", SCHEMA, stream=stream)
    assert msgspec.json.decode(told.text) == GOOD
    assert answer.told("attempts") == "1"


@pytest.mark.parametrize("kind", KINDS)
def test_how_each_backend_is_asked(live: Live, sent: list[dict[str, Any]], kind: str) -> None:
    ask(live, "chat", f"{kind}-good", SCHEMA, stream=True)
    body = sent[0]["body"]
    raw = msgspec.json.encode(body).decode()
    assert not body.get("stream")
    assert sent[0]["path"].endswith("streamGenerateContent") is False
    if kind == "tool":
        assert body["tools"][0]["input_schema"] == SCHEMA
        assert body["tool_choice"] == {"type": "tool", "name": "weather"}
        assert "JSON Schema" not in raw
    elif kind == "gemini":
        assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}
    else:
        assert msgspec.json.encode(SCHEMA).decode() in raw.replace("\\", "")
        assert ("tools" in body, body.get("response_format")) == (
            False,
            {"type": "json_object"} if kind == "object" else None,
        )


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_answer_is_asked_for_once_more(
    live: Live, sent: list[dict[str, Any]], kind: str, api: str, stream: bool
) -> None:
    answer, told = hear(live, api, f"{kind}-json-mended", SCHEMA, stream=stream)
    assert sorted(msgspec.json.decode(told.text)) == sorted(GOOD)
    assert (answer.told("attempts"), answer.told("reason")) == ("2", f"{kind}-json-mended: bad_output")
    assert len(sent) == 2
    assert "This answer is not valid" in msgspec.json.encode(sent[1]["body"]).decode()


@pytest.mark.parametrize("kind", KINDS)
def test_both_attempts_are_in_the_ledger(live: Live, kind: str) -> None:
    answer = ask(live, "chat", f"{kind}-json-mended", SCHEMA)
    first, second = live.rows_of(answer.id)
    assert (first.outcome, first.error_code, first.status) == ("fallback", "structured_output_invalid", 502)
    assert (second.outcome, second.error_code, second.status) == ("ok", None, 200)
    assert first.output_tokens
    assert first.input_tokens
    assert (second.input_tokens or 0) > first.input_tokens
    assert second.output_tokens == answer.body["usage"]["completion_tokens"]
    assert "Lyon" not in str(first.error_message)


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", KINDS)
def test_free_text_never_stands_under_a_200(live: Live, kind: str, api: str, stream: bool) -> None:
    answer = ask(live, api, f"{kind}-json-broken", SCHEMA, stream=stream)
    assert (answer.status, answer.error["code"]) == (502, "structured_output_invalid")
    assert answer.told("attempts") == "2"
    assert [row.status for row in live.rows_of(answer.id)] == [502, 502]


def test_bad_answers_do_not_open_the_breaker(live: Live) -> None:
    codes = {ask(live, "chat", "words-json-broken", SCHEMA).error["code"] for _ in range(4)}
    assert codes == {"structured_output_invalid"}


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("kind", ["tool", "words", "replies"])
def test_any_json_object(live: Live, kind: str, stream: bool) -> None:
    for fault, attempts in (("good", "1"), ("json-mended", "2")):
        answer, told = hear(live, "chat", f"{kind}-{fault}", stream=stream)
        assert isinstance(msgspec.json.decode(told.text), dict)
        assert answer.told("attempts") == attempts


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", KINDS)
def test_beside_tools_calls_pass_unjudged(live: Live, kind: str, api: str, stream: bool) -> None:
    question = asked(api, f"{kind}-good", SCHEMA, stream=stream, tools=[tool(api)])
    told = heard(api, post(live, APIS[api], question).raw, stream=stream, asked=question)
    assert ([name for name, _ in told.calls], told.finish) == (["get_weather"], "tool_calls")


@pytest.mark.parametrize("kind", KINDS)
def test_beside_tools_the_final_answer_is_judged(live: Live, sent: list[dict[str, Any]], kind: str) -> None:
    first = ask(live, "chat", f"{kind}-good", SCHEMA, tools=[tool("chat")]).body["choices"][0]["message"]
    said = [
        {"role": "user", "content": "How is the weather in Lyon? It was 21 degrees."},
        {"role": "assistant", "content": None, "tool_calls": first["tool_calls"]},
        {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "rain"},
    ]
    answer = ask(live, "chat", f"{kind}-good", SCHEMA, tools=[tool("chat")], messages=said)
    assert msgspec.json.decode(answer.body["choices"][0]["message"]["content"]) == GOOD
    broken = ask(live, "chat", f"{kind}-json-broken", SCHEMA, tools=[tool("chat")], messages=said)
    assert (broken.status, broken.error["code"]) == (502, "structured_output_invalid")


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_answer_is_told_as_it_is(live: Live, kind: str, stream: bool) -> None:
    question = asked("chat", f"{kind}-good", SCHEMA, stream=stream, max_completion_tokens=16)
    question["messages"][0]["content"] = "count to 3 in Lyon" + " and then some" * 20
    question["response_format"]["json_schema"]["schema"] = {
        "type": "object",
        "properties": {f"word{i}": {"type": "string"} for i in range(20)},
        "required": [f"word{i}" for i in range(20)],
    }
    told = heard("chat", post(live, CHAT, question).raw, stream=stream)
    assert told.finish == "length"


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"type": "object", "properties": {"a": {"$id": "http://x/y", "$ref": "#"}}},
        {"type": "string", "pattern": "("},
        {"$schema": "http://example.com/unknown"},
    ],
)
def test_a_schema_that_is_none_is_refused_before_it_is_sent(
    live: Live, sent: list[dict[str, Any]], api: str, schema: Any
) -> None:
    answer = ask(live, api, "words-good", schema)
    field = "response_format.json_schema.schema" if api == "chat" else "text.format.schema"
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, field, "invalid_json_schema")
    assert field in answer.error["message"]
    assert sent == []


@pytest.mark.parametrize("schema", [SCHEMA, TREE])
@pytest.mark.parametrize("kind", ["tool", "gemini", "words"])
def test_recursive_schemas_are_judged_too(live: Live, kind: str, schema: Any) -> None:
    _, told = hear(live, "chat", f"{kind}-good", schema, stream=False)
    assert set(msgspec.json.decode(told.text)) >= set(schema["required"])


@pytest.mark.parametrize("stream", MODES)
def test_a_stored_turn_holds_the_answer_that_was_told(live: Live, sent: list[dict[str, Any]], stream: bool) -> None:
    first, told = hear(live, "responses", "tool-json-prose", SCHEMA, stream=stream)
    id_ = first.events[-1]["response"]["id"] if stream else first.body["id"]
    sent.clear()
    post(live, RESPONSES, {"model": "words-good", "input": "And now?", "previous_response_id": id_})
    assert {"role": "assistant", "content": told.text} in sent[0]["body"]["messages"]
