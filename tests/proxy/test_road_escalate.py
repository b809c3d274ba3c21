"""Escalation on the road: a poor local answer is never seen while a better backend can be asked (decision D24)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import msgspec
import pytest
from anthropic import Anthropic
from heard import CLIENTS, heard, question
from live import Live
from openai import DefaultHttpxClient, OpenAI
from public_door import CHAT, Heard, chat, post
from scripted import Answer, Asked, Upstream, stream, whole

GOOD = "The capital of France is Paris."
REFUSAL = "I'm sorry, but I can't help with that."
API = {name: f"/v1{path}" for name, path in CLIENTS.items()}


def config(url: str) -> str:
    return f"""version: 1
timeouts: {{commit_after: 400ms, keepalive: 50ms}}
retries: {{base: 1ms, attempts: 1}}
backends:
  oss:   {{provider: vllm, base_url: "{url}/v1", model: oss, local: true, price: {{input: 1, output: 1}}}}
  deaf:  {{provider: anthropic, base_url: "{url}", model: claude-deaf, credential: sk-x, local: true, price: {{input: 1, output: 1}}}}
  exact: {{provider: openai, base_url: "{url}/v1", model: gpt-4o-mini, dialect: openai_chat, credential: sk-x, price: {{input: 1, output: 1}}}}
  big:   {{provider: openai_compatible, base_url: "{url}/v1", model: big, local: false, price: {{input: 10, output: 10}}}}
  words: {{provider: transformers, base_url: "{url}/v1", model: words, local: true, price: {{input: 1, output: 1}}}}
policies:
  words:   {{rules: [{{use: [words, big], escalate: [invalid_json]}}]}}
  all:     {{rules: [{{use: [oss, big], escalate: true}}]}}
  some:    {{rules: [{{use: [oss, big], escalate: [empty]}}]}}
  deaf:    {{rules: [{{use: [deaf, big], escalate: true}}]}}
  exact:   {{rules: [{{use: [exact, big], escalate: [refusal]}}]}}
  alone:   {{rules: [{{use: [oss], escalate: true}}]}}
aliases:
  words: {{policy: words}}
  all:   {{policy: all}}
  some:  {{policy: some}}
  deaf:  {{policy: deaf}}
  exact: {{policy: exact}}
  alone: {{policy: alone}}
"""


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    with Live(config(upstream.url)) as made:
        yield made


def said(text: str | None, finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A chat answer of 10 tokens in and 5 out."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish, **more}
    return {
        "id": "up", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage
    }  # fmt: skip


def told(asked: Asked, answer: dict[str, Any]) -> Answer:
    """The same as a stream where one is asked for."""
    if not asked.body.get("stream"):
        return whole(answer)
    choice = answer["choices"][0]
    base = {**answer, "object": "chat.completion.chunk"}
    del base["usage"]
    chunks = [
        {**base, "choices": [{"index": 0, "delta": choice["message"], "finish_reason": None}]},
        {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
        {**base, "choices": [], "usage": answer["usage"]},
    ]
    return stream(*(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n")


@pytest.fixture
def play(upstream: Upstream) -> Callable[..., list[Asked]]:
    """``play(oss answer, cloud answer)``: what each model says; None fails with 500. Returns the journal."""

    def script(local: dict[str, Any] | None, cloud: dict[str, Any] | None = None) -> list[Asked]:
        def reply(asked: Asked) -> Answer:
            answer = cloud if asked.body["model"] == "big" else local
            return told(asked, answer) if answer is not None else whole({"error": {"message": "away"}}, 500)

        upstream.asked.clear()
        upstream.reply = reply
        return upstream.asked

    return script


def models(asked: list[Asked]) -> list[str]:
    return [each.body["model"] for each in asked]


BAD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "refusal": (said(REFUSAL), {}),
    "empty": (said(" "), {}),
    "truncated": (said("The capital of", "length"), {}),
    "invalid_json": (said("no JSON here"), {"response_format": {"type": "json_object"}}),
    "logprob": (
        said("perhaps", logprobs={"content": [{"token": "x", "logprob": -4.0, "bytes": None, "top_logprobs": []}]}),
        {},
    ),
}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("sign", BAD)
def test_a_poor_answer_is_never_seen(live: Live, play: Callable[..., list[Asked]], sign: str, streams: bool) -> None:
    answer, more = BAD[sign]
    good = said('{"city": "Paris"}' if more else GOOD)
    asked = play(answer, good)
    found = post(live, CHAT, chat("all", stream=streams, **more))
    assert found.status == 200
    assert heard("chat", found.raw, stream=streams).text == good["choices"][0]["message"]["content"]
    assert models(asked) == ["oss", "big"]
    assert (found.told("backend"), found.told("attempts")) == ("big", "2")
    assert found.told("reason") == f"oss: poor_answer {sign}"
    assert asked[1].body.get("stream", False) is streams  # the last one's answer is told as it comes
    first, second = live.rows_of(found.id)
    assert (first.outcome, first.flags, first.error_code) == ("fallback", f"poor_answer {sign}", "poor_answer")
    assert (second.outcome, second.flags) == ("ok", None)
    assert (first.cost_nano_usd, second.cost_nano_usd) == (15_000, 150_000)
    if not streams:
        assert found.told("cost-usd") == "0.000165"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("api", CLIENTS)
def test_every_api_in_both_modes(live: Live, play: Callable[..., list[Asked]], api: str, streams: bool) -> None:
    play(said(REFUSAL), said(GOOD))
    body = question(api, "all", stream=streams)
    found = post(live, API[api], body)
    assert heard(api, found.raw, stream=streams, asked=body).text == GOOD
    assert found.told("backend") == "big"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("api", CLIENTS)
def test_a_good_answer_is_told_whole(live: Live, play: Callable[..., list[Asked]], api: str, streams: bool) -> None:
    asked = play(said(GOOD), None)
    body = question(api, "all", stream=streams)
    found = post(live, API[api], body)
    assert heard(api, found.raw, stream=streams, asked=body).text == GOOD
    assert (models(asked), asked[0].body.get("stream")) == (["oss"], None)
    assert found.told("buffered") == ("1" if streams else None)
    assert (found.told("reason"), found.told("attempts")) == (None, "1")


def test_only_the_signs_that_the_rule_names_count(live: Live, play: Callable[..., list[Asked]]) -> None:
    asked = play(said(REFUSAL), said(GOOD))
    assert heard("chat", post(live, CHAT, chat("some")).raw, stream=False).text == REFUSAL
    assert models(asked) == ["oss"]
    assert "logprobs" not in asked[0].body


def test_the_last_ones_answer_is_given_as_it_is(live: Live, play: Callable[..., list[Asked]]) -> None:
    play(said(REFUSAL), said(REFUSAL))
    found = post(live, CHAT, chat("all"))
    assert (found.status, heard("chat", found.raw, stream=False).text) == (200, REFUSAL)
    asked = play(said(REFUSAL))
    found = post(live, CHAT, chat("alone", stream=True))
    assert (found.told("buffered"), asked[0].body["stream"]) == (None, True)


def test_a_clients_own_limit_is_no_fault(live: Live, play: Callable[..., list[Asked]]) -> None:
    asked = play(said("The capital of", "length"), said(GOOD))
    found = post(live, CHAT, chat("all", max_tokens=5))
    assert (models(asked), found.body["choices"][0]["finish_reason"]) == (["oss"], "length")


@pytest.mark.parametrize("streams", [False, True])
def test_a_poor_answer_is_more_than_an_error(live: Live, play: Callable[..., list[Asked]], streams: bool) -> None:
    play(said(REFUSAL), None)
    found = post(live, CHAT, chat("all", stream=streams))
    assert (found.status, heard("chat", found.raw, stream=streams).text) == (200, REFUSAL)
    assert (found.told("backend"), found.told("reason")) == ("oss", "oss: poor_answer refusal; big: upstream_error")
    first, second = live.rows_of(found.id)
    assert (first.outcome, first.flags, first.error_code) == ("ok", "poor_answer refusal", None)
    assert (second.outcome, second.status) == ("fallback", 502)


def test_log_probabilities_are_asked_for_and_taken_out(live: Live, play: Callable[..., list[Asked]]) -> None:
    sure = {"content": [{"token": "x", "logprob": -0.1, "bytes": None, "top_logprobs": []}]}
    asked = play(said(GOOD, logprobs=sure), None)
    found = post(live, CHAT, chat("all"))
    assert (asked[0].body["logprobs"], found.body["choices"][0]["logprobs"]) == (True, None)
    found = post(live, CHAT, chat("all", logprobs=True))
    assert found.body["choices"][0]["logprobs"]["content"][0]["logprob"] == -0.1


def test_a_backend_without_log_probabilities_skips_that_test(live: Live, upstream: Upstream) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1}
    body = {"id": "m", "type": "message", "role": "assistant", "model": "x", "stop_sequence": None, "usage": usage}
    upstream.script(whole({**body, "stop_reason": "end_turn", "content": [{"type": "text", "text": GOOD}]}))
    found = post(live, CHAT, chat("deaf"))
    assert found.body["choices"][0]["message"]["content"] == GOOD
    (row,) = live.rows_of(found.id)
    assert "deaf tells no log-probabilities, so that test is left out" in (row.trace or "")


@pytest.mark.parametrize("streams", [False, True])
def test_bytes_that_would_pass_unread_are_read(live: Live, play: Callable[..., list[Asked]], streams: bool) -> None:
    asked = play(said(REFUSAL), said(GOOD))
    found = post(live, CHAT, chat("exact", stream=streams, strange_field=7))
    assert heard("chat", found.raw, stream=streams).text == GOOD
    assert asked[0].body["strange_field"] == 7


@pytest.mark.parametrize("streams", [False, True])
def test_a_format_that_is_emulated_is_mended_first(live: Live, play: Callable[..., list[Asked]], streams: bool) -> None:
    asked = play(said("no"), said('{"a": 1}'))
    body = chat("words", stream=streams, response_format={"type": "json_object"})
    found = post(live, CHAT, body)
    assert heard("chat", found.raw, stream=streams).text == '{"a": 1}'
    assert models(asked) == ["words", "words", "big"]
    assert found.told("reason") == "words: bad_output; words: poor_answer invalid_json"
    play(said("no"), None)
    found = post(live, CHAT, body)
    assert found.status == 502, "free text never stands under a 200"


def test_poor_answers_do_not_open_the_breaker(live: Live, play: Callable[..., list[Asked]]) -> None:
    asked = play(said(""), said(GOOD))
    for _ in range(8):
        post(live, CHAT, chat("all"))
    assert models(asked) == ["oss", "big"] * 8


def test_a_promised_stream_may_still_move(live: Live, upstream: Upstream) -> None:
    """The head says nothing of a backend that nobody has chosen yet."""
    gate = threading.Event()

    def reply(asked: Asked) -> Answer:
        if asked.body["model"] == "big":
            return told(asked, said(GOOD))
        return Answer([gate, msgspec.json.encode(said(REFUSAL))])

    upstream.reply = reply

    async def listen() -> Heard:
        body = msgspec.json.encode(chat("all", stream=True))
        url, raw = live.url + CHAT, b""
        async with (
            httpx2.AsyncClient(timeout=30, trust_env=False) as http,
            http.stream("POST", url, content=body) as got,
        ):
            async for part in got.aiter_bytes():
                raw += part
                gate.set()  # the promise and a keep-alive have come
            return Heard(got.status_code, got.headers, raw)

    found = asyncio.run(listen())
    assert b": " in found.raw[:40]
    assert (found.told("buffered"), found.told("backend"), found.told("policy")) == ("1", None, "all")
    text = "".join(c["delta"].get("content") or "" for e in found.events for c in e["choices"])
    assert text == GOOD
    assert [row.outcome for row in live.rows_of(found.id)] == ["fallback", "ok"]


def test_official_clients(live: Live, play: Callable[..., list[Asked]]) -> None:
    play(said(REFUSAL), said(GOOD))
    with OpenAI(api_key="k", base_url=live.base_url, max_retries=0, http_client=DefaultHttpxClient()) as sdk:
        made = sdk.chat.completions.create(model="all", messages=[{"role": "user", "content": "Hi!"}])
        assert made.choices[0].message.content == GOOD
        events = sdk.responses.create(model="all", input="Hi!", stream=True)
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == GOOD
    with (
        Anthropic(api_key="k", base_url=live.url, max_retries=0) as claude,
        claude.messages.stream(model="all", max_tokens=100, messages=[{"role": "user", "content": "Hi!"}]) as messages,
    ):
        assert "".join(messages.text_stream) == GOOD
