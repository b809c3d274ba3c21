"""OpenAI Responses (and Open Responses): items, events, and everything its servers leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters import ir, sse
from adapters.openai_responses import compose, errors, patch, refusals, request, response, wire
from adapters.openai_responses.emit import Writer
from adapters.openai_responses.stream import Reader


class Responses:
    """The dialect. See adapters.dialect.Dialect."""

    name = wire.NAME
    family: ir.Family = "openai"
    auth_header = "authorization"
    id_header = "x-request-id"
    request_headers: Mapping[str, str] = {}
    terminator = sse.DONE

    def glance(self, fields: ir.Extras) -> None:
        request.glance(fields)

    def read_request(self, body: bytes) -> ir.Request:
        return request.read_request(body)

    def write_request(self, request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
        return compose.write_request(request, upstream, context)

    def read_response(self, body: bytes) -> Sequence[ir.Event]:
        return response.read_response(body)

    def write_response(self, reply: ir.Reply, echo: ir.Echo) -> bytes:
        return response.write_response(reply, echo)

    def reader(self) -> Reader:
        return Reader()

    def writer(self, echo: ir.Echo) -> Writer:
        return Writer(echo)

    def cut(self, failure: ir.Failure, first: sse.Frame | None, last: sse.Frame | None, echo: ir.Echo) -> list[bytes]:
        return errors.cut(failure, first, last, echo)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
        return errors.read_error(status, headers, body)

    def write_error(self, failure: ir.Failure, request_id: str | None = None) -> bytes:
        return errors.write_error(failure)

    def patch(self, fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
        return patch.patch(fields, upstream)

    def refuses(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
        return refusals.refuses(request, upstream)

    def needs(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
        return refusals.needs(request, upstream)

    def path(self, upstream: ir.Upstream, *, stream: bool) -> str:
        return compose.PATH


DIALECT = Responses()
