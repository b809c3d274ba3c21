"""What a request's head says of its own framing and address, where it may say that in one way only."""

from __future__ import annotations

import httptools

from proxy import refusals
from proxy.refusals import Refused, invalid

WEIGHED = frozenset((b"host", b"expect", b"transfer-encoding"))
"""Headers that are looked at while they come in."""
_SCHEMES = (b"http", b"https")
Fields = list[tuple[bytes, bytes]]


class Head:
    """One head. Every method raises Refused."""

    __slots__ = ("chunked", "expects", "host")

    def __init__(self) -> None:
        self.chunked = False
        self.expects = False
        """The client waits for a 100 before it sends its body."""
        self.host: bytes | None = None

    def weigh(self, name: bytes, value: bytes) -> None:
        """One of the headers of ``WEIGHED``, its name in small letters."""
        if name == b"expect":
            self.expects = value.lower() == b"100-continue"
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise Refused(invalid("its Transfer-Encoding must be 'chunked', or left out."))
            self.chunked = True
        elif self.host is not None:
            raise Refused(invalid("it has two Host headers: send one."))
        else:
            self.host = value

    def check(self, version: str, url: bytes, fields: Fields) -> None:
        """The head is whole: is it one that can be served?"""
        if version == "1.1":
            if self.host is None:
                raise Refused(invalid("it has no Host header."))
        elif version != "1.0":
            raise Refused(invalid("its version must be HTTP/1.1."))
        elif self.chunked:
            raise Refused(invalid("HTTP/1.0 knows no Transfer-Encoding: send a Content-Length."))
        if len(url) > refusals.MOST_TARGET:
            raise Refused(refusals.target_too_long())
        if len(fields) > refusals.MOST_HEADERS:
            raise Refused(refusals.too_many_headers())

    def target(self, url: bytes) -> tuple[str, bytes]:
        """Path, still quoted, and query. A whole URL counts only with the same host as the Host header."""
        if url.startswith(b"/"):
            path, _, query = url.partition(b"#")[0].partition(b"?")
            return path.decode("ascii"), query
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserInvalidURLError:
            raise Refused(invalid("its target must be a path.")) from None
        if parsed.schema not in _SCHEMES or url.split(b"/", 3)[2].lower() != (self.host or b"").lower():
            raise Refused(invalid("its target names another host than its Host header."))
        return (parsed.path or b"/").decode("ascii"), parsed.query or b""


def offers(method: bytes, fields: Fields) -> bool:
    """Does it offer another protocol that it can do without (h2c)? The parser takes that as accepted and loses the body
    (Java's HttpClient makes this offer with its first request). A GET for WebSocket has none, and wants nothing else:
    its answer is the door's."""
    connection, upgrade = b"", b""
    for name, value in fields:
        if name == b"connection":
            connection = value.lower()
        elif name == b"upgrade":
            upgrade = value.lower()
    tokens = (token.strip() for token in connection.split(b","))
    wants = upgrade == b"websocket" and method == b"GET"
    return upgrade != b"" and not wants and b"upgrade" in tokens


def check_size(fields: Fields, most: int) -> None:
    """Raises Refused: the headers are larger than ``most`` bytes."""
    if sum(len(name) + len(value) + 4 for name, value in fields) > most:
        raise Refused(refusals.head_too_large(most))
