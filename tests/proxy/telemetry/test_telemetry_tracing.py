"""Trace context read strictly and carried on; spans built only for a collector, which may be dead."""

import subprocess
import sys
import threading
import time
from collections import Counter
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from proxy.ledger.record import UsageRecord
from proxy.telemetry import names, traceparent
from proxy.telemetry.tracing import MOST, AttemptSpan, ServerSpan, Tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"
SERVER = ServerSpan(route="/v1/chat/completions", status=200, started=10**18, ended=10**18 + 10**9)


def row(**changes: Any) -> UsageRecord:
    values: dict[str, Any] = {"request_id": "r", "started_at": 10**12, "api": "chat", "outcome": "ok"}
    return UsageRecord(**values | {"upstream_model": "m", "duration_ms": 500.0} | changes)


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (VALID, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"01-{TRACE}-{SPAN}-01-x", True),
    ],
)
def test_valid_parents_are_continued(value: str, sampled: bool) -> None:
    context = traceparent.start({"traceparent": value, "tracestate": "a=1"})
    assert (context.trace_id, context.parent_id, context.sampled) == (TRACE, SPAN, sampled)
    assert context.span_id != SPAN
    assert context.tracestate == "a=1"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        VALID.upper(),
        VALID + "-x",
        VALID + "\n",
        " " + VALID,
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0g",
        f"00_{TRACE}_{SPAN}_01",
    ],
)
def test_c07_invalid_parents_are_dropped_and_a_trace_begins(value: str) -> None:
    context = traceparent.start({"traceparent": value, "tracestate": "a=1"})
    assert context.trace_id != TRACE
    assert (context.parent_id, context.tracestate, context.sampled) == (None, None, True)


def test_c07_a_tracestate_with_line_breaks_is_dropped() -> None:
    assert traceparent.start({"traceparent": VALID, "tracestate": "a=1\r\nx: y"}).tracestate is None


def test_each_attempt_gets_a_valid_parent_of_its_own() -> None:
    context = traceparent.start({"traceparent": f"00-{TRACE}-{SPAN}-00"})
    children = [context.child() for _ in range(3)]
    parents = [traceparent.parse(child) for child in children]
    assert len(set(children)) == 3
    assert all(p is not None and p.trace_id == TRACE and not p.sampled for p in parents)
    assert {p.span_id for p in parents if p} == {traceparent.span_of(child) for child in children}


def test_spans_a_server_span_and_one_client_span_per_attempt() -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter=exporter)
    context = tracing.start({"traceparent": VALID})
    parents = [context.child(), context.child()]
    failed = row(outcome="fallback", error_code="upstream_unreachable")
    good = row(attempt=2, input_tokens=9, output_tokens=3, reasoning_tokens=1, finish_reason="stop", ttft_ms=20.0)
    attempts = [
        AttemptSpan(
            record=failed, traceparent=parents[0], provider="vllm", server_address="127.0.0.1", server_port=8000
        ),
        AttemptSpan(record=good, traceparent=parents[1], provider="google", response_model="m-001"),
        AttemptSpan(record=good, traceparent="", provider="google"),
    ]
    tracing.finish(context, SERVER, attempts)
    tracing.close()
    first, second, server = exporter.get_finished_spans()
    assert server.kind is SpanKind.SERVER
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == SPAN
    assert f"{server.context.trace_id:032x}" == TRACE
    for span, parent in zip((first, second), parents, strict=True):
        assert span.kind is SpanKind.CLIENT
        assert span.name == "chat m"
        assert f"{span.context.span_id:016x}" == traceparent.span_of(parent)
        assert span.parent is not None
        assert span.parent.span_id == server.context.span_id
        assert span.end_time is not None
        assert span.start_time is not None
        assert span.end_time - span.start_time == 500_000_000
    assert first.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": False,
        "server.address": "127.0.0.1",
        "server.port": 8000,
        "error.type": "upstream_unreachable",
    }
    assert first.status.status_code is StatusCode.ERROR
    assert second.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": False,
        "gen_ai.response.model": "m-001",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.02,
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "http.request.resend_count": 1,
    }


def test_an_unsampled_trace_has_no_spans() -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter=exporter)
    tracing.finish(tracing.start({"traceparent": f"00-{TRACE}-{SPAN}-00"}), SERVER, [])
    tracing.close()
    assert exporter.get_finished_spans() == ()


def test_p13_a_dead_collector_costs_no_request_and_little_of_the_stop() -> None:
    tracing = Tracing("http://127.0.0.1:9/v1/traces")
    began = time.monotonic()
    for _ in range(3000):
        tracing.finish(tracing.start({}), SERVER, [])
    assert time.monotonic() - began < 5
    began = time.monotonic()
    tracing.close(within=0.1)
    assert time.monotonic() - began < 5


def test_p13_what_waits_for_a_slow_collector_is_bounded_and_what_is_dropped_is_counted() -> None:
    gate, told = threading.Event(), Counter[str]()
    exporter = InMemorySpanExporter()
    export = exporter.export

    def slow(spans: Any) -> Any:
        gate.wait(20)
        return export(spans)

    exporter.export = slow  # type: ignore[method-assign]
    tracing = Tracing(exporter=exporter, count=lambda outcome, spans: told.update({outcome: spans}))
    for _ in range(3 * MOST):
        tracing.finish(tracing.start({}), SERVER, [])
    # A batch or two may be on their way already.
    assert MOST <= 3 * MOST - told["dropped"] <= 2 * MOST
    assert set(told) == {"dropped"}
    gate.set()
    tracing.close()
    assert told["exported"] == len(exporter.get_finished_spans()) == 3 * MOST - told["dropped"]
    assert "failed" not in told


def test_the_names_are_those_of_the_released_conventions() -> None:
    released = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    ours = {value for value in vars(names).values() if isinstance(value, str) and value.startswith("gen_ai.")}
    assert ours <= released
    providers = {provider.value for provider in gen_ai_attributes.GenAiProviderNameValues}
    assert set(names.GEN_AI_PROVIDERS.values()) <= providers
    operations = {operation.value for operation in gen_ai_attributes.GenAiOperationNameValues}
    # The conventions allow a word of one's own where none of theirs applies.
    assert {*names.OPERATIONS.values(), "chat"} - {"count_tokens"} <= operations


def test_without_a_collector_the_sdk_is_not_loaded() -> None:
    code = (
        "import sys; from proxy.telemetry.tracing import Tracing, ServerSpan; t = Tracing();"
        "t.finish(t.start({}), ServerSpan(route='/', status=200, started=1, ended=2), []); t.close();"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
