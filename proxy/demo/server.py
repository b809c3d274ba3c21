"""The demo as a raw ASGI application: reads a request, finds its room, sends the answer until the client has gone."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import msgspec

from proxy.demo import extras, faults
from proxy.demo.base import Ask, Json, RefusedError, encode, seed
from proxy.demo.rooms import Room, find

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_MODEL = re.compile(r"/v1(?:beta)?/models/([^/:]+)")
_JSON = "application/json"
_SSE = "text/event-stream; charset=utf-8"


def create_app(*, require_keys: bool = False, delay: float = 0.0, journal: list[Json] | None = None) -> ASGIApp:
    """The demo upstream. ``delay``: seconds between stream frames. ``journal``: gets a dict for each request, with
    ``method, path, query, headers, body, disconnected``. ``require_keys``: cloud endpoints answer 401 without a key."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _Exchange(scope, receive, send, require_keys, delay).run(journal)

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, require_keys: bool, delay: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._require_keys, self._delay = require_keys, delay
        self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self._gone = asyncio.Event()
        self._entry: Json = {}

    async def run(self, journal: list[Json] | None) -> None:
        body = await self._body()
        if body is None:
            return
        scope = self._scope
        query = scope.get("query_string", b"").decode("latin-1")
        self._entry = {"method": scope["method"], "path": scope["path"], "query": query, "headers": self._headers}
        self._entry |= {"body": _parsed(body), "disconnected": False}
        if journal is not None:
            journal.append(self._entry)
        broken: ConnectionResetError | None = None
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(self._watch())
            try:
                await self._answer()
            except ConnectionResetError as error:
                broken = error
            finally:
                watcher.cancel()
        if broken is not None:
            raise broken

    async def _body(self) -> bytes | None:
        chunks: list[bytes] = []
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                return None
            chunks.append(event.get("body", b""))
            if not event.get("more_body"):
                return b"".join(chunks)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._entry["disconnected"] = True
        self._gone.set()

    async def _answer(self) -> None:
        path = self._scope["path"]
        found = find(path)
        if self._scope["method"] == "GET":
            await self._get(path)
        elif found is None:
            await self._json(404, {"error": {"message": f"Invalid URL (POST {path})", "type": "invalid_request_error"}})
        else:
            await self._post(*found)

    async def _get(self, path: str) -> None:
        pages: dict[str, Callable[[], Json]] = {
            "/health": lambda: {"status": "ok"},
            "/v1/models": lambda: extras.models(self._headers),
            "/v1beta/models": extras.gemini_models,
        }
        named = _MODEL.fullmatch(path)
        page = pages.get(path) if named is None else lambda: extras.model(named[1], self._headers)
        if page is None:
            status = 404 if find(path) is None else 405
            await self._json(status, {"error": {"message": f"No GET on {path}", "type": "invalid_request_error"}})
        else:
            await self._json(200, page())

    async def _post(self, room: Room, model: str) -> None:
        body = self._entry["body"]
        ask = _ask(body if isinstance(body, dict) else {}, model, self._headers)
        headers = {room.id_header: ask.id("req_")}
        try:
            self._check(room, ask)
            await self._speak(room, ask, headers)
        except RefusedError as error:
            if error.status == 429:
                headers["retry-after"] = "1"
            await self._json(error.status, room.error(ask, error), headers)

    def _check(self, room: Room, ask: Ask) -> None:
        if self._require_keys and not (room.open_to and room.open_to(ask.model)):
            given = [self._headers[name] for name in room.keys if self._headers.get(name)]
            if not given or "invalid" in given[0]:
                raise RefusedError("Incorrect API key provided.", None, "invalid_api_key", 401)
        if not isinstance(self._entry["body"], dict):
            raise RefusedError("We could not parse the JSON body of your request.")

    async def _speak(self, room: Room, ask: Ask, headers: dict[str, str]) -> None:
        fault = faults.chosen(ask.model, self._headers)
        faults.refuse(fault, room)
        if fault == "stall":
            await self._gone.wait()
        elif fault == "reset":
            self._break(abort=True)
        elif fault == "html":
            await self._start(502, "text/html", {})
            await self._end(faults.HTML)
        elif room.frames is not None and self._streams(ask):
            frames = faults.bend_stream(fault, room, ask, room.frames(ask))
            await self._stream(frames, headers, faults.SLOW if fault == "slow" else self._delay)
        else:
            await self._whole(faults.bend_whole(fault, room, ask), headers, fault == "slow")

    def _streams(self, ask: Ask) -> bool:
        return "streamGenerateContent" in self._scope["path"] or ask.body.get("stream") is True

    async def _stream(self, frames: Iterator[bytes | faults.Act], headers: dict[str, str], delay: float) -> None:
        kind = _SSE
        if "streamGenerateContent" in self._scope["path"] and "alt=sse" not in self._entry["query"]:
            frames, kind = iter([_array(frames)]), _JSON
        await self._start(200, kind, {**headers, "cache-control": "no-cache"})
        for index, frame in enumerate(frames):
            await self._pause(delay if index else 0.0)
            if not await self._pass(frame):
                return
        await self._end(b"")

    async def _whole(self, parts: Iterator[bytes | faults.Act], headers: dict[str, str], slow: bool) -> None:
        await self._pause(10 * faults.SLOW if slow else 0.0)
        await self._start(200, _JSON, headers)
        for part in parts:
            if not await self._pass(part):
                return
        await self._end(b"")

    async def _pass(self, part: bytes | faults.Act) -> bool:
        """Send one part, or do what it stands for. Returns whether there is anyone to go on for."""
        if self._gone.is_set():
            return False
        if isinstance(part, bytes):
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
            return True
        if part == "stall":
            await self._gone.wait()
        else:
            self._break(abort=part == "reset")
        return False

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)

    def _break(self, *, abort: bool) -> None:
        """Abort or close the socket under a uvicorn server; elsewhere the error itself is the broken connection."""
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is None:
            raise ConnectionResetError("the demo breaks this connection by order")
        if abort:
            transport.abort()
        else:
            transport.close()

    async def _json(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        await self._start(status, _JSON, headers or {})
        await self._end(encode(body))

    async def _start(self, status: int, kind: str, headers: dict[str, str]) -> None:
        named = [(name.encode(), value.encode()) for name, value in {"content-type": kind, **headers}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": named})

    async def _end(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _parsed(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")


def _ask(body: Json, model: str, headers: dict[str, str]) -> Ask:
    named = model or body.get("model")
    return Ask(
        model=named if isinstance(named, str) else "",
        body=body,
        headers=headers,
        now=int(time.time()),
        seed=seed({**body, "model": named}),
    )


def _array(frames: Iterator[bytes | faults.Act]) -> bytes:
    """What Google sends without ``alt=sse``: the same chunks as one JSON array."""
    return b"[" + b",".join(frame.split(b"data: ", 1)[1].strip() for frame in frames if isinstance(frame, bytes)) + b"]"
