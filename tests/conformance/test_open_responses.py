"""The HTTP cases of Open Responses in front of every backend, judged by the specification's own schemas.

The public suite itself runs with ``make compliance``; these are its cases in our words, whole and streamed each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import msgspec
import pytest
from checker import check_responses, parse_sse
from jsonschema_rs import Draft202012Validator
from live import Live, demo_config, demo_upstream
from sdk_words import PIXEL

BACKENDS = ("local", "chat", "openai", "claude", "gemini")
KEYS = 31
"""That the specification wants in every response, set or not."""
OPENAI_NAMES = {
    "response.reasoning_text.delta": "response.reasoning.delta",
    "response.reasoning_text.done": "response.reasoning.done",
}
"""The two events that OpenAI's API and Open Responses name differently: we speak OpenAI's."""
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}


class Case(NamedTuple):
    """``wants``: the type of output item that must be there."""

    body: dict[str, Any]
    wants: str = "message"


def _said(role: str, content: object, **more: object) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **more}


_SEEN = [{"type": "input_text", "text": "What is shown?"}, {"type": "input_image", "image_url": PIXEL}]
CASES = {
    "basic": Case({"input": [_said("user", "Greet me in three words.")]}),
    "text": Case({"input": "Greet me in three words."}),
    "assistant phase": Case(
        {
            "input": [
                _said("assistant", "I look up the stored figure.", phase="commentary"),
                _said("assistant", "The figure is seven.", phase="final_answer"),
                _said("user", "Say the figure again."),
            ]
        }
    ),
    "system prompt": Case({"input": [_said("system", "You speak like a sailor."), _said("user", "Greet me.")]}),
    "instructions": Case({"instructions": "You speak like a sailor.", "input": [_said("user", "Greet me.")]}),
    "tool calling": Case(
        {"input": [_said("user", "How is the weather in Oslo?")], "tools": [WEATHER]}, "function_call"
    ),
    "image input": Case({"input": [_said("user", _SEEN)]}),
    "several turns": Case(
        {
            "input": [
                _said("user", "I am called Ada."),
                _said("assistant", "Welcome, Ada. What shall we do?"),
                _said("user", "How am I called?"),
            ]
        }
    ),
    "reasoning": Case({"input": "Why is the sky blue?", "reasoning": {"effort": "low", "summary": "auto"}}),
}


class Spec:
    """Open Responses' schemas."""

    def __init__(self, path: Path) -> None:
        self._components = msgspec.json.decode(path.read_bytes())["components"]
        schemas = self._components["schemas"]
        self.response = self._validator("ResponseResource")
        self.required = schemas["ResponseResource"]["required"]
        events = {name: schema for name, schema in schemas.items() if name.endswith("StreamingEvent")}
        self.events = {
            schema["properties"]["type"]["enum"][0]: self._validator(name) for name, schema in events.items()
        }

    def _validator(self, name: str) -> Draft202012Validator:
        return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": self._components})

    def check_event(self, event: dict[str, Any]) -> None:
        name = OPENAI_NAMES.get(event["type"], event["type"])
        self.events[name].validate({**event, "type": name})

    def check_response(self, response: dict[str, Any], wants: str) -> None:
        """A completed response that holds an item of the type ``wants``."""
        self.response.validate(response)
        assert set(self.required) <= set(response)
        assert response["status"] == "completed"
        assert response["created_at"] <= response["completed_at"]
        assert wants in [item["type"] for item in response["output"]]


@pytest.fixture(scope="module")
def spec(shared: Path) -> Spec:
    return Spec(shared / "data" / "specs" / "open-responses.json")


class Road(NamedTuple):
    """``journal``: what the upstream was asked."""

    live: Live
    http: httpx2.Client
    journal: list[dict[str, Any]]

    def post(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        return self.http.post(self.live.base_url + path, json=body)


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    journal: list[dict[str, Any]] = []
    with (
        demo_upstream(journal=journal) as url,
        Live(demo_config(url)) as live,
        httpx2.Client(timeout=30, trust_env=False) as http,
    ):
        yield Road(live, http, journal)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_whole_answer_is_a_response_of_the_specification(spec: Spec, road: Road, case: Case, backend: str) -> None:
    got = road.post("/responses", {"model": f"to-{backend}", **case.body})

    assert (got.status_code, got.headers["content-type"]) == (200, "application/json"), got.text
    spec.check_response(got.json(), case.wants)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_event_of_a_stream_is_one_of_the_specification(spec: Spec, road: Road, case: Case, backend: str) -> None:
    got = road.post("/responses", {"model": f"to-{backend}", "stream": True, **case.body})

    assert got.status_code == 200, got.text
    assert got.headers["content-type"].startswith("text/event-stream")
    assert not [line for line in got.text.split("\n") if line.startswith("id:")], "the specification has no ids"
    events = parse_sse(got.content)
    for event in events:
        spec.check_event(event)
    check_responses(events)
    spec.check_response(events[-1]["response"], case.wants)


def test_the_specification_wants_as_many_keys_as_we_think(spec: Spec) -> None:
    assert len(spec.required) == KEYS


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "openai"])
def test_a_user_who_was_not_named_is_left_out(road: Road, backend: str) -> None:
    """The specification knows no null here. (OpenAI's own answers have one, and pass as they are.)"""
    got = road.post("/responses", {"model": f"to-{backend}", **CASES["basic"].body})

    assert "user" not in got.json()


def test_phases_reach_a_model_that_knows_them(road: Road) -> None:
    road.journal.clear()
    road.post("/responses", {"model": "to-openai", **CASES["assistant phase"].body})

    phases = [item.get("phase") for item in road.journal[-1]["body"]["input"]]
    assert phases == ["commentary", "final_answer", None]


@pytest.mark.parametrize("body", [{"model": "to-openai", "input": "Long."}, {"input": "Long."}], ids=["model", "none"])
def test_compaction_is_said_not_to_be_built(road: Road, body: dict[str, Any]) -> None:
    got = road.post("/responses/compact", body)

    error = got.json()["error"]
    assert (got.status_code, error["type"]) == (404, "invalid_request_error")
    assert "not built yet" in error["message"]
