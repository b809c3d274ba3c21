"""An alias's defaults, rules that set and deny, and overrides from the environment: what the upstream really gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live import Live, demo_upstream
from public_door import CHAT, EMBEDDINGS, RESPONSES, Heard, ask, chat, get, post, responses

DEFAULTS = {"max_output_tokens": 77, "effort": "low", "temperature": 0.25, "top_p": 0.5}


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def live(journal: list[dict[str, Any]]) -> Iterator[Live]:
    text = """version: 1
backends:
  local:  {provider: vllm, base_url: "http://127.0.0.1:1/v1", model: demo-local}
  gpt:    {provider: openai, base_url: "${DEMO}/v1", model: gpt-4.1, credential: sk-demo}
  claude: {provider: anthropic, base_url: "${DEMO}", model: claude-sonnet-5, credential: sk-demo}
guards:
  - {when: {max_output: ">5000"}, deny: "at most 5000 tokens"}
aliases:
  local:   {use: [local], defaults: {max_output_tokens: 77, effort: low, temperature: 0.25, top_p: 0.5}}
  gpt:     {use: [gpt], defaults: {max_output_tokens: 77}}
  bare:    {use: [gpt]}
  thrifty: {policy: thrifty, defaults: {effort: high}}
  embed:   {use: [local], defaults: {temperature: 0.25}}
policies:
  thrifty:
    rules:
      - {when: {class: complex}, set: {effort: low, max_output_tokens: 99}, continue: true}
      - {when: {tools: any}, deny: "no tools on the thrifty plan"}
      - {use: [local], reason: "cheap"}
"""
    with demo_upstream(journal=journal) as demo:
        env = {
            "DEMO": demo,
            "TURNOUT_BACKENDS__LOCAL__BASE_URL": f"{demo}/v1",
            "TURNOUT_SERVER__RESPONSE_MODEL": "upstream",
            "TURNOUT_POLICIES__THRIFTY__RULES__2__REASON": "from the environment",
        }
        with Live(text, env=env) as made:
            yield made


@pytest.fixture
def sent(journal: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the upstream gets from here on."""
    journal.clear()
    return journal


def test_defaults_fill_what_the_client_left_out(live: Live, sent: list[dict[str, Any]]) -> None:
    assert ask(live, "local").status == 200
    body = sent[0]["body"]
    assert (body["max_tokens"], body["reasoning_effort"], body["temperature"], body["top_p"]) == (77, "low", 0.25, 0.5)


@pytest.mark.parametrize(
    ("told", "field", "value"),
    [
        ({"max_tokens": 5}, "max_tokens", 5),
        ({"max_completion_tokens": 6}, "max_tokens", 6),
        ({"reasoning_effort": "high"}, "reasoning_effort", "high"),
        ({"reasoning_effort": "none"}, "reasoning_effort", "none"),
        ({"temperature": 0}, "temperature", 0),
        ({"top_p": 1}, "top_p", 1),
    ],
)
def test_defaults_leave_the_clients_own_words(
    live: Live, sent: list[dict[str, Any]], told: dict[str, Any], field: str, value: Any
) -> None:
    assert ask(live, "local", **told).status == 200
    body = sent[0]["body"]
    assert body[field] == value
    others = {"max_tokens": 77, "reasoning_effort": "low", "temperature": 0.25, "top_p": 0.5} | {field: value}
    assert {name: body.get(name) for name in others} == others


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_defaults_reach_a_backend_whose_bytes_would_pass_unread(
    live: Live, sent: list[dict[str, Any]], path: str, stream: bool
) -> None:
    asked = (
        chat("gpt", prompt_cache_retention="24h") if path == CHAT else responses("gpt", prompt_cache_retention="24h")
    )
    assert post(live, path, {**asked, "stream": stream}).status == 200
    body = sent[0]["body"]
    assert body.get("max_completion_tokens", body.get("max_output_tokens")) == 77
    assert body["prompt_cache_retention"] == "24h"


def test_an_alias_without_defaults_has_none(live: Live, sent: list[dict[str, Any]]) -> None:
    assert ask(live, "bare").status == 200
    assert set(sent[0]["body"]) == {"model", "messages"}


def test_set_overrules_client_and_alias_and_the_walk_goes_on(live: Live, sent: list[dict[str, Any]]) -> None:
    heard = ask(live, "thrifty", "Create a FastAPI server", reasoning_effort="high", max_tokens=500)
    body = sent[0]["body"]
    assert (heard.status, heard.told("rule"), heard.told("class")) == (200, "thrifty[2]", "complex")
    assert (body["reasoning_effort"], body["max_tokens"]) == ("low", 99)
    [row] = live.rows_of(heard.id)
    assert row.effort == "low"
    assert "set effort=low, max_output_tokens=99" in (row.trace or "")


def test_a_rule_that_does_not_apply_sets_nothing(live: Live, sent: list[dict[str, Any]]) -> None:
    assert ask(live, "thrifty", "Hi!").status == 200
    body = sent[0]["body"]
    assert body["reasoning_effort"] == "high"
    assert "max_tokens" not in body


def test_deny_answers_with_its_reason(live: Live, sent: list[dict[str, Any]]) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    heard = ask(live, "thrifty", tools=[tool])
    assert (heard.status, heard.error["code"]) == (403, "policy_denied")
    assert heard.error["message"] == "no tools on the thrifty plan"
    assert (heard.told("rule"), sent) == ("thrifty[1]", [])
    assert [(row.attempt, row.outcome, row.status) for row in live.rows_of(heard.id)] == [(0, "denied", 403)]


@pytest.mark.parametrize("model", ["bare", "local", "thrifty", "backend/claude"])
def test_a_guard_stands_before_every_road(live: Live, sent: list[dict[str, Any]], model: str) -> None:
    heard = ask(live, model, max_tokens=5001)
    assert (heard.status, heard.told("rule"), sent) == (403, "guards[0]", [])
    assert ask(live, model, max_tokens=5000).status == 200


def test_the_environment_overrides_single_values(live: Live) -> None:
    """The file names an address where nobody answers, and response_model alias."""
    config = get(live, "/admin/config").body["config"]
    assert config["server"]["response_model"] == "upstream"
    heard = ask(live, "thrifty")
    assert heard.body["model"] == "demo-local"
    assert [row.decision_reason for row in live.rows_of(heard.id)] == ["from the environment"]


def shown(heard: Heard, stream: bool) -> set[str]:
    bodies = heard.events if stream else [heard.body]
    return {name for body in bodies for name in (body.get("model"), body.get("response", {}).get("model")) if name}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("alias", "model"), [("bare", "gpt-4.1"), ("local", "demo-local"), ("backend/claude", "claude-sonnet-5")]
)
def test_response_model_upstream_shows_who_answered(live: Live, alias: str, model: str, stream: bool) -> None:
    assert shown(post(live, CHAT, chat(alias, stream=stream)), stream) == {model}
    assert shown(post(live, RESPONSES, responses(alias, stream=stream)), stream) == {model}


def test_defaults_cannot_fill_what_is_passed_on_unread(live: Live, sent: list[dict[str, Any]]) -> None:
    heard = post(live, EMBEDDINGS, {"model": "embed", "input": "x"})
    assert heard.status == 200
    assert "temperature" not in sent[0]["body"]
