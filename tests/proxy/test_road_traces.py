"""A call's trace from the client's span through ours to the upstream's, and what a collector gets of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from collector import Collector, Got, collector
from live import Live, demo_upstream, free_port
from public_door import CHAT, EMBEDDINGS, RESPONSES, chat, post, responses

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_MOST_SECONDS = 2.0


@pytest.fixture(scope="module")
def spans() -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


def config(demo: str, otlp: str) -> str:
    return f"""version: 1
retries: {{attempts: 1}}
backends:
  local:  {{provider: vllm, base_url: "{demo}/v1", model: demo-local}}
  claude: {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo}}
  gemini: {{provider: google, base_url: "{demo}/v1beta", model: gemini-3.1-pro, credential: sk-demo}}
  broken: {{provider: vllm, base_url: "{demo}/v1", model: demo-fault-500}}
aliases:
  local:  {{use: [local]}}
  claude: {{use: [claude]}}
  gemini: {{use: [gemini]}}
  moves:  {{use: [broken, claude]}}
telemetry: {{otlp: "{otlp}"}}
"""


@pytest.fixture(scope="module")
def live(journal: list[dict[str, Any]], spans: Collector) -> Iterator[Live]:
    with demo_upstream(journal=journal) as demo, Live(config(demo, spans.url)) as made:
        yield made


def fresh() -> str:
    return os.urandom(16).hex()


def received(live: Live, spans: Collector, trace: str, count: int) -> list[Got]:
    live.until(lambda: len(spans.of(trace)) >= count, f"{count} spans of {trace}")
    found = spans.of(trace)
    assert len(found) == count
    return found


@pytest.mark.parametrize("flags", ["01", "00"])
@pytest.mark.parametrize("alias", ["local", "claude", "gemini"])
def test_the_clients_trace_reaches_the_upstream(
    live: Live, journal: list[dict[str, Any]], alias: str, flags: str
) -> None:
    journal.clear()
    post(live, CHAT, chat(alias), traceparent=f"00-{TRACE}-{SPAN}-{flags}")
    version, trace, span, passed = journal[0]["headers"]["traceparent"].split("-")
    assert (version, trace, passed) == ("00", TRACE, flags)
    assert span != SPAN
    assert len(span) == 16


@pytest.mark.parametrize(
    "value",
    [
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-x",
        f"ff-{TRACE}-{SPAN}-01",
        "x",
    ],
)
def test_an_invalid_parent_is_dropped(live: Live, journal: list[dict[str, Any]], value: str) -> None:
    journal.clear()
    assert post(live, CHAT, chat("local"), traceparent=value, tracestate="a=1").status == 200
    passed = journal[0]["headers"]
    assert TRACE not in passed["traceparent"].lower()
    assert value not in repr(passed)
    assert "tracestate" not in passed


@pytest.mark.parametrize("stream", [False, True])
def test_one_server_span_and_one_client_span(live: Live, spans: Collector, stream: bool) -> None:
    trace = fresh()
    heard = post(live, CHAT, chat("claude", stream=stream), traceparent=f"00-{trace}-{SPAN}-01")
    server, client = received(live, spans, trace, 2)
    assert (server.kind, server.parent, client.kind, client.parent) == ("SERVER", SPAN, "CLIENT", server.id)
    assert (server.name, server.attributes["http.response.status_code"]) == ("POST /v1/chat/completions", 200)
    assert (server.attributes["http.route"], server.failed) == ("/v1/chat/completions", False)
    [row] = live.rows_of(heard.id)
    told = client.attributes
    assert client.name == "chat claude-sonnet-5"
    assert {name: told[name] for name in told if name.startswith("gen_ai.") and "time_to" not in name} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-5",
        "gen_ai.response.id": told["gen_ai.response.id"],
        "gen_ai.request.stream": stream,
        "gen_ai.response.model": "claude-sonnet-5",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": row.input_tokens,
        "gen_ai.usage.output_tokens": row.output_tokens,
        **({"gen_ai.usage.cache_read.input_tokens": row.cached_tokens} if row.cached_tokens is not None else {}),
        **({"gen_ai.usage.cache_creation.input_tokens": w} if (w := row.cache_write_tokens) is not None else {}),
        **({"gen_ai.usage.reasoning.output_tokens": r} if (r := row.reasoning_tokens) is not None else {}),
    }
    assert (told["server.address"], "error.type" in told) == ("127.0.0.1", False)
    assert ("gen_ai.response.time_to_first_chunk" in told) is stream


def test_a_fallback_gives_a_client_span_for_each_attempt(
    live: Live, spans: Collector, journal: list[dict[str, Any]]
) -> None:
    journal.clear()
    trace = fresh()
    assert post(live, RESPONSES, responses("moves"), traceparent=f"00-{trace}-{SPAN}-01").status == 200
    server, *clients = received(live, spans, trace, 3)
    assert [span.parent for span in clients] == [server.id, server.id]
    assert [(span.failed, span.attributes.get("error.type")) for span in clients] == [
        (True, "upstream_error"), (False, None),
    ]  # fmt: skip
    assert [span.attributes["gen_ai.provider.name"] for span in clients] == ["vllm", "anthropic"]
    assert clients[1].attributes["http.request.resend_count"] == 1
    assert [entry["headers"]["traceparent"].split("-")[2] for entry in journal] == [span.id for span in clients]


def test_embeddings_say_so(live: Live, spans: Collector) -> None:
    trace = fresh()
    post(live, EMBEDDINGS, {"model": "local", "input": "x"}, traceparent=f"00-{trace}-{SPAN}-01")
    _, client = received(live, spans, trace, 2)
    assert client.name == "embeddings demo-local"
    assert client.attributes["gen_ai.operation.name"] == "embeddings"


def test_google_has_the_conventions_own_name(live: Live, spans: Collector) -> None:
    trace = fresh()
    post(live, CHAT, chat("gemini"), traceparent=f"00-{trace}-{SPAN}-01")
    assert received(live, spans, trace, 2)[1].attributes["gen_ai.provider.name"] == "gcp.gemini"


def test_no_span_holds_what_was_said(live: Live, spans: Collector) -> None:
    trace = fresh()
    post(live, CHAT, chat("local", "the canary sings"), traceparent=f"00-{trace}-{SPAN}-01")
    assert "canary" not in repr(received(live, spans, trace, 2))
    assert spans.paths == {"/v1/traces"}


def test_a_caller_that_does_not_sample_is_not_exported(live: Live, spans: Collector) -> None:
    unseen, seen = fresh(), fresh()
    post(live, CHAT, chat("local"), traceparent=f"00-{unseen}-{SPAN}-00")
    post(live, CHAT, chat("local"), traceparent=f"00-{seen}-{SPAN}-01")
    received(live, spans, seen, 2)
    assert spans.of(unseen) == []


def test_a_dead_collector_costs_no_request() -> None:
    with demo_upstream() as demo, Live(config(demo, f"http://127.0.0.1:{free_port()}")) as live:
        began = time.monotonic()
        statuses = {post(live, CHAT, chat("local", stream=bool(at % 2))).status for at in range(20)}
        assert statuses == {200}
        assert time.monotonic() - began < _MOST_SECONDS * 5
        assert live.stop() == 0
