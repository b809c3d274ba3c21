"""Traps of cost, through the public door: G40 of the list."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from road import APIS, MODES, Road, build, config, secret
from scripted import Answer, stream, whole
from vendors import DONE, Json, chunk, claude_block, claude_end, claude_start, data

PRICE = "price: {input: 3, output: 15, cached: 0.3, cache_write: 3.75, cache_write_1h: 6}"
CLAUDE = {
    "input_tokens": 1000,
    "cache_read_input_tokens": 10_000,
    "cache_creation_input_tokens": 600,
    "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 200},
}
DOLLARS = (1000 * 3 + 10_000 * 0.3 + 400 * 3.75 + 200 * 6 + 100 * 15) / 1_000_000
"""Each token in one class: uncached, read, written for 5 minutes, written for an hour, and 100 of output."""


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        row = "provider: anthropic, model: claude-sonnet-5, base_url: '{url}/v1'"
        chat = "provider: vllm, model: m, local: false, base_url: '{url}/v1'"
        text = config(built.upstream.url)
        for name, dialect in (("priced", row), ("priced-chat", chat)):
            line = f"  {name}: {{{dialect.format(url=built.upstream.url)}, credential: {secret(name)}, {PRICE}}}"
            text = text.replace("aliases:\n", f"{line}\naliases:\n  {name}: {{use: [{name}]}}\n", 1)
        built.live.write(text)
        assert built.live.reload()["ok"]
        yield built


def _claude(*, stream_: bool) -> Answer:
    if stream_:
        hello = claude_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hello"})
        return stream(claude_start(**CLAUDE), *hello, *claude_end("end_turn", output_tokens=100))  # type: ignore[arg-type]
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "stop_reason": "end_turn"}
    usage = {**CLAUDE, "output_tokens": 100}
    return whole({**head, "stop_sequence": None, "content": [{"type": "text", "text": "Hello"}], "usage": usage})


def _chat(*, stream_: bool) -> Answer:
    """OpenAI's counts: what is cached and what is written are parts of the prompt."""
    details = {"cached_tokens": 10_000, "cache_write_tokens": 600}
    usage = {
        "prompt_tokens": 11_600,
        "completion_tokens": 100,
        "total_tokens": 11_700,
        "prompt_tokens_details": details,
    }
    if stream_:
        end: Json = {**chunk({}), "choices": [], "usage": usage}
        return stream(data(chunk({"content": "Hello"})), data(chunk({}, "stop")), data(end), DONE)
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    return whole({**chunk({}), "object": "chat.completion", "choices": [choice], "usage": usage})


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g40_claudes_writes_are_priced_by_their_lifetime(road: Road, api: str, stream_: bool) -> None:
    road.upstream.script(_claude(stream_=stream_))
    got = road.ask(api, "priced", stream=stream_)
    (row,) = road.live.rows_of(got.headers["x-request-id"])
    assert row.cost_nano_usd == round(DOLLARS * 1e9)
    if not stream_:
        assert float(got.headers["x-turnout-cost-usd"]) == pytest.approx(DOLLARS)


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g40_openais_writes_are_priced_once(road: Road, api: str, stream_: bool) -> None:
    road.upstream.script(_chat(stream_=stream_))
    got = road.ask(api, "priced-chat", stream=stream_)
    (row,) = road.live.rows_of(got.headers["x-request-id"])
    meant = (1000 * 3 + 10_000 * 0.3 + 600 * 3.75 + 100 * 15) / 1_000_000
    assert row.cost_nano_usd == round(meant * 1e9)
