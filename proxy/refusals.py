"""What is answered below the application: to what is no HTTP, comes too slowly, or is too much."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from adapters import ir
from proxy import ids
from proxy.apis import APIS, spoken

MOST_HEADERS = 200
MOST_TARGET = 8 * 1024
"""Bytes of a request's target."""
MOST_PIPELINED = 16
"""Requests that may wait on one connection for the answers before them."""
_TLS = b"\x16\x03"


class Refused(Exception):  # noqa: N818 - the request is refused, nothing is broken
    """What was read so far will not be served; ``failure`` is the answer."""

    def __init__(self, failure: ir.Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def not_http(data: bytes) -> ir.Failure:
    """What the parser cannot read; its reason would quote the client."""
    if data.startswith(_TLS):
        return invalid("this port speaks HTTP without TLS: write http:// in the address, or put a TLS proxy before it.")
    return invalid("Invalid HTTP request received.")


def invalid(why: str) -> ir.Failure:
    return ir.Failure("invalid", 400, f"This is not valid HTTP: {why}", code="invalid_http")


def head_too_large(limit: int) -> ir.Failure:
    message = f"The request's headers are larger than {limit} bytes (server.max_head): send fewer or shorter ones."
    return ir.Failure("too_large", 431, message, code="headers_too_large")


def too_many_headers() -> ir.Failure:
    message = f"The request has more than {MOST_HEADERS} headers: send fewer."
    return ir.Failure("too_large", 431, message, code="headers_too_large")


def target_too_long() -> ir.Failure:
    message = f"The request's path and query are longer than {MOST_TARGET} bytes: send what they say in the body."
    return ir.Failure("too_large", 414, message, code="uri_too_long")


def late(what: str, seconds: float) -> ir.Failure:
    """``what``: ``head`` or ``body``."""
    told = {
        "head": f"The request's headers were not whole within {seconds:g} s (timeouts.head).",
        "body": f"The request's body did not get on for {seconds:g} s (timeouts.body).",
    }
    return ir.Failure("timeout", 408, f"{told[what]} Send the request again, at once.", code="request_timeout")


def full(most: int) -> ir.Failure:
    message = f"This server has its {most} connections (server.max_connections): come back in a second."
    return ir.Failure("overloaded", 503, message, "server_error", "too_many_connections", retry_after=1.0)


def written(failure: ir.Failure, url: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """The whole answer, as the last one of its connection, in the words of who asked for ``url`` with ``headers``,
    where that is known."""
    path = url.partition(b"?")[0].decode("latin-1")
    api = APIS.get(path)
    wire = api.wire if api is not None else spoken(path, {name.decode("latin-1"): "" for name, _ in headers})
    told = ids.uuid7()
    body = wire.write_error(failure, told)
    head = [
        f"HTTP/1.1 {failure.status} {HTTPStatus(failure.status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {told}",
        "connection: close",
    ]
    if wire.id_header != "x-request-id":
        head.append(f"{wire.id_header}: {told}")
    if failure.retry_after is not None:
        head.append(f"retry-after: {max(int(failure.retry_after), 1)}")
    return "\r\n".join((*head, "", "")).encode() + body
