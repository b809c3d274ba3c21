"""Bytes that are nearly right: recordings with pieces cut out, doubled, exchanged, and JSON values put in wrong places."""

from __future__ import annotations

import json
import random
from typing import Any

WORDS = (
    b"\n\n", b"\r\n\r\n", b"\r", b"data: ", b"event: ", b":", b"[DONE]", b"\xef\xbb\xbf", b"\xff", b"\x00", b'"', b"\\",
    b"\\ud800", b"\\u0000", b"{", b"}", b"[", b"]", b",", b"null", b"true", b"1e999", b"-1", b"9" * 400, b"NaN",
    b'"type":', b'"error":', b'"choices":', b'"content":', b'"index":', b'"id":', b'"usage":', b'"delta":', b"[" * 300,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, -(2**63) - 1, 0.5, -0.0, 1e308, "", "a", "\0", "\ud7ff", "é" * 40,
    "text", "tool_use", "function", "error", "[DONE]", "data:;base64,", "data:image/png;base64,QQ==", "http://[::1", [],
    {}, [[]], [{}], [None], {"": ""}, {"type": None}, {"type": "text"}, {"type": "text", "text": None}, "x" * 5000,
)  # fmt: skip
LARGEST = 100_000
"""Bytes; what is small enough to be tried thousands of times."""


def mutated(seed: bytes, dice: random.Random) -> bytes:
    """``seed`` with one to six changes: in its JSON, where it is some, or in its bytes."""
    data = seed[:LARGEST]
    for _ in range(dice.randint(1, 6)):
        data = _in_values(data, dice) if dice.random() < 0.6 else _in_bytes(data, dice)
    return data[:LARGEST]


def _in_bytes(data: bytes, dice: random.Random) -> bytes:
    at = dice.randint(0, len(data))
    to = min(len(data), at + dice.choice((1, 2, 5, 50, 500)))
    match dice.randrange(5):
        case 0:
            return data[:at] + data[to:]
        case 1:
            return data[:to] + data[at:]
        case 2:
            return data[:at] + dice.choice(WORDS) + data[at:]
        case 3:
            return data[:at] + bytes(dice.randrange(256) for _ in range(to - at)) + data[to:]
        case _:
            return data[:at]


def _in_values(data: bytes, dice: random.Random) -> bytes:
    """One JSON value exchanged, in a body or in one event of a stream."""
    lines = data.split(b"\n")
    at = dice.randrange(len(lines)) if data.startswith((b"data", b"event")) else 0
    head, text = (b"", data) if not data.startswith((b"data", b"event")) else _parted(lines[at])
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _in_bytes(data, dice)
    made = head + json.dumps(_changed(value, dice)).encode("utf-8", "surrogatepass")
    if not head:
        return made
    return b"\n".join([*lines[:at], made, *lines[at + 1 :]])


def _parted(line: bytes) -> tuple[bytes, bytes]:
    head, colon, text = line.partition(b": ")
    return head + colon, text


def _changed(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict) and value and dice.random() < 0.85:
        name = dice.choice(list(value))
        match dice.randrange(8):
            case 0:
                return {key: each for key, each in value.items() if key != name}
            case 1:
                return {
                    **value,
                    dice.choice(("type", "id", "index", "text", "error", name.upper())): dice.choice(VALUES),
                }
            case _:
                return {**value, name: _changed(value[name], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        at = dice.randrange(len(value))
        match dice.randrange(6):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value, value[at]]
            case 2:
                return value[::-1]
            case _:
                return [*value[:at], _changed(value[at], dice), *value[at + 1 :]]
    return dice.choice(VALUES)
