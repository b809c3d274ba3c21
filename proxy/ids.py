"""Names for calls: our own UUIDv7, and the client's own request id when it is fit to be kept."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping

_FIT = re.compile(r"[!-~](?:[ -~]{0,510}[!-~])?")
_CLIENT_HEADERS = ("x-request-id", "x-client-request-id")


def uuid7() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, 12 bits of the fraction below them, 62 random bits."""
    nanos = time.time_ns()
    millis, rest = divmod(nanos, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8)) >> 2
    text = f"{(millis << 80) | (0x7000 | fraction) << 64 | (0b10 << 62) | random:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def client_request_id(headers: Mapping[str, str]) -> str | None:
    """The client's id (header names in lower case): at most 512 printable ASCII characters, else it is ignored (D5)."""
    for name in _CLIENT_HEADERS:
        value = headers.get(name)
        if value is not None and _FIT.fullmatch(value):
            return value
    return None
