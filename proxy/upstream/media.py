"""Fetches what a client's request points at, for backends that do not: bounded, and never into our own network."""

from __future__ import annotations

import asyncio
import base64
import math
import ssl
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import httpcore2
import httpx2

from adapters import ir, media
from proxy import encodings
from proxy.call import Rejected
from proxy.settings.grammar import MediaRules
from proxy.upstream import guard
from proxy.upstream.guard import Forbidden

MAX_LINKS = 64
"""Of one request; one request must not become a flood at somebody else's door."""
MAX_REDIRECTS = 3
_AT_ONCE = 8
_MOVED = frozenset((301, 302, 303, 307, 308))
_HEADERS: Mapping[bytes | str, bytes | str] = {
    "user-agent": "turnout",
    "accept": "image/*, audio/*, application/pdf, text/plain",
    "accept-encoding": "identity",
}
_UNTOLD = frozenset(("", "application/octet-stream", "binary/octet-stream"))
"""Types that say nothing: the first bytes are looked at."""
_PLAIN = frozenset(("application/pdf", "text/plain"))


class MediaFetcher:
    """One per house. Nothing is kept between calls: no cookies, no connections, no credentials."""

    def __init__(self, resolve: guard.Resolve = guard.resolve) -> None:
        self._resolve = resolve

    async def fetch(
        self, needs: Sequence[ir.Need], rules: MediaRules, *, restricted: bool
    ) -> Mapping[ir.Need, ir.Media]:
        """Everything that is needed, at the same time; ``rules.max_size`` bounds all of it together, and
        ``rules.timeout`` each link with its redirects. Who asks for a link tells its server, and the one that knows
        the name, what stands in it: of a ``restricted`` request only hosts of ``rules.allow`` are asked. Raises
        Rejected (400) that names the link's host, what is wrong and the mend."""
        if not rules.fetch:
            raise Rejected(_invalid("Turnout fetches no links here: send a data: URL."))
        if len(needs) > MAX_LINKS:
            raise Rejected(_invalid(f"A request may hold {MAX_LINKS} links to fetch: send the rest as data: URLs."))
        budget = _Budget(rules.max_size)
        backend = guard.Guard(guard.hosts(rules.allow), self._resolve, restricted=restricted)
        try:
            async with (
                httpcore2.AsyncConnectionPool(
                    ssl_context=self._tls,
                    max_connections=_AT_ONCE,
                    max_keepalive_connections=0,
                    network_backend=backend,
                ) as pool,
                asyncio.TaskGroup() as group,
            ):
                tasks = [group.create_task(_fetched(need.key, pool, rules, budget)) for need in needs]
        except ExceptionGroup as group:
            raise _first(group) from None
        return {need: task.result() for need, task in zip(needs, tasks, strict=True)}

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made for the first link: reading the CAs takes 20 ms."""
        return httpx2.create_ssl_context()


class _Budget:
    """Bytes that all links of one request may still bring."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size

    def check(self, declared: bytes) -> None:
        """Before anything is read. Raises Forbidden."""
        if declared.isdigit() and int(declared) > self._left:
            raise Forbidden(self._why)

    def take(self, size: int) -> None:
        """Raises Forbidden."""
        self._left -= size
        if self._left < 0:
            raise Forbidden(self._why)

    @property
    def _why(self) -> str:
        return f"the links of a request may bring {self._size} bytes together (media.max_size)"


async def _fetched(link: str, pool: httpcore2.AsyncConnectionPool, rules: MediaRules, budget: _Budget) -> ir.Media:
    """One link's medium. Raises Rejected."""
    try:
        async with asyncio.timeout(rules.timeout if rules.timeout < math.inf else None):
            return await _followed(link, pool, rules, budget)
    except Forbidden as error:
        why = str(error)
    except (TimeoutError, httpcore2.TimeoutException):
        why = f"it did not answer whole within {rules.timeout:g} s"
    except (httpcore2.NetworkError, httpcore2.ProtocolError):
        why = "its server cannot be reached, or broke the connection"
    except (encodings.Garbled, encodings.Unsupported):
        why = "its server sent a compressed answer that cannot be read"
    raise Rejected(_invalid(f"The link to {_host(link)} was not fetched: {why}. Send its content as a data: URL."))


async def _followed(link: str, pool: httpcore2.AsyncConnectionPool, rules: MediaRules, budget: _Budget) -> ir.Media:
    allow = guard.hosts(rules.allow)
    url = guard.parse(link, allow)
    for _ in range(MAX_REDIRECTS + 1):
        address = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        async with pool.stream("GET", address, headers=_HEADERS) as response:
            headers = {name.lower(): value for name, value in response.headers}
            if response.status not in _MOVED:
                return await _read(response, headers, budget)
        url = _next(url, headers.get(b"location", b""), allow)
    raise Forbidden(f"it was redirected more than {MAX_REDIRECTS} times")


def _next(url: httpx2.URL, location: bytes, allow: Collection[str]) -> httpx2.URL:
    try:
        return guard.parse(str(url.join(location.decode("latin-1"))), allow)
    except httpx2.InvalidURL:
        raise Forbidden("it was redirected to something that is not a URL") from None
    except Forbidden as error:
        raise Forbidden(f"it was redirected, and {error}") from None


async def _read(response: httpcore2.Response, headers: Mapping[bytes, bytes], budget: _Budget) -> ir.Media:
    if response.status != 200:
        raise Forbidden(f"its server answered with status {response.status}")
    encoding = encodings.named(headers.get(b"content-encoding", b"").decode("latin-1"))
    told = media.usual(headers.get(b"content-type", b"").decode("latin-1"))
    if told not in _UNTOLD and not _taken(told):
        raise Forbidden("its server sent something that is no image, sound, PDF or plain text")
    budget.check(headers.get(b"content-length", b""))
    body = await _body(response, encodings.Decoder(encoding) if encoding else None, budget)
    kind = told if told not in _UNTOLD else media.sniffed(body[:16])
    if kind is None:
        raise Forbidden("its server does not say what it is (content-type)")
    return _medium(kind, base64.b64encode(body).decode())


async def _body(response: httpcore2.Response, decoder: encodings.Decoder | None, budget: _Budget) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_stream():
        if decoder is None:
            budget.take(len(chunk))
            body += chunk
            continue
        async for piece in encodings.pieces(decoder, chunk):
            budget.take(len(piece))
            body += piece
    if decoder is not None:
        decoder.end()
    return bytes(body)


def _taken(kind: str) -> bool:
    return kind.startswith(("image/", "audio/")) or kind in _PLAIN


def _medium(kind: str, data: str) -> ir.Media:
    main = kind.partition("/")[0]
    return ir.Media("image" if main == "image" else "audio" if main == "audio" else "file", data=data, media_type=kind)


def _host(link: str) -> str:
    """All of a link that an error may quote: its path and query may be secret."""
    try:
        return httpx2.URL(link[: guard.MAX_URL]).host[:253] or "an unknown host"
    except httpx2.InvalidURL:
        return "an unknown host"


def _invalid(message: str) -> ir.Failure:
    return ir.Failure("invalid", 400, message, code="invalid_media", param="messages")


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    """The first of several failures: the others were cancelled for it, or failed beside it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
