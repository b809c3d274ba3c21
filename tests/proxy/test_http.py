"""The parser's side of our HTTP, without a network: however it is cut, it is read as h11 reads it, or refused."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import h11
import uvicorn
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from proxy.connections import Connections
from proxy.http import Protocol

Request = tuple[str, str, bytes]
"""Method, target, body."""


class _Transport(asyncio.Transport):
    """A socket that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = self.eof = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def write_eof(self) -> None:
        self.eof = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def pause_reading(self) -> None:
        """There is no more to come than what is fed."""

    def resume_reading(self) -> None:
        """The same."""


def _ours(pieces: list[bytes]) -> tuple[list[Request], list[int], bool]:
    """The requests that an application was given, the statuses of all answers, and whether the connection has ended."""
    served: list[Request] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            if event["type"] != "http.request":
                return
            body, more = body + event["body"], event["more_body"]
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        served.append((scope["method"], target.decode(), body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> _Transport:
        config = uvicorn.Config(
            application, loop="none", ws="none", lifespan="off", log_config=None, proxy_headers=False
        )
        config.load()
        state, transport = ServerState(), _Transport()
        protocol = Protocol(config, state, {}, rules=Connections())
        protocol.connection_made(transport)
        for piece in pieces:
            protocol.data_received(piece)
            for _ in range(4):
                await asyncio.sleep(0)
        for _ in range(10 * (1 + len(state.tasks))):
            await asyncio.sleep(0)
        protocol.connection_lost(ConnectionResetError())
        await asyncio.gather(*state.tasks)
        return transport

    transport = asyncio.run(run())
    statuses = [int(part[:3]) for part in transport.written.split(b"HTTP/1.1 ")[1:]]
    return served, statuses, transport.eof or transport.closing


def _oracle(data: bytes) -> tuple[list[Request], bool]:
    """What h11 reads, and whether it came to an error."""
    served: list[Request] = []
    line = h11.Connection(h11.SERVER)
    line.receive_data(data)
    head: h11.Request | None = None
    body = b""
    try:
        while True:
            event = line.next_event()
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                served.append((head.method.decode(), head.target.decode("latin-1"), body))
                line.send(h11.Response(status_code=204, headers=[]))
                line.send(h11.EndOfMessage())
                if line.our_state is not h11.DONE or line.their_state is not h11.DONE:
                    return served, False
                line.start_next_cycle()
            else:
                return served, False
    except h11.RemoteProtocolError:
        return served, True


_NAMES = [b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"X-A", b"Expect", b"TE"]
_VALUES = [b"localhost", b"0", b"3", b"5", b"chunked", b"Chunked", b"identity", b"close", b"keep-alive", b"a, b", b"",
           b"100-continue", b"3, 3", b"+3", b"xchunked", b"chunked, chunked", b"\tchunked"]  # fmt: skip
_BODIES = [b"", b"abc", b"abcde", b"3\r\nabc\r\n0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n", b"0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n",
           b"3\nabc\n0\n\n", b"-1\r\n", b"zz\r\n"]  # fmt: skip
_LINES = [
    b"GET / HTTP/1.1",
    b"POST /a?b=c HTTP/1.1",
    b"POST /a HTTP/1.0",
    b"GET  / HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"get / HTTP/1.1",
]
_EOLS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\n "])


@st.composite
def _request(draw: st.DrawFn) -> bytes:
    """One request, right more often than not."""
    fields = draw(st.lists(st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES)), max_size=3))
    if draw(st.integers(0, 5)):
        fields.insert(0, (b"Host", b"localhost"))
    told = draw(st.sampled_from(_LINES)) + b"\r\n"
    for name, value in fields:
        told += name + draw(st.sampled_from([b": "] * 8 + [b":", b" : "])) + value + draw(_EOLS)
    return told + b"\r\n" + draw(st.sampled_from(_BODIES))


_STREAMS = st.lists(_request(), min_size=1, max_size=3).map(b"".join)
_SETTINGS = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_TWO = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_two_requests_on_one_connection_are_two() -> None:
    assert _ours([_TWO]) == ([("POST", "/a", b"abc"), ("GET", "/", b"")], [204, 204], False)
    assert _oracle(_TWO)[0] == _ours([_TWO])[0]


@given(_STREAMS, st.lists(st.integers(0, 400), max_size=6))
@example(_TWO, list(range(100)))
@_SETTINGS
def test_c8_how_it_is_cut_does_not_matter(data: bytes, cuts: list[int]) -> None:
    at = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[start:end] for start, end in pairwise(at) if start < end]
    assert _ours(pieces) == _ours([data])


@given(_STREAMS)
@example(_TWO)
@_SETTINGS
def test_c8_what_we_serve_is_what_h11_reads(data: bytes) -> None:
    """Request by request, until one of the two refuses; and nothing is answered twice."""
    served, statuses, ended = _ours([data])
    read, failed = _oracle(data)
    assert served[: len(read)] == read[: len(served)]
    assert len(served) <= len(read) or failed
    assert statuses.count(204) == len(served)
    assert len(statuses) - len(served) <= 1
    assert ended or len(statuses) == len(served)
