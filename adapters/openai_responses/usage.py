"""Token counts of a Responses answer -> the hub's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters import ir
from adapters.openai_responses import wire

_TOO_MUCH = 2**53
_KNOWN = frozenset({"input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"})


def read_usage(raw: object, tier: object) -> ir.Usage | None:
    """``usage`` of a response object, or None where there is none. ``tier``: the service tier really used."""
    told = raw if isinstance(raw, Mapping) else {}
    service_tier = tier if isinstance(tier, str) else None
    if not told and service_tier is None:
        return None
    read, written = _part(told, "input_tokens_details"), _part(told, "output_tokens_details")
    return ir.Usage(
        input=_count(told, "input_tokens"),
        output=_count(told, "output_tokens"),
        cached=_count(read, "cached_tokens"),
        cache_write=_count(read, "cache_write_tokens"),
        cache_write_1h=_count(_part(read, "cache_write_tokens_details"), "ttl_12h_tokens"),
        reasoning=_count(written, "reasoning_tokens"),
        total=_count(told, "total_tokens"),
        service_tier=service_tier,
        extras={name: wire.encode(value) for name, value in told.items() if name not in _KNOWN and value is not None},
    )


def _part(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = told.get(name)
    return inner if isinstance(inner, Mapping) else {}


def _count(told: Mapping[str, Any], name: str) -> int | None:
    return whole_number(told.get(name))


def whole_number(value: object) -> int | None:
    """A count or a time, also from servers that tell them as floats; a flag is no number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value) if 0 <= value < _TOO_MUCH else None
