"""Hits as the official clients meet them: three APIs, both modes, a backend of every dialect, tools and thoughts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic
from cache_kit import BACKENDS, PATHS, cache_of, config, put, question
from checker import check_twins, parse_sse
from checker_messages import check_message_twins
from heard import heard, message
from live import Live, demo_upstream
from openai import DefaultHttpxClient, OpenAI
from public_door import Heard

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: dict[str, list[dict[str, Any]]] = {
    "chat": [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}],
    "responses": [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}],
    "messages": [{"name": "get_weather", "input_schema": SCHEMA}],
}
THINKS: dict[str, dict[str, Any]] = {
    "chat": {"reasoning_effort": "low"},
    "responses": {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096},
}
MODES = (False, True)


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def live(journal: list[dict[str, Any]]) -> Iterator[Live]:
    with demo_upstream(journal=journal) as url, Live(config(url, cache="{ttl: 1h, tools: true}")) as made:
        yield made


def scene(api: str, kind: str) -> dict[str, Any]:
    return {"plain": {}, "tools": {"tools": TOOLS[api]}, "thinks": THINKS[api]}[kind]


def asked(api: str, *, stream: bool) -> dict[str, Any]:
    options = {"stream_options": {"include_usage": True}} if api == "chat" and stream else {}
    return {"stream": stream, **options}


def without_pings(raw: bytes) -> bytes:
    """Anthropic's own streams have them, and its SDK has no type for them."""
    return b"".join(event for event in re.split(rb"(?<=\n\n)", raw) if not event.startswith(b"event: ping"))


def last(api: str, heard_: Heard, *, stream: bool) -> dict[str, Any]:
    """The whole answer that a Responses or Messages client was told."""
    if api == "messages":
        return message(heard_.raw, stream=stream)
    told: dict[str, Any] = parse_sse(heard_.raw)[-1]["response"] if stream else heard_.body
    return told


@pytest.mark.parametrize("first", MODES, ids=["whole first", "stream first"])
@pytest.mark.parametrize("kind", ["plain", "tools", "thinks"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("api", PATHS)
def test_a_hit_says_what_was_said_in_either_mode(
    live: Live, journal: list[dict[str, Any]], api: str, backend: str, kind: str, first: bool
) -> None:
    text = f"Weather in Paris? {api} {kind} {first}"
    more = scene(api, kind)
    journal.clear()
    miss = put(live, api, backend, text, **asked(api, stream=first), **more)
    hits = {mode: put(live, api, backend, text, **asked(api, stream=mode), **more) for mode in MODES}
    assert [cache_of(each) for each in (miss, *hits.values())] == ["miss", "hit", "hit"], miss.raw[:500]
    assert len([entry for entry in journal if entry["method"] == "POST"]) == 1
    echoed = question(api, backend, text, **more)
    told = {mode: heard(api, each.raw, stream=mode, asked=echoed) for mode, each in hits.items()}
    assert told[False] == told[True] == heard(api, without_pings(miss.raw), stream=first, asked=echoed)
    if api == "responses":
        check_twins(last(api, hits[True], stream=True), last(api, hits[False], stream=False))
    elif api == "messages":
        check_message_twins(last(api, hits[True], stream=True), last(api, hits[False], stream=False))
    if kind == "tools":
        assert told[False].calls


@pytest.mark.parametrize("backend", BACKENDS)
def test_ids_and_times_are_a_hit_s_own(live: Live, backend: str) -> None:
    one, other, third = (put(live, "responses", backend, f"own {backend}").body for _ in range(3))
    assert len({one["id"], other["id"], third["id"]}) == 3
    ids = [[item["id"] for item in each["output"] if item["type"] == "message"] for each in (other, third)]
    assert ids[0] != ids[1]
    assert other["completed_at"] >= other["created_at"] >= one["created_at"]


@pytest.fixture(scope="module")
def openai(live: Live) -> Iterator[OpenAI]:
    http = DefaultHttpxClient()
    strict: dict[str, Any] = {"_strict_response_validation": True, "max_retries": 0, "api_key": "k"}
    with OpenAI(base_url=live.base_url, http_client=http, **strict) as client:
        yield client


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_openai_sdk_takes_hits(openai: OpenAI, backend: str) -> None:
    messages: Any = [{"role": "user", "content": f"sdk {backend}"}]
    whole = [openai.chat.completions.with_raw_response.create(model=backend, messages=messages) for _ in range(2)]
    assert whole[1].headers["x-turnout-cache"].startswith("hit; age=")
    said = whole[0].parse().choices[0].message.content
    assert whole[1].parse().choices[0].message.content == said
    with openai.chat.completions.stream(model=backend, messages=messages) as stream:
        assert stream.get_final_completion().choices[0].message.content == said

    kept: Any = {"model": backend, "input": f"sdk {backend}", "store": False}
    answers = [openai.responses.create(**kept) for _ in range(2)]
    with openai.responses.stream(**kept) as events:
        final = events.get_final_response()
    assert answers[0].output_text == answers[1].output_text == final.output_text
    assert len({answers[0].id, answers[1].id, final.id}) == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_anthropic_sdk_takes_hits(live: Live, backend: str) -> None:
    kept: Any = {"model": backend, "max_tokens": 999, "messages": [{"role": "user", "content": f"sdk {backend}"}]}
    with Anthropic(base_url=live.url, api_key="k", max_retries=0, http_client=httpx2.Client()) as sdk:  # type: ignore[arg-type]
        one, other = sdk.messages.create(**kept), sdk.messages.create(**kept)
        with sdk.messages.stream(**kept) as stream:
            final = stream.get_final_message()
    said = [[block.model_dump(exclude_none=True) for block in each.content] for each in (one, other, final)]
    assert said[0] == said[1] == said[2]
    assert json.loads(one.usage.to_json()) == json.loads(other.usage.to_json())
    assert one.id != other.id != final.id
