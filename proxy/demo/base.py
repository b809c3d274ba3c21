"""What the demo's rooms share: the request as seen, the refusal, ids, and seals that only the demo can have made."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec

Json = dict[str, Any]

encode = msgspec.json.encode


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request: ``model`` without its path prefix, ``now`` in seconds, ``seed`` equal for equal questions."""

    model: str
    body: Json
    headers: dict[str, str]
    now: int
    seed: str = ""

    def id(self, prefix: str, salt: object = "") -> str:
        """An id that is the same for the same question, streamed or not, and new on the next turn."""
        return prefix + digest(f"{self.seed}/{prefix}/{salt}")[:24]


class RefusedError(Exception):
    """The request is refused; each dialect spells it in its vendor's words."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.param, self.code, self.status = message, param, code, status


def digest(text: str) -> str:
    """A stable hexadecimal digest of ``text``."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def seed(body: Json) -> str:
    """The digest of what was asked, apart from how it is to be delivered."""
    asked = {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
    return hashlib.sha256(encode(asked, order="sorted")).hexdigest()


def seal(vendor: str, text: str) -> str:
    """Opaque vendor state over ``text``: base64 that ``sealed`` knows again and no other vendor does."""
    return base64.b64encode(f"demo-{vendor}:{digest(text)}".encode()).decode()


def sealed(vendor: str, state: str, text: str | None = None) -> bool:
    """Whether ``state`` was made by ``seal`` for this vendor (and over exactly ``text``, if it is given)."""
    try:
        plain = base64.b64decode(state, validate=True)
    except (binascii.Error, ValueError):
        return False
    want = f"demo-{vendor}:" + ("" if text is None else digest(text))
    return plain.startswith(want.encode())


def sse(data: object, event: str | None = None, line: str = "\n") -> bytes:
    """One server-sent event, terminator included."""
    head = f"event: {event}{line}".encode() if event else b""
    return head + b"data: " + encode(data) + (line * 2).encode()
