"""HTTP on the client's side: httptools' parser and uvicorn's cycle of one request, with our limits and our refusals.

Whatever could be read in two ways is refused and ends its connection: no request is answered twice, and none by what
was meant for another.
"""

from __future__ import annotations

import asyncio
import logging
import urllib.parse
from collections import deque
from typing import Any, cast

import httptools
from uvicorn import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from adapters import ir
from proxy import refusals
from proxy.connections import ANSWER, BODY, HEAD, IDLE, LEAVING, NEW, TURNED_AWAY, Connections, queued
from proxy.refusals import Refused
from proxy.request_head import WEIGHED, Head, check_size, offers

_OF_THE_OFFER = frozenset((b"upgrade", b"connection", b"http2-settings"))
_PROGRESS = 1024
"""Bytes of a body that count as getting on: with one byte now and then a connection could be held for days."""
_NO_HEADERS: list[tuple[bytes, bytes]] = []
_log = logging.getLogger("uvicorn.error")


class Protocol(asyncio.Protocol):
    """One connection. ``cycle`` is the request that is being answered, ``newest`` the one that is being read: the same
    unless the client does not wait for answers (pipelining)."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        rules: Connections | None = None,
    ) -> None:
        self.rules = Connections() if rules is None else rules
        self.app = config.loaded_app
        self.loop = _loop or asyncio.get_running_loop()
        self.server_state = server_state
        self.app_state = app_state
        self.stage = NEW
        self.since = self.rules.now
        self.cycle: RequestResponseCycle | None = None
        self._newest: RequestResponseCycle | None = None
        self._waiting: deque[RequestResponseCycle] | None = None
        self.url, self.headers = b"", _NO_HEADERS
        self._last_word: bytes | None = None
        """A refusal that must wait until the requests before it are answered."""
        self._parser: httptools.HttpRequestParser | None = None
        self._deaf = False
        """Nothing more is read, only discarded."""
        self._closing = False
        """The answer that is on is the last."""
        self._head = 0
        """Bytes of the head that is being read."""
        self._fed = 0
        self._content = 0
        """Bytes of the body that is being read, with and without what frames it."""
        self._marked = 0
        self._taken, self._taken_at = -1, 0.0

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)
        self.flow = FlowControl(transport)
        if len(self.server_state.connections) >= self.rules.most:
            self._turn_away()
            return
        self.server = get_local_addr(transport)
        self.client = get_remote_addr(transport)
        self.server_state.connections.add(cast(Any, self))

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.connections.discard(cast(Any, self))
        self.rules.turned_away.discard(self)
        self._deaf, self._parser = True, None
        for cycle in (self.cycle, self._newest):
            if cycle is not None and not cycle.response_complete:
                _abandon(cycle)
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()

    def eof_received(self) -> None:
        """Who sends no more waits for no answer: a FIN does not say whether it is a close or one half of one. Left to
        itself the transport would stay until the client had taken what is buffered, and some never do."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._parser is None:
            self._parser = self._new_parser()
        of_body, self._feeding = self.stage == BODY, len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            why = error.__context__
            self._refuse(why.failure if isinstance(why, Refused) else refusals.not_http(data))
        except httptools.HttpParserUpgrade as offered:
            self._offered(data[offered.args[0] :])
        else:
            if self.stage == BODY:
                self._body_came(self._feeding if of_body else 0)
            elif self.stage != ANSWER:
                self._head_came(self._feeding)

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    # The parser's side

    def on_message_begin(self) -> None:
        if self._waiting is not None and len(self._waiting) >= refusals.MOST_PIPELINED:
            raise Refused(refusals.invalid("too many requests at once on one connection: wait for the answers."))
        self.stage, self.since = HEAD, self.rules.now
        self.url = b""
        self.headers = []
        self._told = Head()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage != HEAD:
            return  # a trailer: nobody asked for it, and a header that comes after it was looked at must not count
        name, value = name.lower(), value.rstrip(b" \t")
        if name in WEIGHED:
            self._told.weigh(name, value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = cast(httptools.HttpRequestParser, self._parser)
        if parser.should_upgrade() and offers(parser.get_method(), self.headers):
            return
        version = parser.get_http_version()
        self._told.check(version, self.url, self.headers)
        if self._head + self._feeding > self.rules.max_head:
            check_size(self.headers, self.rules.max_head)
        path, query = self._told.target(self.url)
        cycle = RequestResponseCycle(
            scope={
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": version,
                "server": self.server,
                "client": self.client,
                "scheme": "http",
                "method": parser.get_method().decode("ascii"),
                "root_path": "",
                "path": urllib.parse.unquote(path) if "%" in path else path,
                "raw_path": path.encode("ascii"),
                "query_string": query,
                "headers": self.headers,
                "state": self.app_state.copy(),
            },
            transport=self.transport,
            flow=self.flow,
            logger=_log,
            access_logger=_log,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self._told.expects and version == "1.1",
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self.stage, self.since = BODY, self.rules.now
        self._head = self._fed = self._content = self._marked = 0
        self._newest = cycle
        if self.cycle is None or self.cycle.response_complete:
            self._begin(cycle)
        else:
            self._waiting = self._waiting or deque()
            self._waiting.append(cycle)

    def on_body(self, body: bytes) -> None:
        self._content += len(body)
        cycle = cast(RequestResponseCycle, self._newest)
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            # Nobody is woken for less: bodies are read whole, and one that drips would cost a wake for each drop.
            self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self.stage != BODY:
            return  # it is read once more, without its offer
        parser, cycle = cast(httptools.HttpRequestParser, self._parser), cast(RequestResponseCycle, self._newest)
        self.stage = ANSWER
        if not cycle.response_started:
            goes_on = not (self._closing or parser.should_upgrade()) and cycle.scope["http_version"] == "1.1"
            cycle.keep_alive = goes_on and parser.should_keep_alive()
            cycle.transport = self.transport
        cycle.more_body = False
        cycle.message_event.set()

    # The application's side

    def on_response_complete(self) -> None:
        """uvicorn's cycle has written its last byte, or handed it to the transport."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self.stage == LEAVING:
            return
        if self._waiting:
            self._begin(self._waiting.popleft())
        elif self._last_word is not None:
            self._say(self._last_word)
        elif self.transport.get_write_buffer_size() == 0:
            self._rest()
        self.flow.resume_reading()

    def shutdown(self) -> None:
        """The server drains: what is being answered is, and is the last."""
        self._closing = True
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def leave(self) -> None:
        """Close, but hear the client out for a moment: a socket that is closed over unread bytes is reset, and that
        takes the answer away from whoever was still sending."""
        self._deaf, self.stage, self.since = True, LEAVING, self.rules.now
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self.transport.write_eof()

    # The clock's side

    def late(self) -> None:
        """Its time is over: the client is told why, if it has asked for anything."""
        if self.stage == BODY and self.flow.read_paused:
            self.since = self.rules.now  # it is we who do not read
        elif self.stage in (HEAD, BODY):
            self._refuse(self.rules.too_late(self.stage))
        else:
            self.transport.close() if self.stage in (NEW, IDLE) else self.hang_up()

    def heeded(self, now: float, patience: float) -> bool:
        """False: for ``patience`` seconds the client has taken nothing of what waits for it."""
        cycle = self.cycle
        if cycle is None or not cycle.response_started:
            return True
        waiting, taken = queued(self.transport)
        if not waiting and cycle.response_complete:
            self._rest()
        if not waiting or taken != self._taken:
            self._taken, self._taken_at = taken if waiting else self._taken, now
        return now - self._taken_at <= patience

    def hang_up(self) -> None:
        """Now, and whatever the client has not taken is lost."""
        self.transport.abort()

    # What these have in common

    def _begin(self, cycle: RequestResponseCycle) -> None:
        self.cycle = cycle
        task = self.loop.create_task(cycle.run_asgi(self.app))
        task.add_done_callback(self.server_state.tasks.discard)
        self.server_state.tasks.add(task)

    def _rest(self) -> None:
        """Everything is answered: nothing of it is kept while the connection waits for its next request."""
        self.cycle = None
        if self.stage == ANSWER:
            self.stage, self.since, self._newest = IDLE, self.rules.now, None

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # What follows a request with ``connection: close`` is no error of that request: it is answered, and the rest
        # discarded. Every other leniency stays off.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _head_came(self, size: int) -> None:
        self._head += size
        if self._head > self.rules.max_head:
            endless = self.stage == HEAD and not self.headers and len(self.url) > refusals.MOST_TARGET
            self._refuse(refusals.target_too_long() if endless else refusals.head_too_large(self.rules.max_head))

    def _body_came(self, framed: int) -> None:
        """More of a body that is not whole yet."""
        self._hear_out()
        self._fed += framed
        if self._content - self._marked >= _PROGRESS:
            self._marked, self.since = self._content, self.rules.now
        if self._fed - self._content > self.rules.max_head + self._content:
            self._refuse(refusals.invalid("its chunks hold less than what is written around them."))

    def _hear_out(self) -> None:
        """If the answer comes now, the client may still be sending."""
        cast(RequestResponseCycle, self._newest).transport = cast(asyncio.Transport, Early(self))

    def _refuse(self, failure: ir.Failure) -> None:
        """The request that is being read is not served, nor anything after it; those before it are."""
        self._deaf = True
        broken = self._newest if self.stage == BODY else None
        word = refusals.written(failure, self.url, self.headers)
        if broken is not None and broken is not self.cycle and self._waiting:
            self._waiting.pop()
        elif broken is not None and broken.response_started:
            self.leave()
            return
        elif broken is not None:
            _abandon(broken)
            self._say(word)
            return
        if self.cycle is None or self.cycle.response_complete:
            self._say(word)
        else:
            self._last_word, self.stage = word, ANSWER

    def _say(self, word: bytes) -> None:
        self.transport.write(word)
        self.leave()

    def _turn_away(self) -> None:
        """One connection too many."""
        self._deaf = True
        self.rules.refused += 1
        if len(self.rules.turned_away) < TURNED_AWAY:
            self.rules.turned_away.add(self)
            self._say(refusals.written(refusals.full(self.rules.most)))
        else:
            self.transport.close()

    def _offered(self, rest: bytes) -> None:
        """Another protocol: a request that only offers it has not begun yet; one that wants nothing else (WebSocket) is
        answered, and whatever comes after it is not HTTP."""
        if self.stage != HEAD:
            self._deaf = True
            self._hear_out()
            return
        fields = [(name, value) for name, value in self.headers if name not in _OF_THE_OFFER]
        method = cast(httptools.HttpRequestParser, self._parser).get_method()
        lines = [b"%b %b HTTP/1.1" % (method, self.url), *(b"%b: %b" % field for field in fields), b"", b""]
        self._parser, self._head = self._new_parser(), 0
        self.data_received(b"\r\n".join(lines) + rest)


class Early:
    """The transport of an answer that leaves while more may come in: that is heard out before the end."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        self._protocol.leave()


def _abandon(cycle: RequestResponseCycle) -> None:
    """For its application the client has left."""
    cycle.disconnected = True
    cycle.message_event.set()
