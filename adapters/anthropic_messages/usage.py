"""Tokens: Anthropic counts cached and written input beside the rest, the hub counts them within (G37)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from adapters import ir

_KEPT = ("server_tool_use", "inference_geo", "speed")
_TIERS = ("standard", "priority", "batch")


class _Creation(Struct):
    ephemeral_1h_input_tokens: int | None = None


class _Details(Struct):
    thinking_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    output_tokens: int | None = None
    output_tokens_details: _Details | None = None
    service_tier: str | None = None


_usage = msgspec.json.Decoder(_Usage)
_KNOWN = frozenset(_Usage.__struct_fields__)


def merged(told: Mapping[str, Raw], later: Mapping[str, Raw]) -> dict[str, Raw]:
    """Two cumulative snapshots of one stream: the later one wins where it knows (G38)."""
    return {**told, **{name: value for name, value in later.items() if bytes(value) != b"null"}}


def read(fields: Mapping[str, Raw]) -> ir.Usage:
    """Wire usage -> hub usage. Raises msgspec.ValidationError."""
    told = _usage.decode(msgspec.json.encode(fields))
    known = [n for n in (told.input_tokens, told.cache_creation_input_tokens, told.cache_read_input_tokens) if n]
    total_input = sum(known) if told.input_tokens is not None else None
    both = total_input is not None and told.output_tokens is not None
    return ir.Usage(
        input=total_input,
        output=told.output_tokens,
        cached=told.cache_read_input_tokens,
        cache_write=told.cache_creation_input_tokens,
        cache_write_1h=told.cache_creation.ephemeral_1h_input_tokens if told.cache_creation else None,
        reasoning=told.output_tokens_details.thinking_tokens if told.output_tokens_details else None,
        total=(total_input or 0) + (told.output_tokens or 0) if both else None,
        service_tier=told.service_tier,
        extras={name: value for name, value in fields.items() if name not in _KNOWN},
    )


def write(usage: ir.Usage | None) -> dict[str, Any]:
    """Hub usage -> a whole message's ``usage``; the wire knows no unknown, so what was not told is 0."""
    told = usage or ir.Usage()
    body: dict[str, Any] = {
        "input_tokens": max((told.input or 0) - (told.cached or 0) - (told.cache_write or 0), 0),
        "cache_creation_input_tokens": told.cache_write,
        "cache_read_input_tokens": told.cached,
        "output_tokens": told.output or 0,
    }
    if told.cache_write_1h is not None:
        short = max((told.cache_write or 0) - told.cache_write_1h, 0)
        body["cache_creation"] = {
            "ephemeral_5m_input_tokens": short,
            "ephemeral_1h_input_tokens": told.cache_write_1h,
        }
    if told.reasoning is not None:
        body["output_tokens_details"] = {"thinking_tokens": told.reasoning}
    if told.service_tier in _TIERS:
        body["service_tier"] = told.service_tier
    return body | {name: told.extras[name] for name in _KEPT if name in told.extras}


def write_delta(usage: ir.Usage | None) -> dict[str, Any]:
    """Hub usage -> the cumulative usage of ``message_delta``."""
    names = ("cache_creation", "service_tier", "inference_geo", "speed")
    return {name: value for name, value in write(usage).items() if name not in names}
