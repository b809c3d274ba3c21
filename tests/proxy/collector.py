"""A stub OpenTelemetry collector on loopback: keeps every span that OTLP over HTTP brings, decoded from protobuf."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from live import serving
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Got(msgspec.Struct):
    """One span; ids in hex."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool


class Collector(msgspec.Struct):
    """``url`` is what ``telemetry.otlp`` is set to."""

    url: str = ""
    spans: list[Got] = []
    paths: set[str] = set()

    def of(self, trace: str) -> list[Got]:
        """The spans of one trace, the server's first, then in the order in which they came."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.kind != "SERVER")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raw, more = b"", True
        while more:
            event = await receive()
            raw += event.get("body", b"")
            more = event.get("more_body", False)
        self.paths.add(scope["path"])
        self.spans += [_got(span) for span in _spans(raw)]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def collector() -> Iterator[Collector]:
    made = Collector()
    with serving(made) as url:
        made.url = url
        yield made


def _spans(raw: bytes) -> list[Any]:
    found = ExportTraceServiceRequest.FromString(_plain(raw))
    return [span for resource in found.resource_spans for scope in resource.scope_spans for span in scope.spans]


def _plain(raw: bytes) -> bytes:
    import gzip

    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def _got(span: Any) -> Got:
    return Got(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes={item.key: _value(item.value) for item in span.attributes},
        failed=span.status.code == 2,
    )


def _value(told: Any) -> Any:
    kind = told.WhichOneof("value")
    return [_value(one) for one in told.array_value.values] if kind == "array_value" else getattr(told, kind)
