"""Anthropic Messages: the language of Claude, read and written from both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters import ir
from adapters.anthropic_messages import (
    errors,
    patch,
    read_request,
    refuses,
    response,
    stream,
    write_request,
    write_stream,
)
from adapters.anthropic_messages.wire import FAMILY, NAME, PATH, VERSION
from adapters.dialect import Dialect
from adapters.sse import Frame


class AnthropicMessages:
    """adapters.dialect.Dialect for ``POST /v1/messages``."""

    name = NAME
    family: ir.Family = FAMILY
    auth_header = "x-api-key"
    id_header = "request-id"
    request_headers: Mapping[str, str] = {"anthropic-version": VERSION, "anthropic-beta": ""}
    terminator = b""

    def glance(self, fields: ir.Extras) -> None:
        read_request.glance(fields)

    def read_request(self, body: bytes) -> ir.Request:
        return read_request.read_request(body)

    def write_request(self, request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
        return write_request.write_request(request, upstream, context)

    def read_response(self, body: bytes) -> Sequence[ir.Event]:
        return stream.read_response(body)

    def write_response(self, reply: ir.Reply, echo: ir.Echo) -> bytes:
        return response.write_response(reply, echo)

    def reader(self) -> stream.Reader:
        return stream.Reader()

    def writer(self, echo: ir.Echo) -> write_stream.Writer:
        return write_stream.Writer(echo)

    def cut(self, failure: ir.Failure, first: Frame | None, last: Frame | None, echo: ir.Echo) -> list[bytes]:
        return [write_stream.cut(failure)]

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
        return errors.read_error(status, headers, body)

    def write_error(self, failure: ir.Failure, request_id: str | None = None) -> bytes:
        return errors.write_error(failure, request_id)

    def patch(self, fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
        return patch.patch(fields, upstream)

    def refuses(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
        return refuses.refuses(request, upstream)

    def needs(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
        return refuses.needs(request, upstream)

    def path(self, upstream: ir.Upstream, *, stream: bool) -> str:
        return PATH


DIALECT: Dialect = AnthropicMessages()
