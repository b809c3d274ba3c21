"""The scalars of proxy.yaml that YAML does not know: secrets, durations, sizes."""

from __future__ import annotations

import hmac
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from policies.durations import seconds

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|kB|KB|MB|GB)?")
_BYTES = {
    None: 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9,
}  # fmt: skip
_RICHEST = 10**9
"""Dollars; more is a slip, and a number without end would take the memory of whoever multiplies it."""


class Secret:
    """Text that must not be seen: ``repr``, ``str`` and ``format`` hide it; ``reveal`` is the only way out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


class Secrets(tuple[Secret, ...]):
    """One secret or several: the first seals, all unseal (rotation)."""

    __slots__ = ()


class Seconds(float):
    """A duration: ``5s``, ``500ms``, ``2m``, ``1h``, ``90d``, a number of seconds, or ``never`` (infinite)."""

    __slots__ = ()


class Size(int):
    """A number of bytes: ``64MiB``, ``10MB``, ``4096``."""

    __slots__ = ()


class Dollars(Decimal):
    """US dollars, exactly as written, never negative."""

    __slots__ = ()


def decode(kind: type, value: Any) -> Any:
    """msgspec's ``dec_hook`` for these types. Raises ValueError that says what is taken instead."""
    if kind is Secret:
        return _secret(value)
    if kind is Secrets:
        if value == []:
            raise ValueError("expected at least one secret: write one, or leave the key out")
        return Secrets(_secret(item) for item in (value if isinstance(value, list) else [value]))
    if kind is Seconds:
        return Seconds(seconds(value))
    if kind is Size:
        return _size(value)
    if kind is Dollars:
        return _dollars(value)
    raise NotImplementedError(kind)


def shown(value: Any) -> Any:
    """msgspec's ``enc_hook`` for these types, for eyes: secrets stay hidden."""
    if isinstance(value, Secret | Secrets):
        return "***"
    if isinstance(value, Seconds):
        return "never" if math.isinf(value) else float(value)
    if isinstance(value, Size):
        return int(value)
    if isinstance(value, Decimal):
        return float(value)
    raise NotImplementedError(type(value))


def _secret(value: Any) -> Secret:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a non-empty text (quote it)")
    return Secret(value)


def _size(value: Any) -> Size:
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value))
    if found is None:
        raise ValueError(f"'{value}' is not a size: write 64MiB, 512KiB or a number of bytes")
    return Size(int(found[1]) * _BYTES[found[2]])


def _dollars(value: Any) -> Dollars:
    try:
        amount = Dollars("" if isinstance(value, bool) else str(value))
    except InvalidOperation:
        amount = Dollars("NaN")
    if not amount.is_finite() or not 0 <= amount <= _RICHEST:
        raise ValueError(f"'{value}' is not an amount of US dollars: write a number such as 0.25")
    return amount
