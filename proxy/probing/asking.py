"""Asks one backend, through its dialect and our engine, and keeps count of what that cost."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from adapters import failures, ir
from adapters.catalog import DIALECTS
from adapters.contexts import Place
from adapters.sse import Splitter, TooLong
from policies.cards import Trials
from proxy.backends import Backend
from proxy.upstream.probe import get
from proxy.upstream.seam import OURS, Answer, Engine, Outgoing, UpstreamFailed
from proxy.write import http_proxy

LONGEST = 300.0
"""Seconds that one answer may take, where the backend's own limit is longer."""
PAGE_SECONDS = 5.0
_MOST = 8 * 1024 * 1024
"""Bytes of an answer; none that the probe asks for comes near."""
_PATIENCE = 3
"""Failures on the way, one after another, until the backend counts as gone and is asked no more."""
_GONE = frozenset({"unreachable", "timeout", "interrupted"})
_WHY = 200
"""Characters of a failure's words that a card keeps."""

Question: TypeAlias = Callable[[], Awaitable[bool | None]]
"""One trial: right, wrong, or None where the answer told nothing."""


class Heard(Struct, frozen=True):
    """One answer. ``first``: seconds until it began to say something, of a stream; ``seconds``: until its end."""

    reply: ir.Reply
    seconds: float
    first: float | None = None

    @property
    def text(self) -> str:
        """What it says, without its thoughts."""
        return "".join(block.text for block in self.reply.blocks if block.kind == "text")

    @property
    def calls(self) -> list[ir.ReplyBlock]:
        return [block for block in self.reply.blocks if block.kind in ir.CALLS]

    @property
    def usage(self) -> ir.Usage:
        return self.reply.usage or ir.Usage()

    @property
    def finish(self) -> str | None:
        return next((finished.reason for finished in self.reply.finishes.values()), None)


class Asker:
    """One backend and what was asked of it so far."""

    def __init__(self, backend: Backend, engine: Engine) -> None:
        self.backend = backend
        self.upstream = _willing(backend.upstream)
        self.requests = 0
        self.tokens = 0
        self._engine = engine
        self._dialect = DIALECTS[self.upstream.dialect]
        self._failed: list[ir.Failure] = []

    async def ask(self, *said: ir.Message | str, stream: bool = False, limit: int = 1024, **fields: Any) -> Heard:
        """One request; a text is a user's turn. ``limit`` in tokens; ``fields`` as in ir.Request. Raises
        UpstreamFailed."""
        if len(self._failed) >= _PATIENCE:
            raise UpstreamFailed(self._failed[-1])
        request = ir.Request(
            model=self.upstream.model,
            messages=tuple(ir.Message("user", (ir.Text(each),)) if isinstance(each, str) else each for each in said),
            stream=stream,
            max_output_tokens=limit,
            **fields,
        )
        self._sayable(request)
        self.requests += 1
        try:
            heard = await self._heard(request)
        except UpstreamFailed as error:
            failure = self.backend.answered(error.failure)
            self._failed = [*self._failed, failure] if failure.kind in _GONE else []
            raise UpstreamFailed(failure) from error
        self._failed = []
        self.tokens += (heard.usage.input or 0) + (heard.usage.output or 0)
        return heard

    def _sayable(self, request: ir.Request) -> None:
        """What the dialect has no words for cannot be measured in it. Raises UpstreamFailed."""
        for named in self._dialect.refuses(request, self.upstream):
            if named.kind == "contract":
                message = f"it cannot be asked so: {named.name} ({named.why})"
                raise UpstreamFailed(ir.Failure("unsupported", 400, message))

    async def page(self, place: Place) -> int | None:
        """The context that this page tells; None where it does not, or is not there."""
        backend = self.backend
        url = backend.url(place.path.format(model=self.upstream.model), root=place.root)
        body = place.body(self.upstream.model)
        kind = {"content-type": "application/json"} if body else {}
        headers = {**kind, **self._headers({}, "application/json")}
        proxy = http_proxy(backend.base_url, local=backend.local)
        try:
            status, told = await get(self._engine, url, headers, seconds=PAGE_SECONDS, proxy=proxy, body=body)
        except UpstreamFailed:
            return None
        return place.read(told, self.upstream.model) if status == 200 else None

    def _headers(self, written: dict[str, str], accept: str) -> dict[str, str]:
        common = {"accept": accept, "accept-encoding": "identity", "user-agent": "turnout"}
        return {**common, **written, **self.backend.headers, **self.backend.authorised(self._dialect.auth_header)}

    async def _heard(self, request: ir.Request) -> Heard:
        started = time.monotonic()
        limit = min(self.backend.timeouts.total, LONGEST)
        try:
            async with asyncio.timeout(limit if math.isfinite(limit) else None):
                answer = await self._engine.send(self._outgoing(request))
                try:
                    reply, first = await self._read(answer, request.stream)
                finally:
                    await answer.close()
        except TimeoutError:
            raise UpstreamFailed(failures.timeout(f"the backend did not answer within {limit:g} s")) from None
        if reply.failure is not None:
            raise UpstreamFailed(reply.failure)
        return Heard(reply, time.monotonic() - started, None if first is None else first - started)

    def _outgoing(self, request: ir.Request) -> Outgoing:
        context = ir.Context(seed=f"{self.requests:032x}", now=int(time.time()))
        written = self._dialect.write_request(request, self.upstream, context)
        accept = "text/event-stream" if request.stream else "application/json"
        headers = {"content-type": "application/json", **self._headers(dict(written.headers), accept)}
        return Outgoing(
            url=self.backend.url(written.path, root=written.root),
            headers=list(headers.items()),
            body=written.body,
            connect_timeout=self.backend.timeouts.connect,
            cargo=OURS,
            proxy=http_proxy(self.backend.base_url, local=self.backend.local),
        )

    async def _read(self, answer: Answer, stream: bool) -> tuple[ir.Reply, float | None]:
        if answer.status != 200:
            body = b"".join([chunk async for chunk in _bounded(answer)])
            raise UpstreamFailed(self._dialect.read_error(answer.status, dict(answer.headers), body))
        if stream and not answer.headers.get("content-type", "").startswith("application/json"):
            return await self._stream(answer)
        body = b"".join([chunk async for chunk in _bounded(answer)])
        return ir.collect(self._dialect.read_response(body)), None

    async def _stream(self, answer: Answer) -> tuple[ir.Reply, float | None]:
        splitter, reader = Splitter(), self._dialect.reader()
        events: list[ir.Event] = []
        first: float | None = None
        try:
            async for chunk in _bounded(answer):
                for frame in splitter.feed(chunk):
                    events += reader.read(frame)
                if first is None and any(isinstance(event, ir.Delta) for event in events):
                    first = time.monotonic()
        except TooLong:
            raise UpstreamFailed(failures.bad_response("an event that is too large")) from None
        return ir.collect([*events, *reader.end()]), first


async def tried(questions: Iterable[Question]) -> Trials:
    """Ask them one after the other. What fails on the way, or is refused, says nothing about the model."""
    right = asked = unanswered = 0
    why: str | None = None
    for question in questions:
        try:
            told = await question()
        except UpstreamFailed as error:
            unanswered, why = unanswered + 1, error.failure.message[:_WHY]
            continue
        if told is None:
            unanswered, why = unanswered + 1, "its answer told nothing either way"
        else:
            asked, right = asked + 1, right + told
    return Trials(right=right, asked=asked, unanswered=unanswered, why=why)


async def _bounded(answer: Answer) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in answer.chunks():
        size += len(chunk)
        if size > _MOST:
            raise UpstreamFailed(failures.bad_response("an answer that is too large"))
        yield chunk


def _willing(upstream: ir.Upstream) -> ir.Upstream:
    """As if it could do all that is to be measured: what it cannot must not be left out or said in other words."""
    can = msgspec.structs.replace(
        upstream.capabilities,
        tools=True,
        parallel_tools=True,
        forced_tools=True,
        images=True,
        json_schema=True,
        max_stop=None,
    )
    return msgspec.structs.replace(upstream, capabilities=can)
