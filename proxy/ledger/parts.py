"""The rarer half of an attempt's usage, as one column of its row, and the whole usage again from a row."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec

from adapters import ir
from adapters.usage import COUNTS
from policies.tariff import unusual
from proxy.ledger.record import UsageRecord

_COLUMNS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cached": "cached_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}
"""Fields of ir.Usage that have a column of their own."""
_RARE = tuple(name for name in COUNTS if name not in _COLUMNS and name != "total")
_rare = attrgetter(*_RARE)
_words = attrgetter("calls", "speed", "flaws")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def pack(usage: ir.Usage, reasoning_chars: int = 0, answer_chars: int = 0) -> str | None:
    """The classes without a column, as JSON by the names of ``ir.Usage``: only what was told and is not 0. A total that
    is not input + output is among them. ``*_chars`` where there was thought. None: there is nothing to tell."""
    parts: dict[str, Any] = {}
    if any(_rare(usage)):
        parts = {name: count for name, count in zip(_RARE, _rare(usage), strict=True) if count}
    if usage.total is not None and usage.total != _sum(usage.input, usage.output):
        parts["total"] = usage.total
    if any(_words(usage)):
        parts |= _told_words(usage)
    if reasoning_chars:
        parts |= {"reasoning_chars": reasoning_chars, "answer_chars": answer_chars}
    return msgspec.json.encode(parts).decode() if parts else None


def _told_words(usage: ir.Usage) -> dict[str, Any]:
    """What is no count of tokens. The tier stands here where the speed has taken its column."""
    told: dict[str, Any] = {}
    if usage.calls:
        told["calls"] = dict(usage.calls)
    if unusual(usage.speed):
        told["speed"] = usage.speed
        if unusual(usage.service_tier):
            told["service_tier"] = usage.service_tier
    if usage.flaws:
        told["flaws"] = usage.flaws
    return told


def usage_of(record: UsageRecord) -> ir.Usage:
    """The usage that a row was made from, as far as a price depends on it; zeros of rare classes have become unknown.

    ``reasoning`` only where the upstream told it."""
    parts = {} if record.parts is None else _decode(record.parts)
    speed = parts.get("speed")
    return ir.Usage(
        input=record.input_tokens,
        output=record.output_tokens,
        cached=record.cached_tokens,
        cache_write=record.cache_write_tokens,
        reasoning=record.reasoning_tokens if record.reasoning_source == "reported" else None,
        total=parts.get("total", _sum(record.input_tokens, record.output_tokens)),
        service_tier=parts.get("service_tier") if speed is not None else record.service_tier,
        speed=speed,
        calls=parts.get("calls", {}),
        flaws=tuple(parts.get("flaws", ())),
        **{name: parts[name] for name in _RARE if name in parts},
    )


def flag(usage: ir.Usage) -> str | None:
    """How the row's flags name what the upstream told and cannot be so: ``bad_usage input_tokens total``."""
    return f"bad_usage {' '.join(_COLUMNS.get(name, name) for name in usage.flaws)}" if usage.flaws else None


def _sum(read: int | None, said: int | None) -> int | None:
    return None if read is None or said is None else read + said
