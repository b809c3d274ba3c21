"""Traps of parameters, through the public door: G49-G54 and G81 of the list of failures seen in the field."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from road import APIS, BACKENDS, MODES, Road, body, build
from scripted import Answer
from vendors import Json, Says, answer

BACKEND_ROWS = {
    "old-claude": ("anthropic_messages", "provider: anthropic, model: claude-sonnet-4-6, base_url: '{url}/v1'"),
    "small": ("anthropic_messages", "provider: anthropic, model: claude-sonnet-5, base_url: '{url}/v1', capabilities: {{default_max_output: 20000}}"),
    "astra": ("openai_chat", "provider: openai, dialect: openai_chat, model: gpt-6-astra, base_url: '{url}/v1'"),
    "newest": ("openai_responses", "provider: openai, dialect: openai_responses, model: gpt-9, base_url: '{url}/v1'"),
    "both": ("openai_chat", "provider: openai, model: gpt-5.6, base_url: '{url}/v1'"),
}  # fmt: skip
"""Models with rules of their own, beside those of the road."""


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with pytest.MonkeyPatch.context() as patch:
        for name, row in BACKEND_ROWS.items():
            patch.setitem(BACKENDS, name, row)
        with build() as built:
            yield built


def sent(road: Road, api: str, backend: str, *, stream: bool = False, **fields: object) -> Json:
    """What the upstream is sent for this question."""
    road.plays(backend, Says(("fine",)), stream=stream)
    road.ask(api, backend, stream=stream, **fields)
    return road.sent()


def limit(api: str, tokens: int) -> Json:
    return {"max_output_tokens": tokens} if api == "responses" else {"max_completion_tokens": tokens}


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g49_without_a_limit_claude_gets_a_large_one(road: Road, api: str, stream: bool) -> None:
    for backend in ("claude", "old-claude"):
        assert sent(road, api, backend, stream=stream)["max_tokens"] >= 16_000
    assert sent(road, api, "small", stream=stream)["max_tokens"] == 20_000, "the operator may say"
    assert sent(road, api, "claude", stream=stream, **limit(api, 50))["max_tokens"] == 50


FIELD = {
    "claude": "max_tokens", "openai": "max_completion_tokens", "vllm": "max_tokens", "ollama": "max_tokens",
    "llama": "max_tokens", "gpt": "max_output_tokens", "lmstudio": "max_output_tokens", "astra": "max_completion_tokens",
}  # fmt: skip
"""backend -> where it wants the limit."""


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("backend", FIELD)
def test_g50_one_limit_under_the_name_that_the_backend_knows(road: Road, backend: str, stream: bool) -> None:
    names = {"max_tokens", "max_completion_tokens", "max_output_tokens"}
    asked: list[tuple[str, Json, int]] = [
        ("chat", {"max_tokens": 70}, 70),
        ("chat", {"max_completion_tokens": 80}, 80),
        ("chat", {"max_tokens": 70, "max_completion_tokens": 80}, 80),
        ("responses", {"max_output_tokens": 90}, 90),
    ]
    for api, fields, meant in asked:
        told = sent(road, api, backend, stream=stream, **fields)
        assert {name: told[name] for name in names & told.keys()} == {FIELD[backend]: meant}, (api, fields)


@pytest.mark.parametrize("api", APIS)
def test_g50_gemini_too(road: Road, api: str) -> None:
    assert sent(road, api, "gemini", **limit(api, 60))["generationConfig"]["maxOutputTokens"] == 60


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g51_newer_claude_models_get_no_sampling(road: Road, api: str, stream: bool) -> None:
    asked = {"temperature": 0.2, "top_p": 0.9, **({"top_k": 5} if api == "chat" else {})}
    road.plays("claude", Says(("fine",)), stream=stream)
    dropped = road.ask(api, "claude", stream=stream, **asked).headers["x-turnout-dropped"]
    assert {"temperature", "top_p"} <= set(dropped.split(", "))
    assert not {"temperature", "top_p", "top_k"} & road.sent().keys()
    older = sent(road, api, "old-claude", stream=stream, **asked)
    assert (older["temperature"], older["top_p"]) == (0.2, 0.9)


@pytest.mark.parametrize("api", APIS)
def test_g51_beside_thinking_older_models_get_none_either(road: Road, api: str) -> None:
    effort = {"reasoning": {"effort": "high"}} if api == "responses" else {"reasoning_effort": "high"}
    told = sent(road, api, "old-claude", temperature=0.2, **effort)
    assert told["output_config"] == {"effort": "high"}
    assert "temperature" not in told


@pytest.mark.parametrize("stream", MODES)
def test_g52_stops_of_white_space_only_stay_behind(road: Road, stream: bool) -> None:
    told = sent(road, "chat", "claude", stream=stream, stop=["\n", "END"])
    assert told["stop_sequences"] == ["END"]
    assert "stop_sequences" not in sent(road, "chat", "claude", stream=stream, stop=["\n", " "])
    assert road.ask("chat", "claude", stream=stream, stop="\n").headers["x-turnout-dropped"] == "stop"


def instructed(api: str) -> Json:
    """Two instructions, the second in the midst of the conversation."""
    turns: list[Json] = [
        {"role": "system", "content": "First."},
        {"role": "user", "content": "Hi!"},
        {"role": "assistant", "content": "Hello."},
        {"role": "developer", "content": "Second."},
        {"role": "user", "content": "Go on."},
    ]
    return {"input": turns} if api == "responses" else {"messages": turns}


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", ["vllm", "ollama", "llama", "lmstudio"])
def test_g53_local_servers_get_one_leading_system_message(road: Road, backend: str, api: str, stream: bool) -> None:
    told = sent(road, api, backend, stream=stream, **instructed(api))
    if backend == "lmstudio":
        assert told["instructions"] == "First.\n\nSecond."
        turns = told["input"]
    else:
        assert told["messages"][0] == {"role": "system", "content": "First.\n\nSecond."}
        turns = told["messages"][1:]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("backend", ["openai", "vllm", "ollama", "llama", "both"])
def test_g54_fields_that_nobody_knows_reach_openai_and_local_servers(road: Road, backend: str, stream: bool) -> None:
    new = b'{"enable_thinking":false,"n":[1.50,1e2],"\\u00e9":"\\u00e9"}'
    plain = road_body("chat", backend, stream=stream)
    asked = plain[:-1] + b',"chat_template_kwargs":' + new + b',"enable_thinking":true}'
    road.plays(backend, Says(("fine",)), stream=stream)
    got = road.post("chat", asked)
    assert got.status_code == 200, got.text
    raw = road.upstream.asked[-1].raw
    assert b'"chat_template_kwargs":' + new in raw
    assert b'"enable_thinking":true' in raw
    assert road.sent()["model"] != backend, "the model's name was rewritten"


def road_body(api: str, backend: str, *, stream: bool) -> bytes:
    return msgspec.json.encode(body(api, backend, stream=stream))


@pytest.mark.parametrize("stream", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", ["both", "astra", "gpt", "newest"])
def test_g81_new_openai_families_get_what_they_take(road: Road, backend: str, api: str, stream: bool) -> None:
    """Version numbers are parsed; a newer family than all rules gets the newest."""
    fields: Json = {"temperature": 0, "stop": ["User:"], **({"max_tokens": 40} if api == "chat" else limit(api, 40))}
    dialect = "openai_responses" if (backend, api) == ("both", "responses") else BACKENDS[backend][0]
    road.upstream.script(_answer(dialect, stream=stream))
    road.ask(api, backend, stream=stream, **fields)
    told = road.sent()
    assert not {"temperature", "stop", "max_tokens"} & told.keys()
    assert told["max_output_tokens" if "input" in told else "max_completion_tokens"] == 40


def _answer(dialect: str, *, stream: bool) -> Answer:
    return answer(dialect, Says(("fine",)), stream_=stream)
