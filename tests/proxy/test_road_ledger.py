"""What one call leaves in the ledger: facts, trace, tokens of every class, the reasoning split, and its exact cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from live import Live, demo_upstream
from public_door import CHAT, RESPONSES, Heard, ask, chat, post, responses
from scripted import Upstream, scripted, stream, whole

from proxy.ledger.record import UsageRecord

THOUGHT, ANSWER = "t" * 30, "a" * 10
CLAUDE_USAGE = {
    "input_tokens": 11,
    "cache_read_input_tokens": 700,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 20,
}
CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": ANSWER}], "usage": CLAUDE_USAGE,
}  # fmt: skip
CLAUDE_NANO = 11 * 3000 + 700 * 300 + 100 * 3750 + 200 * 6000 + 20 * 15_000


@pytest.fixture(scope="module")
def raw() -> Iterator[Upstream]:
    with scripted() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def live(raw: Upstream) -> Iterator[Live]:
    with (
        demo_upstream() as demo,
        Live(f"""version: 1
backends:
  local:  {{provider: vllm, base_url: "{demo}/v1", model: demo-local}}
  away:   {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo}}
  cached: {{provider: anthropic, base_url: "{raw.url}", model: claude-sonnet-5, credential: k,
           price: {{input: 3, output: 15, cached: 0.3, cache_write: 3.75, cache_write_1h: 6}}}}
  oss:    {{provider: vllm, base_url: "{raw.url}/v1", model: m, tokenizer: off, price: {{input: 0.0375, output: 0.0125}}}}
  sheet:  {{provider: openai, base_url: "{raw.url}/v1", model: gpt-4.1, credential: k}}
roles: {{local: local, cloud: away, claude: away}}
aliases:
  auto:   {{policy: hybrid}}
  cached: {{use: [cached]}}
  oss:    {{use: [oss]}}
  sheet:  {{use: [sheet]}}
""") as made,
    ):
        yield made


def row(live: Live, heard: Heard) -> UsageRecord:
    assert heard.status == 200, heard.raw
    [found] = live.rows_of(heard.id)
    return found


def local(usage: dict[str, Any] | None, reasoning: str | None = None) -> dict[str, Any]:
    """A whole answer of a vLLM-like server."""
    message = {"role": "assistant", "content": ANSWER, "reasoning": reasoning}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def claude_events() -> list[bytes]:
    head = {**CLAUDE, "content": [], "stop_reason": None, "usage": {**CLAUDE_USAGE, "output_tokens": 1}}
    events = [
        {"type": "message_start", "message": head},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}},
        {"type": "message_stop"},
    ]
    return [f"event: {e['type']}\n".encode() + b"data: " + msgspec.json.encode(e) + b"\n\n" for e in events]


@pytest.mark.parametrize(
    ("text", "cls", "backend"), [("Hi!", "simple", "local"), ("Create a FastAPI server", "complex", "away")]
)
def test_d16_the_facts_of_a_decision(live: Live, text: str, cls: str, backend: str) -> None:
    body = chat("auto", text, reasoning_effort="low", max_tokens=500)
    found = row(live, post(live, CHAT, body, x_turnout_data_class="internal"))
    facts = msgspec.json.decode(found.facts or "")
    assert len(found.facts or "") <= 400
    assert facts.items() >= {
        "v": 1, "alias": "auto", "api": "chat", "stream": False, "data_class": "internal", "class": cls,
        "effort": "low", "max_output": 500, "modality": "text", "structured_output": "text", "depth": 1,
    }.items()  # fmt: skip
    assert {"score", "weights"} <= facts.keys()
    assert (found.cls, found.backend) == (cls, backend)
    assert len(found.policy_hash or "") >= 12
    assert text not in f"{found.facts}{found.trace}"


def test_d16_facts_of_a_huge_request_stay_small(live: Live) -> None:
    tools = [
        {"type": "function", "function": {"name": f"tool_number_{at:03}", "parameters": {"type": "object"}}}
        for at in range(100)
    ]
    found = row(live, ask(live, "auto", "Hi! " * 500, tools=tools))
    assert len((found.facts or "").encode()) <= 400
    assert msgspec.json.decode(found.facts or "")["tools"] == 100


def test_the_trace_tells_each_rule_and_the_plan(live: Live) -> None:
    found = row(live, ask(live, "auto", "Create a FastAPI server"))
    told = (found.trace or "").splitlines()
    assert told[0] == "policy hybrid: the alias's"
    assert any(line.startswith(f"{found.rule} applies: use") for line in told)
    assert told[-1] == "plan: away, local" or told[-1].startswith("plan: away")


def test_the_policy_hash_changes_with_the_policy_alone(live: Live) -> None:
    first, second = (row(live, ask(live, "auto", text)) for text in ("Hi!", "Create a FastAPI server"))
    direct = row(live, ask(live, "backend/local"))
    assert first.policy_hash == second.policy_hash != direct.policy_hash


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_every_class_of_anthropics_tokens_has_its_price(live: Live, raw: Upstream, path: str, streamed: bool) -> None:
    raw.script(stream(*claude_events()) if streamed else whole(CLAUDE))
    body = chat("cached") if path == CHAT else responses("cached")
    heard = post(live, path, {**body, "stream": streamed})
    found = row(live, heard)
    assert (found.input_tokens, found.cached_tokens, found.cache_write_tokens, found.output_tokens) == (
        1011, 700, 300, 20,
    )  # fmt: skip
    assert (found.cost_nano_usd, found.price_source) == (CLAUDE_NANO, "operator")
    assert msgspec.json.decode(found.unit_prices or "")["cache_write_1h"] == 6_000_000_000
    if not streamed:
        assert float(heard.told("cost-usd") or 0) == CLAUDE_NANO / 1e9


def test_a_price_below_a_nano_dollar_is_rounded_once(live: Live, raw: Upstream) -> None:
    raw.script(whole(local({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10})))
    assert row(live, ask(live, "oss")).cost_nano_usd == 300  # 7 x 37.5 + 3 x 12.5


def test_the_shipped_sheet_prices_a_cloud_model(live: Live, raw: Upstream) -> None:
    raw.script(
        whole({**local({"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}), "model": "gpt-4.1"})
    )
    found = row(live, ask(live, "sheet"))
    assert found.cost_nano_usd == 1000 * 2000 + 1000 * 8000
    assert (found.price_source or "").startswith("genai-prices ")


@pytest.mark.parametrize(
    ("usage", "reasoning", "split"),
    [
        ({"completion_tokens_details": {"reasoning_tokens": 5}}, THOUGHT, (5, "reported")),
        ({"completion_tokens_details": {"reasoning_tokens": 0}}, THOUGHT, (15, "estimated")),
        ({}, THOUGHT, (15, "estimated")),
        ({"completion_tokens_details": {"reasoning_tokens": 99}}, THOUGHT, (15, "estimated")),
        ({}, None, (None, None)),
        ({"completion_tokens_details": {"reasoning_tokens": 0}}, None, (0, "reported")),
    ],
)
def test_the_reasoning_split_has_its_source(
    live: Live, raw: Upstream, usage: dict[str, Any], reasoning: str | None, split: tuple[int | None, str | None]
) -> None:
    raw.script(whole(local({"prompt_tokens": 7, "completion_tokens": 20, "total_tokens": 27, **usage}, reasoning)))
    found = row(live, ask(live, "oss"))
    assert (found.reasoning_tokens, found.reasoning_source) == split
    assert found.output_tokens == 20


def test_what_the_upstream_did_not_tell_is_unknown_and_never_zero(live: Live, raw: Upstream) -> None:
    raw.script(whole(local(None)))
    heard = ask(live, "oss")
    found = row(live, heard)
    tokens = (found.input_tokens, found.cached_tokens, found.output_tokens, found.reasoning_tokens)
    assert (tokens, found.cost_nano_usd, heard.told("cost-usd")) == ((None,) * 4, None, None)


def test_times_are_told_and_add_up(live: Live) -> None:
    streamed, answered = (row(live, ask(live, "auto", stream=flag)) for flag in (True, False))
    assert streamed.ttft_ms is not None
    assert answered.ttft_ms is None
    assert 0 < streamed.ttft_ms <= (streamed.duration_ms or 0) + 50
    assert 0 <= (answered.overhead_ms or -1) < (answered.duration_ms or 0) + 50


@pytest.mark.parametrize(
    ("word", "kept"), [("stop", "stop"), ("brand_new", "stop (brand_new)"), ('"; drop\n' * 20, None)]
)
def test_a_finish_word_that_nobody_knows_is_kept_by_its_name(word: str, kept: str | None) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi!"}, "finish_reason": word}
    told = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    with scripted() as upstream:
        upstream.script(whole(told))
        text = f"version: 1\nbackends: {{b: {{provider: vllm, base_url: '{upstream.url}/v1', model: m, tokenizer: off}}}}\naliases: {{a: {{use: [b]}}}}\n"
        with Live(text) as live:
            heard = ask(live, "a")
            (row,) = live.rows_of(heard.id)
    assert heard.body["choices"][0]["finish_reason"] == "stop"
    assert row.finish_reason == (kept or "stop (" + ("???drop?" * 20)[:40] + ")")
