"""Many calls at once, connections that serve again, places at a backend, and the promise made before the first event."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

import httpx2
import pytest
from chaos import STEP, WORDS, Chaos
from checker import parse_sse
from live import Live
from talk import APIS, PATHS, Api, Caller, ask, body, until

SLOW = STEP * (len(WORDS) + 1)
"""Seconds that the slow upstream takes for an answer."""


@pytest.fixture(scope="module")
def live(room: Chaos) -> Iterator[Live]:
    at = f'base_url: "{room.url}/v1"'
    text = f"""version: 1
timeouts: {{commit_after: 100ms, keepalive: 100ms}}
retries: {{attempts: 1}}
backends:
  ok:      {{provider: vllm, local: true, {at}, model: ok}}
  exact:   {{provider: openai, dialect: openai_chat, credential: sk-x, {at}, model: ok}}
  slow:    {{provider: vllm, local: true, {at}, model: slow}}
  slower:  {{provider: vllm, local: true, {at}, model: slower, max_parallel: 2, queue: 0}}
  stalled: {{provider: vllm, local: true, {at}, model: stall, timeouts: {{first_byte: 500ms}}}}
aliases:
  full: {{use: [slower, ok]}}
"""
    with Live(text) as made:
        yield made


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", ["ok", "exact"])
def test_connections_to_the_backend_are_used_again(
    live: Live, room: Chaos, backend: str, api: Api, stream: bool
) -> None:
    before = room.connections
    with httpx2.Client(trust_env=False) as client:
        for _ in range(50):
            answer = client.post(live.url + PATHS[api], json=body(api, f"backend/{backend}", stream=stream))
            assert answer.status_code == 200
    assert room.connections - before <= 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_s3_a_hundred_calls_take_the_time_of_the_slowest(live: Live, stream: bool) -> None:
    async def all_of_them() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=100)
        async with httpx2.AsyncClient(timeout=30, limits=limits, trust_env=False) as client:
            calls = [
                client.post(live.url + PATHS["chat"], json=body("chat", "backend/slow", stream=stream))
                for _ in range(100)
            ]
            return await asyncio.gather(*calls)

    began = time.monotonic()
    answers = asyncio.run(all_of_them())
    took = time.monotonic() - began
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-request-id"] for answer in answers}) == 100
    # One after another they would take a hundred times as long; two busy cores serve client, proxy and upstream.
    assert took < 10 * SLOW


def test_max_parallel_sends_the_rest_elsewhere(live: Live, room: Chaos) -> None:
    before = len(room.of("slower"))
    held = [Caller(live.port, "chat", "full", stream=True) for _ in range(2)]
    until(lambda: len(room.of("slower")) - before == 2, "both places taken")
    third = ask(live.url, "chat", "full")
    assert (third.backend, third.headers["x-turnout-reason"]) == ("ok", "slower: shed")
    refused = ask(live.url, "chat", "backend/slower")
    assert (refused.status, refused.failed and refused.failed["code"]) == (503, "backend_busy")
    assert "retry-after" in refused.headers
    for caller in held:
        caller.read_until(b"[DONE]")
    assert ask(live.url, "chat", "full").backend == "slower"


@pytest.mark.parametrize("api", APIS)
def test_d1_a_silent_stream_is_promised_kept_alive_and_told_in_stream(live: Live, room: Chaos, api: Api) -> None:
    before = len(room.of("stall"))
    heard = ask(live.url, api, "backend/stalled", stream=True)
    assert heard.status == 200
    assert Counter(line[:1] for line in heard.raw.split(b"\n\n"))[b":"] >= 2
    assert heard.failed is not None
    assert len(room.of("stall")) - before == 1
    (row,) = live.rows_of(heard.id)
    assert (row.outcome, row.status, row.error_code) == ("interrupted", 200, "upstream_timeout")


def test_d1_a_whole_answer_is_never_promised_early(live: Live) -> None:
    heard = ask(live.url, "chat", "backend/slow")
    assert (heard.status, heard.text) == (200, "".join(WORDS))


@pytest.mark.parametrize("api", APIS)
def test_keep_alives_fill_the_silences_of_a_stream(live: Live, api: Api) -> None:
    heard = ask(live.url, api, "backend/slower", stream=True)
    assert heard.text == "".join(WORDS)
    comments = [part for part in heard.raw.split(b"\n\n") if part.startswith(b":")]
    assert len(comments) >= len(WORDS)
    assert parse_sse(heard.raw, done=heard.raw.endswith(b"[DONE]\n\n"))
