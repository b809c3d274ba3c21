"""The stock engine: httpx2's own transport, one pool per HTTP proxy, every foreign error mapped at this border."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import httpx2

from adapters import ir
from proxy.upstream.seam import Answer, Outgoing, UpstreamFailed

_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=1024, keepalive_expiry=30.0)
"""No cap here: a cap would queue in silence; concurrency is bounded by policy, where it can be told."""

_SERVER_ERROR = "server_error"
_CAUSES = (
    (ConnectionRefusedError, "refused"),
    (socket.gaierror, "unknown host"),
    (ssl.SSLCertVerificationError, "TLS certificate refused"),
    (ssl.SSLError, "TLS failed"),
)


class StockEngine:
    """httpx2 under the seam. TLS contexts are made on the first https call: they cost 20 ms each."""

    def __init__(self) -> None:
        self._transports: dict[tuple[bool, str | None], httpx2.AsyncHTTPTransport] = {}

    async def send(self, outgoing: Outgoing) -> Answer:
        request = httpx2.Request(
            outgoing.method,
            outgoing.url,
            headers=outgoing.headers,
            content=outgoing.body,
            extensions={"timeout": {"connect": outgoing.connect_timeout, "pool": outgoing.connect_timeout}},
        )
        transport = self._transport(request.url.scheme == "https", outgoing.proxy)
        try:
            with _mapped():
                response = await transport.handle_async_request(request)
        except _StaleConnection:
            # The pool handed us a socket that its server had just closed: nothing was answered, so one fresh try.
            with _mapped(stale=False):
                response = await transport.handle_async_request(request)
        return _StockAnswer(response)

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()

    def _transport(self, tls: bool, proxy: str | None) -> httpx2.AsyncHTTPTransport:
        found = self._transports.get((tls, proxy))
        if found is None:
            context = httpx2.create_ssl_context() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            found = httpx2.AsyncHTTPTransport(verify=context, trust_env=False, limits=_LIMITS, proxy=proxy)
            self._transports[tls, proxy] = found
        return found


class _StockAnswer:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        stream = self._response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)  # noqa: S101 - the transport's own contract
        with _mapped(stale=False):
            async for chunk in stream:
                yield chunk

    async def close(self) -> None:
        with _mapped(stale=False):
            await self._response.aclose()


class _StaleConnection(Exception):  # noqa: N818 - never leaves this file
    """The connection died before a byte of the answer."""


@contextmanager
def _mapped(*, stale: bool = True) -> Iterator[None]:
    try:
        yield
    except httpx2.TimeoutException as error:
        what = "connect" if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout) else "answer"
        message = f"the backend did not {what} in time"
        failure = ir.Failure("timeout", 504, message, _SERVER_ERROR, "upstream_timeout")
        raise UpstreamFailed(failure) from error
    except httpx2.ConnectError as error:
        raise UpstreamFailed(_unreachable(f"the connection failed ({_cause(error)})")) from error
    except httpx2.TransportError as error:
        if stale and isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError):
            raise _StaleConnection from error
        message = f"the backend broke the connection ({type(error).__name__})"
        raise UpstreamFailed(ir.Failure("interrupted", 502, message, _SERVER_ERROR, "upstream_interrupted")) from error
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
