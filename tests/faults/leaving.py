"""Clients that leave: at any byte of their request or of its answer, with a FIN, a RST, or one half of the connection."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any, Literal

import msgspec

Api = Literal["chat", "responses", "messages"]
Way = Literal["fin", "rst", "half"]
APIS: tuple[Api, ...] = ("chat", "responses", "messages")
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
WAYS: tuple[Way, ...] = ("fin", "rst", "half")
"""``half``: the client says that it sends no more. To us that is the same as a close: the FIN looks alike, and whoever
waits for an answer keeps his side open (nginx, Envoy and Go's server give up the request, too)."""


def body(api: Api, model: str, *, stream: bool, **more: Any) -> bytes:
    asked: dict[str, Any] = {"model": model, "stream": stream, **more}
    if api == "responses":
        return msgspec.json.encode({**asked, "input": "Hi!"})
    limit = {"max_tokens": 100} if api == "messages" else {}
    return msgspec.json.encode({**asked, **limit, "messages": [{"role": "user", "content": "Hi!"}]})


def request(api: Api, model: str, *, stream: bool, key: str | None = None, **more: Any) -> bytes:
    """The bytes of one whole request."""
    sent = body(api, model, stream=stream, **more)
    head = [f"POST {PATHS[api]} HTTP/1.1", "host: localhost", f"content-length: {len(sent)}"]
    head += [f"authorization: Bearer {key}"] if key else []
    return "\r\n".join([*head, "", ""]).encode() + sent


class Leaver:
    """One client on a raw socket."""

    def __init__(self, port: int, sent: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket.sendall(sent)
        self.read = b""

    def until(self, mark: bytes) -> bytes:
        """All that has come when ``mark`` has."""
        while mark not in self.read:
            more = self._socket.recv(65_536)
            assert more, f"the answer ended without {mark!r}: {self.read!r}"
            self.read += more
        return self.read

    def more(self, mark: bytes) -> bytes:
        """As ``until``, for a ``mark`` that is still to come."""
        self.read = b""
        return self.until(mark)

    def leave(self, way: Way) -> float:
        """The moment, in monotonic seconds."""
        if way == "rst":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left = time.monotonic()
        if way == "half":
            self._socket.shutdown(socket.SHUT_WR)
        else:
            self._socket.close()
        return left

    def end(self) -> bytes:
        """All that still comes, up to the end of the connection."""
        try:
            while more := self._socket.recv(65_536):
                self.read += more
        except ConnectionError:
            pass
        self._socket.close()
        return self.read
