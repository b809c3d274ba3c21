"""What vendors say in their answers' headers of their rate limits: how much is left, and when it is whole again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

from msgspec import Struct

Meter: TypeAlias = Literal["requests", "tokens", "input_tokens", "output_tokens"]
METERS: tuple[Meter, ...] = ("requests", "tokens", "input_tokens", "output_tokens")

_NAMES: Mapping[Meter, tuple[str, ...]] = {
    "requests": ("x-ratelimit-{}-requests", "anthropic-ratelimit-requests-{}"),
    "tokens": ("x-ratelimit-{}-tokens", "anthropic-ratelimit-tokens-{}"),
    "input_tokens": ("anthropic-ratelimit-input-tokens-{}",),
    "output_tokens": ("anthropic-ratelimit-output-tokens-{}",),
}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_EPOCH = 10**9
"""A bare number beyond this is a moment, not a span."""


class Word(Struct, frozen=True):
    """One meter, as its vendor told it. None: it did not."""

    remaining: int
    limit: int | None = None
    reset: float | None = None
    """Seconds until it is whole again."""


def told(headers: Mapping[str, str], now: float) -> dict[Meter, Word]:
    """``headers`` with lower-case names; ``now``: seconds since 1970, for vendors that tell a moment and no date."""
    found: dict[Meter, Word] = {}
    for meter, names in _NAMES.items():
        for name in names:
            remaining = _count(headers.get(name.format("remaining")))
            if remaining is not None:
                limit = _count(headers.get(name.format("limit")))
                found[meter] = Word(remaining, limit, _reset(headers.get(name.format("reset")), headers, now))
                break
    return found


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 15 else None


def _reset(text: str | None, headers: Mapping[str, str], now: float) -> float | None:
    """``12ms``, ``6m0s``, ``30``, a moment in seconds since 1970, or one of RFC 3339."""
    if not text or len(text) > 40:
        return None
    try:
        number = float(text)
    except ValueError:
        return _span(text) or _until(text, headers.get("date"), now)
    if not 0 <= number < float("inf"):
        return None
    return max(number - now, 0.0) if number > _EPOCH else number


def _span(text: str) -> float | None:
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _until(text: str, date: str | None, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(text).timestamp()
        return max(moment - (parsedate_to_datetime(date).timestamp() if date else now), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None
