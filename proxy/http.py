"""HTTP on the client's side: uvicorn's own parser, with its refusals in our words."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapters import failures, ir
from proxy import ids


class Protocol(HttpToolsProtocol):
    """What is no HTTP never reaches the application, so that its 400 is written here."""

    def send_400_response(self, msg: str) -> None:
        failure = ir.Failure("invalid", 400, f"This is not valid HTTP: {msg}", code="invalid_http")
        body = failures.error_body(failure)
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            f"x-request-id: {ids.uuid7()}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
