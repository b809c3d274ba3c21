"""Traces: spans are built once a call is over and handed to a bounded queue that a thread exports, off the path.

The OpenTelemetry SDK is imported only when ``telemetry.otlp`` names a collector. A collector that is away or slow
costs spans, never a request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import urlsplit

from msgspec import Struct

from proxy.ledger.record import UsageRecord
from proxy.telemetry import names, traceparent
from proxy.telemetry.traceparent import TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import SpanContext

    _Place: TypeAlias = tuple[SpanContext, SpanContext | None]


MOST = 4096
"""Spans that wait for a collector; those of a call that finds no room are dropped."""
_TRACES = "/v1/traces"
"""Where a collector takes spans, unless its URL has a path of its own."""


class AttemptSpan(Struct, frozen=True, kw_only=True):
    """One attempt: its row, and what the row does not hold. ``traceparent`` is what ``child`` gave for it,
    empty for an attempt that was never sent: it has no span."""

    record: UsageRecord
    traceparent: str
    provider: str
    server_address: str | None = None
    server_port: int | None = None
    response_id: str | None = None
    response_model: str | None = None


class ServerSpan(Struct, frozen=True, kw_only=True):
    """The inbound call. Times are wall-clock nanoseconds."""

    method: str = "POST"
    route: str
    status: int
    started: int
    ended: int
    error: str | None = None


class Tracing:
    """Starts a trace for every call; finishes it into spans when there is a collector."""

    def __init__(
        self,
        otlp: str | None = None,
        *,
        service: str = "turnout",
        exporter: SpanExporter | None = None,
        count: Callable[[str, int], None] = lambda _outcome, _spans: None,
    ) -> None:
        """``otlp``: the collector's URL (``http://collector:4318``); None: trace context only. ``count`` hears what
        became of how many spans, also from a thread: ``exported`` | ``failed`` | ``dropped``."""
        wanted = exporter or (_exporter(otlp) if otlp else None)
        self._count = count
        self._exporter = _Counted(wanted, count) if wanted is not None else None
        self._processor = _processor(self._exporter) if self._exporter is not None else None
        self._spans = _Spans(service) if self._exporter is not None else None

    def start(self, headers: Mapping[str, str]) -> TraceContext:
        return traceparent.start(headers)

    def finish(self, context: TraceContext, server: ServerSpan, attempts: Sequence[AttemptSpan]) -> None:
        """Hand over the spans of one call: a server span, and below it a client span per attempt."""
        if self._exporter is None or self._processor is None or self._spans is None or not context.sampled:
            return
        sent = [attempt for attempt in attempts if attempt.traceparent]
        if self._exporter.waiting + len(sent) >= MOST:
            self._count("dropped", len(sent) + 1)
            return
        self._exporter.given += len(sent) + 1
        for attempt in sent:
            self._processor.on_end(self._spans.client(context, attempt))
        self._processor.on_end(self._spans.server(context, server))

    def close(self, within: float = 2.0) -> None:
        """Export what waits, for so many seconds: a collector that is away must not hold up a stop."""
        if self._processor is None or self._exporter is None:
            return
        enough = threading.Timer(within, self._exporter.shutdown)
        enough.daemon = True
        enough.start()
        self._processor.shutdown()
        enough.cancel()


class _Counted:
    """An exporter that counts: what it was given, by the loop, and what its thread has taken of that."""

    def __init__(self, exporter: SpanExporter, count: Callable[[str, int], None]) -> None:
        self._exporter = exporter
        self._count = count
        self.given = self._taken = 0

    @property
    def waiting(self) -> int:
        return self.given - self._taken

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._taken += len(spans)
        result = self._exporter.export(spans)
        self._count("exported" if result.name == "SUCCESS" else "failed", len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def _exporter(otlp: str) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    endpoint = otlp if urlsplit(otlp).path.strip("/") else otlp.rstrip("/") + _TRACES
    return OTLPSpanExporter(endpoint=endpoint, timeout=2)


def _processor(exporter: _Counted) -> SpanProcessor:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    told = cast("SpanExporter", exporter)
    return BatchSpanProcessor(told, max_queue_size=MOST, schedule_delay_millis=1000)


class _Spans:
    """The SDK's words, in one place. Finished spans are built directly: no tracer and no context variable."""

    def __init__(self, service: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._resource = Resource({"service.name": service})
        self._scope = InstrumentationScope("turnout")

    def server(self, context: TraceContext, span: ServerSpan) -> ReadableSpan:
        attributes = {
            names.HTTP_METHOD: span.method,
            names.HTTP_ROUTE: span.route,
            names.HTTP_STATUS: span.status,
            names.ERROR_TYPE: span.error or (str(span.status) if span.status >= 500 else None),
        }
        place = _place(context, context.span_id, context.parent_id, remote=True)
        return self._span(f"{span.method} {span.route}", "SERVER", place, attributes, (span.started, span.ended))

    def client(self, context: TraceContext, attempt: AttemptSpan) -> ReadableSpan:
        record = attempt.record
        started = record.started_at * 1_000_000
        ended = started + int((record.duration_ms or 0.0) * 1_000_000)
        operation = names.OPERATIONS.get(record.api, "chat")
        attributes = {names.GEN_AI_OPERATION: operation, **_attributes(attempt)}
        place = _place(context, traceparent.span_of(attempt.traceparent), context.span_id, remote=False)
        return self._span(f"{operation} {record.upstream_model}", "CLIENT", place, attributes, (started, ended))

    def _span(
        self, name: str, kind: str, place: _Place, attributes: Mapping[str, Any], times: tuple[int, int]
    ) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanKind, Status, StatusCode

        told = {key: value for key, value in attributes.items() if value is not None}
        return ReadableSpan(
            name,
            context=place[0],
            parent=place[1],
            resource=self._resource,
            attributes=told,
            kind=SpanKind[kind],
            status=Status(StatusCode.ERROR if names.ERROR_TYPE in told else StatusCode.UNSET),
            start_time=times[0],
            end_time=times[1],
            instrumentation_scope=self._scope,
        )


def _place(context: TraceContext, span_id: str, parent_id: str | None, *, remote: bool) -> _Place:
    from opentelemetry.trace import SpanContext, TraceFlags

    trace_id, flags = int(context.trace_id, 16), TraceFlags(TraceFlags.SAMPLED)
    own = SpanContext(trace_id, int(span_id, 16), False, flags)
    return own, SpanContext(trace_id, int(parent_id, 16), remote, flags) if parent_id else None


def _attributes(attempt: AttemptSpan) -> dict[str, Any]:
    record = attempt.record
    failed = record.outcome != "ok"
    return {
        names.GEN_AI_PROVIDER: names.GEN_AI_PROVIDERS.get(attempt.provider, attempt.provider),
        names.GEN_AI_REQUEST_MODEL: record.upstream_model,
        names.GEN_AI_REQUEST_STREAM: record.stream,
        names.GEN_AI_RESPONSE_MODEL: attempt.response_model,
        names.GEN_AI_RESPONSE_ID: attempt.response_id,
        names.GEN_AI_FINISH_REASONS: (record.finish_reason,) if record.finish_reason else None,
        names.GEN_AI_FIRST_CHUNK: None if record.ttft_ms is None else record.ttft_ms / 1000,
        names.GEN_AI_INPUT: record.input_tokens,
        names.GEN_AI_OUTPUT: record.output_tokens,
        names.GEN_AI_CACHE_READ: record.cached_tokens,
        names.GEN_AI_CACHE_WRITE: record.cache_write_tokens,
        names.GEN_AI_REASONING: record.reasoning_tokens,
        names.SERVER_ADDRESS: attempt.server_address,
        names.SERVER_PORT: attempt.server_port,
        names.HTTP_RESEND: record.attempt - 1 if record.attempt > 1 else None,
        names.ERROR_TYPE: (record.error_code or record.outcome) if failed else None,
    }
