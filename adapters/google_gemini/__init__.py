"""Google's Gemini generateContent, read and written."""

from __future__ import annotations

from collections.abc import Mapping

from adapters import ir, sse
from adapters.google_gemini import (
    errors,
    needs,
    patches,
    read_request,
    refusals,
    response,
    stream,
    write_request,
    write_stream,
)
from adapters.sse import Frame


class GoogleGemini:
    """The dialect: see adapters.dialect.Dialect for what each function promises."""

    name = "google_gemini"
    family: ir.Family = "google"
    auth_header = "x-goog-api-key"
    id_header = "x-request-id"
    request_headers: Mapping[str, str] = {}
    terminator = b""

    glance = staticmethod(read_request.glance)
    read_request = staticmethod(read_request.read_request)
    write_request = staticmethod(write_request.write_request)
    refuses = staticmethod(refusals.refuses)
    needs = staticmethod(needs.needs)
    patch = staticmethod(patches.patch)
    read_response = staticmethod(response.read_response)
    write_response = staticmethod(response.write_response)
    read_error = staticmethod(errors.read_error)

    def reader(self) -> stream.Reader:
        return stream.Reader()

    def writer(self, echo: ir.Echo) -> write_stream.Writer:
        return write_stream.Writer(echo)

    def cut(self, failure: ir.Failure, first: Frame | None, last: Frame | None, echo: ir.Echo) -> list[bytes]:
        return [sse.render(errors.write_error(failure))]

    def write_error(self, failure: ir.Failure, request_id: str | None = None) -> bytes:
        return errors.write_error(failure)

    def path(self, upstream: ir.Upstream, *, stream: bool) -> str:
        return write_request.path(upstream, stream=stream)


DIALECT = GoogleGemini()
