"""A client on a raw socket: bytes out, whole answers in."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import Any

import msgspec

BODY = msgspec.json.encode({"model": "any", "messages": [{"role": "user", "content": "Hi!"}]})
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error object; the body has nothing else, and the answer has our id."""
        found = msgspec.json.decode(self.body)
        assert list(found) == ["error"], found
        assert len(self.headers["x-request-id"]) == 36
        return dict(found["error"])

    @property
    def text(self) -> str:
        return str(msgspec.json.decode(self.body)["choices"][0]["message"]["content"])


class Line:
    """One connection."""

    def __init__(self, port: int, *parts: bytes, seconds: float = 20.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self._reader = self.socket.makefile("rb", 2**18)
        for part in parts:
            self.send(part)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """As far as it is taken: a server that has heard enough may have closed."""
        with contextlib.suppress(OSError):
            self.socket.sendall(data)

    def hear(self) -> Said | None:
        """The next answer, without a 100 before it; None: the server has closed. A reset is an error."""
        line = self._reader.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (field := self._reader.readline().decode("latin-1").strip()) != "":
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        if status == 100:
            return self.hear()
        if headers.get("transfer-encoding") == "chunked":
            return Said(status, headers, self._chunks())
        return Said(status, headers, self._reader.read(int(headers.get("content-length", "0"))))

    def _chunks(self) -> bytes:
        body = []
        while size := int(self._reader.readline(), 16):
            body.append(self._reader.read(size))
            self._reader.readline()
        self._reader.readline()
        return b"".join(body)

    def to_the_end(self) -> list[Said]:
        """Every answer until the server closes."""
        return list(iter(self.hear, None))


def spoken(port: int, *parts: bytes) -> list[Said]:
    """What is said to these bytes until the server closes."""
    with Line(port, *parts) as line:
        return line.to_the_end()
