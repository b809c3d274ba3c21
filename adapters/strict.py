"""Strict JSON at the door (decision D10): UTF-8 checked, depth bounded, the reason in the error is ours."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate, islice
from typing import Any

import msgspec

from adapters import ir

MAX_DEPTH = 200
"""Objects and arrays within one another; far above any real request, far below the recursion limit."""
MAX_PARTS = 2_000_000
"""Objects and arrays, with such marks in strings; each costs a reader some 100 ns and 100 bytes. Our own limit: no
model reads so many."""
MAX_MODEL = 256
"""Characters of a model name. It goes into the ledger, log lines and error messages."""

_top = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STEPS = [{"[": 1, "{": 1, "]": -1, "}": -1}.get(chr(byte), 0) for byte in range(256)]
"""byte -> how much deeper it leads."""
_STRETCH = 1 << 16
"""Marks that are counted at once: between two such steps another thread has its turn."""
_NO_MARKS = bytes(byte for byte in range(256) if not _STEPS[byte])
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})", re.DOTALL
)
"""A surrogate pair, or (the group) half of one."""
_LOOKED_AT = 10_000
"""Of them, to say what is wrong."""
_AT = re.compile(r"\(byte (\d+)\)")
_NO_NUMBER = re.compile(rb"-?(?:NaN|Infinity)")
_NUMERIC = range(ord("-"), ord("9") + 1)
"""How a number begins, and no other JSON value."""
_INTEGERS = range(-(2**63), 2**63)
_TOKENS = re.compile(rb'("(?:[^"\\]|\\.)*+")(\s*:)?|[\[\]{}]', re.DOTALL)


def check(body: bytes) -> None:
    """Raise ir.Invalid unless ``body`` is UTF-8 and nested no deeper than MAX_DEPTH."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ir.Invalid(f"The body is not valid UTF-8 (byte {error.start}). Send JSON encoded as UTF-8.") from None
    parts = body.count(b"[") + body.count(b"{")
    if parts > MAX_PARTS:
        raise ir.Invalid(f"The JSON body has more than {MAX_PARTS} objects and arrays (or brackets in its text).")
    if parts > MAX_DEPTH and _too_deep(body):
        raise ir.Invalid(f"The JSON body is nested deeper than {MAX_DEPTH} levels.")


def _too_deep(body: bytes) -> bool:
    """Exact for what is JSON; what is not is found out by its decoder. In JSON a backslash stands in a string."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    marks = b"".join(plain.split(b'"')[::2]).translate(None, _NO_MARKS)
    depth = 0
    for at in range(0, len(marks), _STRETCH):
        depths = [*accumulate(map(_STEPS.__getitem__, marks[at : at + _STRETCH]), initial=depth)]
        if max(depths) > MAX_DEPTH:
            return True
        depth = depths[-1]
    return False


def check_exact(body: bytes) -> None:
    """Raise ir.Invalid where two readers may read two things, at any depth: an object with a key twice, a number that
    no double holds. ``body`` has passed ``fields``."""
    _check_unique(body)
    try:
        msgspec.json.decode(body)
    except msgspec.ValidationError:
        message = "A number in the JSON body is out of range: none may be larger than 1.8e308."
        raise ir.Invalid(message, code="number_out_of_range") from None


def _check_unique(body: bytes) -> None:
    keys: list[set[str]] = []
    for match in _TOKENS.finditer(body):
        mark = match[0]
        if mark in (b"[", b"{"):
            keys.append(set())
        elif mark in (b"]", b"}"):
            keys.pop()
        elif match[2] is not None:
            name = _name(match[1])
            if name in keys[-1]:
                raise ir.Invalid(f"The key '{name}' stands twice in one object of the JSON body: send it once.", name)
            keys[-1].add(name)


def _name(quoted: bytes) -> str:
    try:
        return msgspec.json.decode(quoted, type=str)
    except msgspec.DecodeError as error:
        raise ir.Invalid(f"The request body is not valid JSON: {error}.") from None


def fields(body: bytes) -> ir.Extras:
    """The top level of a request body, values still raw. Raises ir.Invalid with the reason."""
    if not body.strip():
        raise ir.Invalid("The request body is empty. Send a JSON object.")
    check(body)
    try:
        top: ir.Extras = _top.decode(body)
    except msgspec.ValidationError:
        raise ir.Invalid("The request body must be a JSON object.") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ir.Invalid(f"The request body is not valid JSON: {_reason(body, str(error))}.") from None
    for name, raw in top.items():
        if memoryview(raw)[0] in _NUMERIC:
            _check_number(name, bytes(raw))
    return top


def _reason(body: bytes, told: str) -> str:
    """Why ``body`` cannot be read; what the decoder says of these two is not how anybody knows them."""
    for match in islice(_SURROGATES.finditer(body), _LOOKED_AT):
        before = body[max(match.start() - 64, 0) : match.start()]
        escaped = (len(before) - len(before.rstrip(b"\\"))) % 2
        if match[1] and not escaped:
            return f"half of a surrogate pair, which is no character (byte {match.start()})"
    at = _AT.search(told)
    word = _NO_NUMBER.search(body, max(int(at[1]) - 1, 0), int(at[1]) + 9) if at is not None else None
    return told if word is None else f"{word[0].decode()} is no number in JSON (byte {word.start()})"


def _check_number(name: str, number: bytes) -> None:
    """Whoever reads it next would read another number, or none. Raises ir.Invalid."""
    try:
        value = msgspec.json.decode(number)
    except msgspec.ValidationError:
        value = None
    if value is None or (isinstance(value, int) and value not in _INTEGERS):
        message = f"'{name}' is out of range: whole numbers have 64 bits, and others are no larger than 1.8e308."
        raise ir.Invalid(message, name, "number_out_of_range")


def head(top: ir.Extras) -> ir.Head:
    """``model`` and ``stream`` of a request body's top level. Raises ir.Invalid."""
    if "model" not in top:
        raise ir.Invalid("You must provide a model parameter.", "model", "missing_required_parameter")
    model = value(top, "model", str)
    stream = value(top, "stream", bool | None) if "stream" in top else False
    if not model:
        raise ir.Invalid("'model' must not be empty.", "model")
    if len(model) > MAX_MODEL or not model.isprintable():
        raise ir.Invalid(f"'model' must be printable text of at most {MAX_MODEL} characters.", "model")
    return ir.Head(model, bool(stream))


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Made once for each kind of value: those that are asked for stand in the code, so they are few."""
    return msgspec.json.Decoder(kind)


def value(top: ir.Extras, name: str, kind: Any) -> Any:
    """One top-level field, of one type. Raises ir.Invalid that names the field."""
    try:
        return _decoder(kind).decode(top[name])
    except msgspec.ValidationError as error:
        raise ir.Invalid(f"Invalid type for '{name}': {error}.", name, "invalid_type") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ir.Invalid(f"'{name}' is not valid JSON: {error}.", name) from None
