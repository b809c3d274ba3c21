"""The stock engine: httpx2's own transport, one connection a call, every foreign error mapped at this border."""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache

import httpx2

from adapters import failures, ir
from proxy import encodings
from proxy.upstream.egress import admit
from proxy.upstream.lanes import IDLE_SECONDS, Lanes, held, was_unanswered
from proxy.upstream.seam import Answer, Outgoing, UpstreamFailed

_SERVER_ERROR = "server_error"
_STALE_SECONDS = 2.0
"""A server that had closed an idle connection says so within a round trip. One that takes longer has read the request,
and a second one might be paid for twice."""
_CAUSES = (
    (ConnectionRefusedError, "refused"),
    (socket.gaierror, "unknown host"),
    (ssl.SSLCertVerificationError, "TLS certificate refused"),
    (ssl.SSLError, "TLS failed"),
)


_Origin = tuple[str, str, int | None, str | None]


class StockEngine:
    """httpx2 under the seam."""

    def __init__(self) -> None:
        self._lanes: dict[_Origin, Lanes] = {}
        self._swept = time.monotonic()

    async def send(self, outgoing: Outgoing) -> Answer:
        admit(outgoing)
        await self._sweep()
        with _mapped():
            url = _url(outgoing.url)
        request = httpx2.Request(
            outgoing.method,
            url,
            headers=outgoing.headers,
            content=outgoing.body,
            extensions={"timeout": {"connect": outgoing.connect_timeout, "pool": outgoing.connect_timeout}},
        )
        lanes = self._of((url.scheme, url.host, url.port, outgoing.proxy))
        used = lanes.take()
        lane = used or lanes.new()
        try:
            response = await _sent(lane, request, connect=outgoing.connect_timeout, used=used is not None)
        except BaseException:
            await lane.aclose()
            raise
        return _StockAnswer(response, lane, lanes)

    async def close(self) -> None:
        for lanes in self._lanes.values():
            await lanes.close()

    def _of(self, origin: _Origin) -> Lanes:
        found = self._lanes.get(origin)
        if found is None:
            tls = self._tls if origin[0] == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            found = self._lanes[origin] = Lanes(tls, origin[3])
        return found

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made on the first https call: reading the CAs takes 20 ms."""
        return httpx2.create_ssl_context()

    async def _sweep(self) -> None:
        """At every origin: to one that a reload has left behind nobody gives a lane back any more."""
        now = time.monotonic()
        if now - self._swept > IDLE_SECONDS:
            self._swept = now
            for lanes in list(self._lanes.values()):
                await lanes.sweep(now)


@lru_cache(maxsize=1024)
def _url(text: str) -> httpx2.URL:
    """Parsed once: a backend has a handful of them."""
    return httpx2.URL(text)


async def _sent(
    lane: httpx2.AsyncHTTPTransport, request: httpx2.Request, *, connect: float, used: bool
) -> httpx2.Response:
    """``connect``: seconds; ``used``: the lane has a connection that was idle."""
    idle = held(lane) if used else None
    began = time.monotonic()
    try:
        with _mapped(connect):
            return await lane.handle_async_request(request)
    except UpstreamFailed as error:
        broke = error.failure.kind == "interrupted" and time.monotonic() - began < _STALE_SECONDS
        if not broke or not was_unanswered(idle):
            raise
    # The idle socket was one that its server had just closed: nothing was answered, so one fresh try.
    with _mapped(connect):
        return await lane.handle_async_request(request)


class _StockAnswer:
    def __init__(self, response: httpx2.Response, lane: httpx2.AsyncHTTPTransport, lanes: Lanes) -> None:
        self._response = response
        self._lane = lane
        self._lanes = lanes
        self._closed = self._whole = False
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """As it was before its Content-Encoding, in pieces that are small whatever came: whoever reads counts them."""
        decoder = self._decoder()
        with _mapped():
            async for chunk in self._raw():
                if decoder is None:
                    yield chunk
                    continue
                async for piece in encodings.pieces(decoder, chunk):
                    yield piece
            if decoder is not None:
                decoder.end()
        self._whole = True

    def _raw(self) -> httpx2.AsyncByteStream:
        stream = self._response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101 - the transport's own contract
        return stream

    def _decoder(self) -> encodings.Decoder | None:
        """We ask for none, and some servers compress all the same."""
        with _mapped():
            encoding = encodings.named(self.headers.get("content-encoding", ""))
        return encodings.Decoder(encoding) if encoding else None

    async def close(self) -> None:
        """A body that was read to its end leaves a connection that can serve again; any other is closed with it.
        A line that breaks only now has done its work."""
        if self._closed:
            return
        self._closed = True
        try:
            with suppress(UpstreamFailed), _mapped():
                await self._response.aclose()
        finally:
            if self._whole:
                self._lanes.give(self._lane, time.monotonic())
            else:
                await self._lane.aclose()


@contextmanager
def _mapped(connect: float = math.inf) -> Iterator[None]:
    """``connect``: the only timer that the transport has; all others are the pump's."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise UpstreamFailed(failures.overdue("connect", "connect", connect)) from error
    except httpx2.ConnectError as error:
        raise UpstreamFailed(_unreachable(f"the connection failed ({_cause(error)})")) from error
    except httpx2.TransportError as error:
        message = f"the backend broke the connection ({type(error).__name__})"
        raise UpstreamFailed(ir.Failure("interrupted", 502, message, _SERVER_ERROR, "upstream_interrupted")) from error
    except (encodings.Garbled, encodings.Unsupported) as error:
        raise UpstreamFailed(failures.bad_response("a compressed body that cannot be decoded")) from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise UpstreamFailed(_unreachable("its base_url is not a valid address")) from error


def _cause(error: BaseException | None) -> str:
    """Why there is no connection, in a word: the first reason along the chain whose kind we know."""
    while error is not None:
        for kind, word in _CAUSES:
            if isinstance(error, kind):
                return word
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__
    return "no route"


def _unreachable(why: str) -> ir.Failure:
    return ir.Failure("unreachable", 502, why, _SERVER_ERROR, "upstream_unreachable")
