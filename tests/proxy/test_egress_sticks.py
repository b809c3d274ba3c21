"""A class sticks to data: what refers to restricted data is restricted, though nobody says so again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from egress_kit import CARD, PATHS, Place, backend, place, told_id

from proxy.state.store import StoreFailed

SECRET = {"x-turnout-data-class": "restricted"}
ANTHROPIC = {"anthropic-version": "2023-06-01"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
MESSAGES_TOOL = {"name": "get_weather", "input_schema": SCHEMA}
QUESTION = {"role": "user", "content": "What is the weather in Rome?"}
ALIASES = """
data_classes: {detect: {card: restricted}, patterns: [{name: project, match: "PROJ-[0-9]+", data_class: confidential}]}
guards: [{when: {data_class: confidential}, only: {backends: [gem]}, reason: "confidential goes to gem"}]
policies: {cloudy: {rules: [{use: [away]}]}}
aliases:
  here: {use: [here]}
  gem: {use: [gem]}
  cloud: {policy: cloudy}
  either: {use: [away, here]}
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("sticks")) as made:
        lines = [
            backend(made, "here", "vllm", local=True, more=", capabilities: {tools: true}"),
            backend(made, "gem", "google", local=True, model="gemini-3.1-pro"),
            backend(made, "away", "anthropic", local=False, model="claude-sonnet-5"),
        ]
        made.adopt(f"backends:\n{''.join(lines)}{ALIASES}")
        yield made


def stays(here: Place, api: str, body: dict[str, Any], **headers: str) -> None:
    """Nobody but local backends may serve this call: where the alias has one it does, else it is a 403 that says why."""
    for alias, status, backend_ in (("cloud", 403, None), ("either", 200, "here")):
        before = here.cloud.seen
        reply = here.ask(api, {**body, "model": alias}, **headers)
        assert (reply.status, reply.headers.get("x-turnout-backend")) == (status, backend_), reply.body
        assert here.cloud.seen == before
        if status == 403:
            assert b"restricted data may only meet backends marked 'local: true'" in reply.body


def leaves(here: Place, api: str, body: dict[str, Any], **headers: str) -> None:
    """The same call, about nothing restricted, goes to the cloud: the test can fail."""
    before = here.cloud.bytes
    reply = here.ask(api, {**body, "model": "cloud"}, **headers)
    assert reply.status == 200, reply.body
    assert here.cloud.bytes > before


@pytest.mark.parametrize("stream", [False, True])
def test_a_child_of_a_restricted_turn(here: Place, stream: bool) -> None:
    for headers, check in ((SECRET, stays), ({}, leaves)):
        parent = here.ask("responses", {"model": "here", "input": "The patient is Ada.", "stream": stream}, **headers)
        child = {"input": "And her age?", "previous_response_id": told_id(parent)}
        check(here, "responses", {**child, "stream": stream})


def test_a_grandchild(here: Place) -> None:
    first = here.ask("responses", {"model": "here", "input": "The patient is Ada."}, **SECRET)
    second = here.ask("responses", {"model": "here", "input": "Her age?", "previous_response_id": told_id(first)})
    stays(here, "responses", {"input": "Thank you", "previous_response_id": told_id(second)})


@pytest.mark.parametrize("where", ["answer", "thread"])
def test_a_reference_to_an_item_of_a_restricted_turn(here: Place, where: str) -> None:
    first = here.ask("responses", {"model": "here", "input": "The patient is Ada."}, **SECRET)
    last = first
    if where == "thread":
        last = here.ask("responses", {"model": "here", "input": "Her age?", "previous_response_id": told_id(first)})
    said = next(item for item in msgspec.json.decode(last.body)["output"] if item["type"] == "message")
    stays(here, "responses", {"input": [{"type": "item_reference", "id": said["id"]}, QUESTION]})


def called(here: Place, model: str, city: str = "Rome", **headers: str) -> dict[str, Any]:
    """The assistant's message of a chat in which a tool is called; the id of the call depends on the ``city``."""
    question = {"role": "user", "content": f"What is the weather in {city}?"}
    asked = {"model": model, "messages": [question], "tools": [CHAT_TOOL], "tool_choice": "required"}
    reply = here.ask("chat", asked, **headers)
    assert reply.status == 200, reply.body
    message: dict[str, Any] = msgspec.json.decode(reply.body)["choices"][0]["message"]
    return {"role": "assistant", "content": None, "tool_calls": message["tool_calls"]}


def streamed(here: Place, model: str, city: str = "Rome", **headers: str) -> dict[str, Any]:
    question = {"role": "user", "content": f"What is the weather in {city}?"}
    asked = {"model": model, "messages": [question], "tools": [CHAT_TOOL], "tool_choice": "required", "stream": True}
    reply = here.ask("chat", asked, **headers)
    calls: list[dict[str, Any]] = []
    for line in reply.body.split(b"\n"):
        if line.startswith(b"data: {"):
            for choice in msgspec.json.decode(line[6:])["choices"]:
                calls += [call for call in choice["delta"].get("tool_calls") or [] if call.get("id")]
    call = {
        "id": calls[0]["id"],
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
    }
    return {"role": "assistant", "content": None, "tool_calls": [call]}


@pytest.mark.parametrize("model", ["here", "gem"])
@pytest.mark.parametrize("call", [called, streamed])
def test_an_answer_to_a_tool_call_of_a_restricted_turn(
    here: Place, model: str, call: Callable[..., dict[str, Any]]
) -> None:
    for city, headers, check in (("Rome", SECRET, stays), ("Oslo", {}, leaves)):
        said = call(here, model, city, **headers)
        result = {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "12 degrees"}
        check(here, "chat", {"messages": [QUESTION, said, result], "tools": [CHAT_TOOL]})


def test_a_tool_call_is_known_in_every_dialect(here: Place) -> None:
    id_ = called(here, "here", **SECRET)["tool_calls"][0]["id"]
    call = {"type": "function_call", "call_id": id_, "name": "get_weather", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": id_, "output": "12 degrees"}
    stays(here, "responses", {"input": [QUESTION, call, output]})
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": id_, "name": "get_weather", "input": {}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id_, "content": "12 degrees"}]}
    stays(
        here, "messages", {"messages": [QUESTION, use, result], "max_tokens": 99, "tools": [MESSAGES_TOOL]}, **ANTHROPIC
    )


def test_sealed_state_brings_its_class_with_it(here: Place) -> None:
    """The state alone: neither a tool call's id nor a stored turn gives this request away."""
    asked = {
        "model": "gem", "max_tokens": 2000, "messages": [QUESTION], "tools": [MESSAGES_TOOL],
        "tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 1024},
    }  # fmt: skip
    for headers, check in ((SECRET, stays), ({}, leaves)):
        reply = here.ask("messages", asked, **headers, **ANTHROPIC)
        thought = next(block for block in msgspec.json.decode(reply.body)["content"] if block["type"] == "thinking")
        assert thought["signature"].startswith("turnout1.")
        turns = [QUESTION, {"role": "assistant", "content": [thought, {"type": "text", "text": "Mild."}]}, QUESTION]
        check(here, "messages", {"messages": turns, "max_tokens": 99}, **ANTHROPIC)


def test_marks_that_cannot_be_read_count_as_restricted(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    said = called(here, "here", **SECRET)

    async def fails(tenant: str, ids: Any) -> frozenset[str]:
        raise StoreFailed("the disk is gone")

    monkeypatch.setattr(here.house.store, "marked", fails)
    result = {"role": "tool", "tool_call_id": "call_of_somebody_1234", "content": "12 degrees"}
    said["tool_calls"][0]["id"] = "call_of_somebody_1234"
    stays(here, "chat", {"messages": [QUESTION, said, result], "tools": [CHAT_TOOL]})


def test_another_class_sticks_as_well(here: Place) -> None:
    """Confidential data may leave, but where a guard wants it, it goes on wanting."""
    parent = here.ask("responses", {"model": "gem", "input": "About PROJ-17: what is new?"})
    assert parent.headers["x-turnout-backend"] == "gem"
    child = here.ask("responses", {"model": "here", "input": "And now?", "previous_response_id": told_id(parent)})
    assert child.status == 403
    assert b"must be one of gem" in child.body


@pytest.mark.parametrize(
    ("api", "path", "body"),
    [
        ("embeddings", "/v1/embeddings", {"input": ["fine", f"card {CARD}"]}),
        ("completions", "/v1/completions", {"prompt": f"card {CARD}"}),
        ("count_tokens", "/v1/messages/count_tokens", {"messages": [{"role": "user", "content": f"card {CARD}"}]}),
        ("input_tokens", "/v1/responses/input_tokens", {"input": f"card {CARD}"}),
    ],
)
def test_small_endpoints_are_no_way_round(
    here: Place, api: str, path: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PATHS, api, path)
    before = here.cloud.seen
    reply = here.ask(api, {**body, "model": "cloud"}, **ANTHROPIC)
    assert reply.status == 403, reply.body
    assert here.cloud.seen == before


@pytest.mark.parametrize(
    "hidden",
    [
        {"system": f"The card is {CARD}."},
        {"tools": [{**MESSAGES_TOOL, "description": f"Ask about {CARD}"}]},
        {"messages": [QUESTION, {"role": "assistant", "content": [
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"card": 4111111111111111}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "fine"}]}]},
        {"messages": [QUESTION, {"role": "assistant", "content": [
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": CARD}]}]},
        {"messages": [{"role": "user", "content": "a card: \\u0034111 1111 1111 1111"}]},
        {"messages": [{"role": "user", "content": CARD}, {"role": "assistant", "content": "Yes?"}, QUESTION]},
    ],
)  # fmt: skip
def test_patterns_find_it_wherever_a_backend_would_be_told(here: Place, hidden: dict[str, Any]) -> None:
    body = {"messages": [QUESTION], "max_tokens": 99, "tools": [MESSAGES_TOOL], **hidden}
    raw = msgspec.json.encode({**body, "model": "cloud"}).replace(b"\\\\u0034", b"\\u0034")
    before = here.cloud.seen
    reply = here.ask("messages", raw, **ANTHROPIC)
    assert reply.status == 403, reply.body
    assert here.cloud.seen == before


def test_bytes_that_are_no_text_hide_nothing(here: Place) -> None:
    body = {"messages": [QUESTION], "max_tokens": 99, "model": "cloud", "odd": f"~ {CARD}"}
    before = here.cloud.seen
    reply = here.ask("messages", msgspec.json.encode(body).replace(b"~", b"\xff"), **ANTHROPIC)
    assert 400 <= reply.status < 500, reply.body
    assert here.cloud.seen == before


def test_a_link_of_restricted_data_is_not_even_looked_up(here: Place) -> None:
    text = here.house.snapshot.config
    fetching = msgspec.structs.replace(text, media=msgspec.structs.replace(text.media, fetch=True))
    here.house.snapshot = msgspec.structs.replace(here.house.snapshot, config=fetching)
    image = {"type": "image", "source": {"type": "url", "url": "https://ada-lovelace.example/x.png"}}
    body = {"model": "gem", "max_tokens": 99, "messages": [{"role": "user", "content": [image]}]}
    here.looked_up.clear()
    reply = here.ask("messages", body, **SECRET, **ANTHROPIC)
    assert reply.status == 400
    assert b"its host is not in media.allow" in reply.body
    assert here.looked_up == []
    here.ask("messages", body, **ANTHROPIC)
    assert here.looked_up == ["ada-lovelace.example"]
