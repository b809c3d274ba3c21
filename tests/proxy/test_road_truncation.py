"""A backend that cuts prompts without a word: its rows are flagged, the log warns once, later calls are planned right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from live import Live, demo_upstream
from probed import Model
from public_door import CHAT, RESPONSES, chat, post, responses
from scripted import Upstream, scripted

from proxy.ledger.record import UsageRecord

READS = 2_048
CONFIG = """version: 1
backends:
  ollama: {{provider: ollama, model: m, base_url: "{small}/v1", local: true}}
  honest: {{provider: ollama, model: h, base_url: "{honest}/v1", local: true}}
  cloud: {{provider: openai_compatible, model: c, base_url: "{honest}/v1", local: false}}
aliases:
  small: {{use: [ollama]}}
  both: {{use: [ollama, cloud]}}
  honest: {{use: [honest]}}
"""


@pytest.fixture(scope="module")
def ollama() -> Iterator[Upstream]:
    with scripted() as made:
        yield made


@pytest.fixture
def live(ollama: Upstream) -> Iterator[Live]:
    ollama.reply = Model(reads=READS)
    with demo_upstream() as honest, Live(CONFIG.format(small=ollama.url, honest=honest)) as made:
        yield made


def _long(words: int) -> str:
    return " ".join(f"word{at % 97}" for at in range(words))


def _flags(live: Live, request_id: str) -> list[str | None]:
    return [row.flags for row in live.rows_of(request_id)]


def _warnings(live: Live) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in live.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == "backend.truncates"]


def _row(live: Live, alias: str, words: int, path: str = CHAT) -> UsageRecord:
    made = chat if path == CHAT else responses
    return live.rows_of(post(live, path, made(alias, _long(words))).id)[-1]


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_rows_are_flagged_the_log_warns_once_and_the_context_is_corrected(live: Live, path: str) -> None:
    assert _row(live, "both", 500, path).flags is None
    assert _row(live, "both", 4_000, path).flags == "truncated_prompt"
    assert _row(live, "both", 6_000, path).flags == "truncated_prompt"
    moved = _row(live, "both", 5_000, path)
    assert (moved.backend, moved.flags) == ("cloud", None)
    assert f"its context of {READS}" in (moved.trace or "")
    first, corrected = _warnings(live)
    assert (first["backend"], first["reported_tokens"], first["context_until_reload"]) == ("ollama", READS, None)
    assert corrected["context_until_reload"] == READS
    assert "OLLAMA_CONTEXT_LENGTH" in first["mend"]
    assert _row(live, "both", 500, path).backend == "ollama"


def test_without_anybody_larger_the_client_is_told_instead_of_half_heard(live: Live) -> None:
    for words in (4_000, 6_000):
        post(live, CHAT, chat("small", _long(words)))
    heard = post(live, CHAT, chat("small", _long(5_000)))
    assert (heard.status, heard.error["code"]) == (400, "context_length_exceeded")


def test_a_reload_forgets_it_for_the_server_may_be_mended(live: Live, ollama: Upstream) -> None:
    for words in (4_000, 6_000):
        post(live, CHAT, chat("small", _long(words)))
    ollama.reply = Model()
    assert live.reload()["ok"]
    row = _row(live, "small", 5_000)
    assert (row.status, row.flags, row.input_tokens) == (200, None, 5_000)


def test_an_honest_backend_is_never_blamed(live: Live) -> None:
    for words in (500, 4_000, 6_000, 9_000, 20_000):
        assert _row(live, "honest", words).flags is None
    assert _warnings(live) == []
