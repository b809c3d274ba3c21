"""Bounds and orders on the road: what an upstream really gets, who is asked, and that explain tells the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live import Live, demo_upstream
from public_door import CHAT, ask, chat, post

CONFIG = """version: 1
backends:
  gpt:    {provider: openai, base_url: "${DEMO}/v1", model: gpt-4.1, credential: sk-demo, price: {input: 2, output: 8}}
  claude: {provider: anthropic, base_url: "${DEMO}", model: claude-sonnet-5, credential: sk-demo,
           price: {input: 3, output: 15}}
  local:  {provider: vllm, base_url: "${DEMO}/v1", model: demo-local, context: 4000}
aliases:
  capped: {policy: capped}
  canary: {policy: canary}
  cheap: {policy: cheap}
policies:
  capped:
    rules:
      - {when: {not: {alias: canary}}, set: {max_output_tokens: {max: 50}, temperature: {max: 0.5}}, continue: true}
      - {use: [local, gpt]}
  canary: {rules: [{use: [gpt, claude], order: weighted, weights: {gpt: 1, claude: 1}}]}
  cheap: {rules: [{use: [local, claude, gpt], order: cheapest}]}
"""


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def live(journal: list[dict[str, Any]]) -> Iterator[Live]:
    with demo_upstream(journal=journal) as demo, Live(CONFIG, env={"DEMO": demo}) as made:
        yield made


@pytest.fixture
def sent(journal: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the upstream gets from here on."""
    journal.clear()
    return journal


def test_bounds_are_kept_and_a_capped_request_fits_where_it_would_not_have(
    live: Live, sent: list[dict[str, Any]]
) -> None:
    heard = ask(live, "capped", max_tokens=100_000, temperature=1.5)
    assert (heard.status, heard.told("backend")) == (200, "local")
    assert (sent[0]["body"]["max_tokens"], sent[0]["body"]["temperature"]) == (50, 0.5)


def test_an_answer_without_a_limit_gets_one_and_nothing_else_is_filled_in(
    live: Live, sent: list[dict[str, Any]]
) -> None:
    assert ask(live, "capped").status == 200
    body = sent[0]["body"]
    assert body["max_tokens"] == 50
    assert "temperature" not in body


def test_a_request_within_the_bounds_is_sent_as_it_came(live: Live, sent: list[dict[str, Any]]) -> None:
    raw = chat("capped", max_tokens=40, temperature=0.25, unheard_of={"a": 1})
    heard = post(live, CHAT, raw)
    assert heard.status == 200
    assert sent[0]["body"] == {**raw, "model": "demo-local"}


def test_a_weighted_draw_is_the_calls_own_and_is_told(live: Live) -> None:
    heard = [ask(live, "canary") for _ in range(40)]
    assert {each.told("backend") for each in heard} == {"gpt", "claude"}
    for each in heard[:2]:
        [row] = live.rows_of(each.id)
        assert "weighted (gpt 1 : claude 1), drawn with 0." in (row.trace or "")


def test_the_cheapest_is_asked_and_its_price_is_told(live: Live) -> None:
    heard = ask(live, "cheap", "word " * 400)
    [row] = live.rows_of(heard.id)
    assert (heard.told("backend"), row.backend) == ("gpt", "gpt")
    assert "local unknown, claude $0.0" in (row.trace or "")
