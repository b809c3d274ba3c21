"""HTTP on the client's side: uvicorn's own parser, with its refusals in our words."""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapters import failures, ir
from proxy import ids

_OF_THE_OFFER = frozenset((b"upgrade", b"connection", b"http2-settings"))


class Protocol(HttpToolsProtocol):
    """What is no HTTP never reaches the application, so that its 400 is written here."""

    def data_received(self, data: bytes) -> None:
        """As uvicorn's own, but for another protocol that is offered."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade as offered:
            if self._should_upgrade():
                self._begin_again(data[offered.args[0] :])

    def eof_received(self) -> None:
        """Who sends no more waits for no answer: a FIN does not say whether it is a close or one half of one. Left to
        itself the transport would stay until the client had taken what is buffered, and some never do."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()

    def _should_upgrade(self) -> bool:
        """The parser takes an offered h2c as accepted and loses the body (Java's HttpClient makes that offer with its
        first request). Such a request is not begun: it is read once more, without its offer. One for WebSocket has no
        body, and its answer is the door's."""
        return self._get_upgrade() not in (None, b"websocket")

    def _begin_again(self, rest: bytes) -> None:
        head = [self.scope["method"].encode() + b" " + self.url + b" HTTP/1.1"]
        head += [name + b": " + value for name, value in self.headers if name not in _OF_THE_OFFER]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join((*head, b"", b"")) + rest)

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
