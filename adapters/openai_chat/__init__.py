"""OpenAI chat completions, both faces: what clients send us, and what OpenAI-like servers are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters import failures, ir
from adapters.openai_chat import errors, parameters, request, request_writer, response
from adapters.openai_chat.stream import Reader
from adapters.openai_chat.stream_writer import Writer
from adapters.openai_chat.wire import NAME
from adapters.sse import DONE, Frame, render


class OpenAIChat:
    """See adapters.dialect.Dialect."""

    name = NAME
    family: ir.Family = "openai"
    auth_header = "authorization"
    id_header = "x-request-id"
    request_headers: Mapping[str, str] = {}
    terminator = DONE

    def glance(self, fields: ir.Extras) -> None:
        request.glance(fields)

    def read_request(self, body: bytes) -> ir.Request:
        return request.read_request(body)

    def write_request(self, request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
        return request_writer.write_request(request, upstream, context)

    def read_response(self, body: bytes) -> Sequence[ir.Event]:
        return response.read_response(body)

    def write_response(self, reply: ir.Reply, echo: ir.Echo) -> bytes:
        return response.write_response(reply, echo)

    def reader(self) -> Reader:
        return Reader()

    def writer(self, echo: ir.Echo) -> Writer:
        return Writer(echo)

    def cut(self, failure: ir.Failure, first: Frame | None, last: Frame | None, echo: ir.Echo) -> list[bytes]:
        """Chat's error frame stands alone: it needs nothing of what went before."""
        return [render(failures.error_body(failure))]

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ir.Failure:
        return errors.read_error(status, headers, body)

    def write_error(self, failure: ir.Failure, request_id: str | None = None) -> bytes:
        return failures.error_body(failure)

    def patch(self, fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
        return parameters.patch(fields, upstream)

    def refuses(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
        return request_writer.refuses(request, upstream)

    def needs(self, request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
        return request_writer.needs(request, upstream)

    def path(self, upstream: ir.Upstream, *, stream: bool) -> str:
        return request_writer.PATH


DIALECT = OpenAIChat()
