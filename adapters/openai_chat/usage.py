"""Token counts: every server's ``usage`` object to ir.Usage, and OpenAI's from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters import ir
from adapters.usage import OBJECT, checked, count, first, inner, tool_calls, whole_output

SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_INPUT = ("text_tokens",)
_OUTPUT = ("text_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")
_INPUT_EXTRAS, _OUTPUT_EXTRAS = "prompt_tokens_details", "completion_tokens_details"
_json: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def read(told: Any, tier: Any = None, *, reasoned: bool = False) -> ir.Usage | None:
    """``told`` is the wire's object, None where there is none. ``reasoned``: reasoning text was seen, so a count of 0
    means "not counted"."""
    if told is None:
        return None
    tier = None if tier == "" else tier
    if not isinstance(told, Mapping):
        return checked(ir.Usage(service_tier=tier, flaws=(OBJECT,)))
    flaws: list[str] = []
    ins, outs = inner(told, _INPUT_EXTRAS, flaws), inner(told, _OUTPUT_EXTRAS, flaws)
    prompt, output, total = (told.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    reasoning = first(outs.get("reasoning_tokens"), told.get("reasoning_tokens"))
    read_kinds = inner(ins, "cached_tokens_details", flaws)
    return checked(
        ir.Usage(
            input=prompt,
            output=whole_output(prompt, output, total, reasoning),
            cached=_cached(told, ins),
            cache_write=first(ins.get("cache_write_tokens"), ins.get("created_cache_tokens")),
            reasoning=None if reasoned and reasoning == 0 else reasoning,
            total=total,
            service_tier=tier,
            input_audio=ins.get("audio_tokens"),
            input_image=ins.get("image_tokens"),
            input_video=ins.get("video_tokens"),
            cached_audio=read_kinds.get("audio_tokens"),
            cached_image=read_kinds.get("image_tokens"),
            output_audio=outs.get("audio_tokens"),
            output_image=outs.get("image_tokens"),
            output_video=outs.get("video_tokens"),
            calls=_calls(told, flaws),
            extras=_kept(_INPUT_EXTRAS, ins, _INPUT) | _kept(_OUTPUT_EXTRAS, outs, _OUTPUT),
            flaws=tuple(flaws),
        )
    )


def _cached(told: Mapping[str, Any], ins: Mapping[str, Any]) -> Any:
    """OpenAI's place for it, else DeepSeek's, Moonshot's, Mistral's."""
    others = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
    return first(ins.get("cached_tokens"), *map(told.get, others))


def _calls(told: Mapping[str, Any], flaws: list[str]) -> dict[str, Any]:
    """xAI tells each of its tools, and what live search has read; OpenRouter its searches; Perplexity its queries."""
    calls: dict[str, Any] = {}
    for name, suffix in (("server_side_tool_usage_details", "_calls"), ("server_tool_use_details", "_requests")):
        if name in told:
            calls |= tool_calls(inner(told, name, flaws), suffix)
    for name, tool in (("num_sources_used", "live_search"), ("num_search_queries", "web_search")):
        if (times := told.get(name)) is not None and count(times) != 0:
            calls[tool] = times
    return calls


def _kept(name: str, details: Mapping[str, Any], fields: tuple[str, ...]) -> ir.Extras:
    counts = {field: number for field in fields if (number := count(details.get(field)))}
    return {name: msgspec.Raw(msgspec.json.encode(counts))} if counts else {}


def write(usage: ir.Usage | None) -> dict[str, Any] | None:
    """OpenAI's object, or None where the two counts that it demands are not known."""
    known = checked(usage) if usage is not None else ir.Usage()
    if known.input is None or known.output is None:
        return None
    told: dict[str, Any] = {
        "prompt_tokens": known.input,
        "completion_tokens": known.output,
        "total_tokens": known.input + known.output,
    }
    ins = {
        "cached_tokens": known.cached,
        "cache_write_tokens": known.cache_write,
        "audio_tokens": known.input_audio,
        "image_tokens": known.input_image,
    }
    outs = {"reasoning_tokens": known.reasoning, "audio_tokens": known.output_audio}
    for name, counts, more, whole in (
        (_INPUT_EXTRAS, ins, _INPUT, known.input),
        (_OUTPUT_EXTRAS, outs, _OUTPUT, known.output),
    ):
        details = {field: number for field, number in counts.items() if number is not None}
        details |= _carried(known.extras.get(name), more, whole)
        if details:
            told[name] = details
    return told


def _carried(raw: msgspec.Raw | None, fields: tuple[str, ...], whole: int) -> dict[str, int]:
    """What the hub has no word for, as ``_kept`` left it; another dialect's extras may hold anything by that name."""
    told = None if raw is None else _json.decode(raw)
    known = {field: count(told.get(field)) for field in fields} if isinstance(told, dict) else {}
    return {field: number for field, number in known.items() if number is not None and number <= whole}
