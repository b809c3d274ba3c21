"""Token counts: every server's ``usage`` object to ir.Usage, and OpenAI's from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters import ir

SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_INPUT = ("audio_tokens", "image_tokens", "text_tokens")
_OUTPUT = ("audio_tokens", "text_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")
_INPUT_EXTRAS, _OUTPUT_EXTRAS = "prompt_tokens_details", "completion_tokens_details"
_counts = msgspec.json.Decoder(dict[str, int])


def read(told: Any, tier: Any = None, *, reasoned: bool = False) -> ir.Usage | None:
    """``told`` is the wire's object. ``reasoned``: reasoning text was seen, so a count of 0 means "not counted"."""
    if not isinstance(told, Mapping):
        return None
    ins, outs = _object(told, _INPUT_EXTRAS), _object(told, _OUTPUT_EXTRAS)
    prompt, output, total = (_count(told, f"{name}_tokens") for name in ("prompt", "completion", "total"))
    reasoning = _first(_count(outs, "reasoning_tokens"), _count(told, "reasoning_tokens"))
    return ir.Usage(
        input=prompt,
        output=_whole_output(prompt, output, total, reasoning),
        cached=_first(
            _count(ins, "cached_tokens"), _count(told, "prompt_cache_hit_tokens"), _count(told, "cached_tokens")
        ),
        cache_write=_first(_count(ins, "cache_write_tokens"), _count(ins, "created_cache_tokens")),
        reasoning=None if reasoned and reasoning == 0 else reasoning,
        total=total,
        service_tier=tier if isinstance(tier, str) else None,
        extras=_kept(_INPUT_EXTRAS, ins, _INPUT) | _kept(_OUTPUT_EXTRAS, outs, _OUTPUT),
    )


def _object(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = told.get(name)
    return value if isinstance(value, Mapping) else {}


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return int(value)


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def _whole_output(prompt: int | None, output: int | None, total: int | None, reasoning: int | None) -> int | None:
    """Some servers (xAI, Google's compatible endpoint) count reasoning in the total only."""
    if prompt is None or output is None or total is None:
        return output
    excess = total - prompt - output
    return output + excess if excess > 0 and reasoning in (None, excess) else output


def _kept(name: str, details: Mapping[str, Any], fields: tuple[str, ...]) -> ir.Extras:
    counts = {field: count for field in fields if (count := _count(details, field))}
    return {name: msgspec.Raw(msgspec.json.encode(counts))} if counts else {}


def write(usage: ir.Usage | None) -> dict[str, Any] | None:
    """OpenAI's object, or None where the two counts that it demands are not known."""
    if usage is None or usage.input is None or usage.output is None:
        return None
    told: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    }
    ins = {"cached_tokens": _at_most(usage.cached, usage.input)}
    ins["cache_write_tokens"] = _at_most(usage.cache_write, usage.input)
    outs = {"reasoning_tokens": _at_most(usage.reasoning, usage.output)}
    for name, known in ((_INPUT_EXTRAS, ins), (_OUTPUT_EXTRAS, outs)):
        details = {field: count for field, count in known.items() if count is not None} | _details(usage, name)
        if details:
            told[name] = details
    return told


def _at_most(count: int | None, whole: int) -> int | None:
    return None if count is None else min(count, whole)


def _details(usage: ir.Usage, name: str) -> dict[str, int]:
    return _counts.decode(usage.extras[name]) if name in usage.extras else {}
