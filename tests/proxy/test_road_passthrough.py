"""Embeddings and legacy completions: routed by alias, passed on unread but for usage, recorded; never another model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live import Live, demo_upstream, free_port
from openai import OpenAI
from public_door import COMPLETIONS, EMBEDDINGS, Heard, post
from scripted import Upstream, scripted, whole


@pytest.fixture(scope="module")
def raw() -> Iterator[Upstream]:
    with scripted() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def live(raw: Upstream) -> Iterator[Live]:
    with (
        demo_upstream() as demo,
        Live(f"""version: 1
retries: {{attempts: 1}}
backends:
  down:    {{provider: vllm, base_url: "http://127.0.0.1:{free_port()}/v1", model: embed-a}}
  down-b:  {{provider: vllm, base_url: "http://127.0.0.1:{free_port()}/v1", model: embed-b}}
  second:  {{provider: vllm, base_url: "{demo}/v1", model: embed-b}}
  embed:   {{provider: vllm, base_url: "{demo}/v1", model: demo-embed, price: {{input: 2, output: 0}}}}
  legacy:  {{provider: openai_compatible, base_url: "{demo}/v1", model: demo-local, local: true}}
  raw:     {{provider: openai, base_url: "{raw.url}/v1", model: text-embedding-4, credential: sk-raw}}
  claude:  {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo}}
aliases:
  embed:        {{use: [embed]}}
  two-models:   {{use: [down, second]}}
  one-model:    {{use: [down-b, second]}}
  legacy:       {{use: [legacy]}}
  raw:          {{use: [raw]}}
  claude:       {{use: [claude]}}
  claude-first: {{use: [claude, embed]}}
""") as made,
    ):
        yield made


@pytest.fixture
def sdk(live: Live) -> Iterator[OpenAI]:
    with OpenAI(base_url=live.base_url, api_key="none", max_retries=0) as client:
        yield client


def embed(live: Live, model: str, **more: Any) -> Heard:
    return post(live, EMBEDDINGS, {"model": model, "input": ["a b", "c"], **more})


def test_embeddings_are_routed_by_alias_and_recorded(live: Live) -> None:
    heard = embed(live, "embed", dimensions=4)
    body = heard.body
    assert (heard.status, heard.told("backend"), heard.told("policy")) == (200, "embed", "alias:embed")
    assert [len(one["embedding"]) for one in body["data"]] == [4, 4]
    assert body["model"] == "embed"
    [row] = live.rows_of(heard.id)
    assert (row.api, row.alias, row.backend, row.outcome) == ("embeddings", "embed", "embed", "ok")
    assert (row.input_tokens, row.output_tokens) == (body["usage"]["prompt_tokens"], 0)
    assert row.cost_nano_usd == body["usage"]["prompt_tokens"] * 2000


def test_the_sdk_reads_embeddings(sdk: OpenAI) -> None:
    answer = sdk.embeddings.create(model="embed", input="hello", dimensions=8)
    assert len(answer.data[0].embedding) == 8


def test_an_embedding_call_never_moves_to_another_model(live: Live) -> None:
    heard = embed(live, "two-models")
    assert heard.status == 502
    assert heard.error["code"] == "upstream_unreachable"
    assert "down" in heard.error["message"]
    assert [row.backend for row in live.rows_of(heard.id)] == ["down"]


def test_an_embedding_call_moves_to_another_backend_of_its_model(live: Live) -> None:
    heard = embed(live, "one-model")
    assert (heard.status, heard.told("backend"), heard.told("attempts")) == (200, "second", "2")


@pytest.mark.parametrize(("path", "api"), [(EMBEDDINGS, "embeddings"), (COMPLETIONS, "completions")])
def test_a_backend_of_another_dialect_is_refused_and_says_why(live: Live, path: str, api: str) -> None:
    heard = post(live, path, {"model": "claude", "input": "x", "prompt": "x"})
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "unsupported_parameter", api)
    assert f"claude has no {api} endpoint" in heard.error["message"]


def test_a_backend_of_another_dialect_is_passed_over(live: Live) -> None:
    assert embed(live, "claude-first").told("backend") == "embed"


def test_a_completion_is_answered_whole_and_recorded(live: Live) -> None:
    heard = post(live, COMPLETIONS, {"model": "legacy", "prompt": "Hello there"})
    body = heard.body
    assert (heard.status, body["object"], body["model"]) == (200, "text_completion", "legacy")
    [row] = live.rows_of(heard.id)
    assert (row.api, row.stream, row.outcome) == ("completions", False, "ok")
    assert (row.input_tokens, row.output_tokens) == (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"])


@pytest.mark.parametrize("asked", [True, False], ids=["usage-asked", "usage-not-asked"])
def test_a_completion_is_streamed_and_recorded(live: Live, asked: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if asked else {}
    heard = post(live, COMPLETIONS, {"model": "legacy", "prompt": "Hello there", "stream": True, **options})
    assert heard.status == 200
    assert heard.raw.endswith(b"data: [DONE]\n\n")
    assert {event["model"] for event in heard.events} == {"legacy"}
    told = [event["usage"] for event in heard.events if event.get("usage")]
    assert len(told) == asked
    [row] = live.rows_of(heard.id)
    assert (row.stream, row.outcome, row.upstream_model) == (True, "ok", "demo-local")
    assert row.input_tokens
    assert row.output_tokens


def test_the_sdk_reads_completions(sdk: OpenAI) -> None:
    whole_answer = sdk.completions.create(model="legacy", prompt="Hi")
    chunks = list(sdk.completions.create(model="legacy", prompt="Hi", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole_answer.choices[0].text


def test_what_we_do_not_know_reaches_the_upstream_byte_for_byte(live: Live, raw: Upstream) -> None:
    raw.script(whole({"object": "list", "data": [], "model": "text-embedding-4", "usage": {"prompt_tokens": 3}}))
    odd = b'"x":1.50E+2, "deep": {"n":[1.0,  -0.0, 12345678901234567890123],"s":"\\u00e9"},"input":[[1,2],[3]]'
    heard = post(live, EMBEDDINGS, b'{"model":"raw",' + odd + b"}")
    assert heard.status == 200
    [asked] = raw.asked
    assert asked.path == "/v1/embeddings"
    assert asked.headers["authorization"] == "Bearer sk-raw"
    assert asked.body["model"] == "text-embedding-4"
    for piece in (b'"x":1.50E+2', b'{"n":[1.0,  -0.0, 12345678901234567890123],"s":"\\u00e9"}', b"[[1,2],[3]]"):
        assert piece in asked.raw


def test_unread_bodies_follow_no_rule_on_their_content(live: Live) -> None:
    """Defaults and classes need a body that is read; an alias of plain backends needs neither."""
    assert embed(live, "embed", unheard_of={"a": [1, 2]}).status == 200
