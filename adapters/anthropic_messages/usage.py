"""Tokens: Anthropic counts cached and written input beside the rest, the hub counts them within (G37)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from adapters import ir
from adapters.usage import OBJECT, added, checked, count, inner, tool_calls

_TIERS = ("standard", "priority", "batch")
_SPEEDS = ("standard", "fast")
_TOOLS = ("web_search", "web_fetch")
_ANYWHERE = ("global", "not_available")
"""Places of inference that cost what all do; any other is a tier of its own."""
_SUMMED = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
_KNOWN = frozenset(
    (
        *("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"),
        *("output_tokens", "output_tokens_details", "service_tier"),
    )
)


def decode(raw: Raw) -> object:
    """The ``usage`` of a message or of an event: None where there is none. What is no JSON object is told as it is."""
    if not bytes(raw):
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return OBJECT


def merged(told: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Two cumulative snapshots of one stream: the later one wins where it knows (G38)."""
    return {**told, **{name: value for name, value in later.items() if value is not None}}


def read(told: Mapping[str, Any]) -> ir.Usage:
    """Wire usage -> hub usage."""
    flaws: list[str] = []
    counts, advised = _with_steps(told, flaws) if "iterations" in told else (told, 0)
    plain, output = counts.get("input_tokens"), counts.get("output_tokens")
    written, cached = counts.get("cache_creation_input_tokens"), counts.get("cache_read_input_tokens")
    total_input = added(plain, written, cached) if plain is not None else None
    calls = tool_calls(inner(told, "server_tool_use", flaws), "_requests")
    return checked(
        ir.Usage(
            input=total_input,
            output=output,
            cached=cached,
            cache_write=written,
            cache_write_1h=inner(counts, "cache_creation", flaws).get("ephemeral_1h_input_tokens"),
            reasoning=inner(told, "output_tokens_details", flaws).get("thinking_tokens"),
            total=_total(total_input, output),
            service_tier=_tier(told),
            speed=told.get("speed"),
            calls={**calls, "advisor": advised} if advised else calls,
            extras={name: Raw(msgspec.json.encode(value)) for name, value in told.items() if name not in _KNOWN},
            flaws=tuple(flaws),
        )
    )


def _total(read: Any, said: Any) -> int | None:
    """Anthropic tells none; it is what both halves come to."""
    known = count(read), count(said)
    return None if known[0] is None or known[1] is None else known[0] + known[1]


def _with_steps(told: Mapping[str, Any], flaws: list[str]) -> tuple[Mapping[str, Any], int]:
    """The counts together with those of compactions, which a message's own do not hold; and how often an advisor was
    asked, which is another model at a price of its own."""
    steps = told["iterations"]
    if not isinstance(steps, list):
        flaws.append(OBJECT)
        return told, 0
    known = [step for step in steps if isinstance(step, Mapping)]
    advised = sum(step.get("type") == "advisor_message" for step in known)
    parts = [told, *(step for step in known if step.get("type") == "compaction")]
    if len(parts) == 1:
        return told, advised
    kept = added(*(inner(part, "cache_creation", flaws).get("ephemeral_1h_input_tokens") for part in parts))
    sums = {name: added(*(part.get(name) for part in parts)) for name in _SUMMED}
    return {**sums, "cache_creation": {"ephemeral_1h_input_tokens": kept}}, advised


def _tier(told: Mapping[str, Any]) -> Any:
    """The tier; where the place of inference was chosen it costs more, and stands in the tier's place or behind it."""
    tier, place = told.get("service_tier"), told.get("inference_geo")
    if not isinstance(place, str) or not place or place in _ANYWHERE:
        return tier
    return place if tier in (None, "standard") else f"{tier}_{place}"


def write(usage: ir.Usage | None) -> dict[str, Any]:
    """Hub usage -> a whole message's ``usage``; the wire knows no unknown, so what was not told is 0."""
    told = checked(usage) if usage is not None else ir.Usage()
    body: dict[str, Any] = {
        "input_tokens": max((told.input or 0) - (told.cached or 0) - (told.cache_write or 0), 0),
        "cache_creation_input_tokens": told.cache_write,
        "cache_read_input_tokens": told.cached,
        "output_tokens": told.output or 0,
    }
    return body | dict(_details(told))


def _details(told: ir.Usage) -> Iterator[tuple[str, Any]]:
    if told.cache_write_1h is not None:
        short = max((told.cache_write or 0) - told.cache_write_1h, 0)
        kept = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": told.cache_write_1h}
        yield "cache_creation", kept
    if told.reasoning is not None:
        yield "output_tokens_details", {"thinking_tokens": told.reasoning}
    if "server_tool_use" in told.extras and not {"calls", OBJECT}.intersection(told.flaws):
        yield "server_tool_use", told.extras["server_tool_use"]
    elif any(tool in told.calls for tool in _TOOLS):
        yield "server_tool_use", {f"{tool}_requests": told.calls.get(tool, 0) for tool in _TOOLS}
    place = decode(told.extras.get("inference_geo", Raw()))
    if isinstance(place, str):
        yield "inference_geo", place
    tier = _plain_tier(told.service_tier, place)
    if tier in _TIERS:
        yield "service_tier", tier
    if told.speed in _SPEEDS:
        yield "speed", told.speed


def _plain_tier(tier: str | None, place: object) -> str | None:
    """``_tier`` undone."""
    if tier is None or not isinstance(place, str):
        return tier
    return "standard" if tier == place else tier.removesuffix(f"_{place}")


def write_delta(usage: ir.Usage | None) -> dict[str, Any]:
    """Hub usage -> the cumulative usage of ``message_delta``."""
    names = ("cache_creation", "service_tier", "inference_geo", "speed")
    return {name: value for name, value in write(usage).items() if name not in names}
