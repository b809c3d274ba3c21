"""Gemini's token counts and the hub's, in both directions (traps G39, G82)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Raw

from adapters import ir
from adapters.google_gemini.wire import UNREADABLE, value
from adapters.usage import OBJECT, added, checked, count

_TIERS = {"standard": "default", "unspecified": None}
_WIRE_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}
_TRAFFIC = {
    "ON_DEMAND": "default",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned",
}
"""Vertex's word for the tier."""
_KINDS = ("AUDIO", "IMAGE", "VIDEO")
"""Modalities with a price of their own; documents cost what text does."""


def read(raw: Raw, calls: Mapping[str, int]) -> ir.Usage | None:
    """``usageMetadata`` -> Usage; None when it counts nothing (only a traffic type). ``calls``: of ``grounding``.

    Proto JSON leaves zeros out, so that a missing part is known as soon as the total adds up without it.
    """
    told = _decode(raw)
    flaws = [] if isinstance(told, Mapping) or not told else [OBJECT]
    if not isinstance(told, Mapping) or (_number(told, "prompt") is None and _number(told, "total") is None):
        return checked(ir.Usage(calls=calls, flaws=tuple(flaws))) if calls or flaws else None
    fed, thoughts, total = (_number(told, name) for name in ("toolUsePrompt", "thoughts", "total"))
    prompt = None if _number(told, "prompt") is None else added(_number(told, "prompt"), fed)
    read_, fed_, cached, said = (
        _by_kind(told.get(f"{name}TokensDetails"), flaws) for name in ("prompt", "toolUsePrompt", "cache", "candidates")
    )
    return checked(
        ir.Usage(
            input=prompt,
            output=_output(told, prompt),
            cached=told.get("cachedContentTokenCount"),
            reasoning=_reasoning(told, prompt) if thoughts is None else thoughts,
            tool_input=fed,
            total=total,
            service_tier=_tier(told),
            input_audio=added(read_.get("AUDIO"), fed_.get("AUDIO")),
            input_image=added(read_.get("IMAGE"), fed_.get("IMAGE")),
            input_video=added(read_.get("VIDEO"), fed_.get("VIDEO")),
            cached_audio=cached.get("AUDIO"),
            cached_image=cached.get("IMAGE"),
            cached_video=cached.get("VIDEO"),
            output_audio=said.get("AUDIO"),
            output_image=said.get("IMAGE"),
            output_video=said.get("VIDEO"),
            calls=calls,
            flaws=tuple(flaws),
        )
    )


def _decode(raw: Raw) -> object:
    if not bytes(raw):
        return None
    try:
        return value(raw)
    except UNREADABLE:
        return OBJECT


def _number(told: Mapping[str, Any], name: str) -> Any:
    return told.get(f"{name}TokenCount")


def _output(told: Mapping[str, Any], prompt: Any) -> Any:
    candidates, thoughts = _number(told, "candidates"), _number(told, "thoughts")
    if candidates is not None or thoughts is not None:
        return added(candidates, thoughts)
    read_, both = count(prompt), count(_number(told, "total"))
    return None if read_ is None or both is None else max(both - read_, 0)


def _reasoning(told: Mapping[str, Any], prompt: Any) -> int | None:
    """0 where nothing is left of the total for it, else unknown."""
    seen = count(added(prompt, _number(told, "candidates")))
    return 0 if seen is not None and prompt is not None and count(_number(told, "total")) == seen else None


def _tier(told: Mapping[str, Any]) -> Any:
    tier = told.get("serviceTier")
    return _TRAFFIC.get(str(told.get("trafficType"))) if tier is None else hub_tier(tier)


def _by_kind(details: object, flaws: list[str]) -> dict[str, Any]:
    """The counts of those modalities, each once; text is the rest."""
    kinds: dict[str, Any] = {}
    if details is None:
        return kinds
    for entry in details if isinstance(details, list) else [OBJECT]:
        if not isinstance(entry, Mapping):
            flaws.append(OBJECT)
        elif (kind := entry.get("modality")) in _KINDS:
            kinds[kind] = added(kinds.get(kind), entry.get("tokenCount"))
    return kinds


def write(usage: ir.Usage) -> dict[str, Any]:
    """Usage -> ``usageMetadata``; what is unknown is left out."""
    known = checked(usage)
    prompt = None if known.input is None else known.input - (known.tool_input or 0)
    candidates = None if known.output is None else known.output - (known.reasoning or 0)
    total = known.total
    if total is None and known.input is not None and known.output is not None:
        total = known.input + known.output
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "totalTokenCount": total,
        "cachedContentTokenCount": known.cached,
        "thoughtsTokenCount": known.reasoning,
        "toolUsePromptTokenCount": known.tool_input,
    }
    told: dict[str, Any] = {name: number for name, number in counts.items() if number is not None}
    details = {
        "promptTokensDetails": _kinds(known.input, known.input_audio, known.input_image, known.input_video),
        "cacheTokensDetails": _kinds(known.cached, known.cached_audio, known.cached_image, known.cached_video),
        "candidatesTokensDetails": _kinds(candidates, known.output_audio, known.output_image, known.output_video),
    }
    return told | {name: kinds for name, kinds in details.items() if kinds}


def _kinds(whole: int | None, *media: int | None) -> list[dict[str, Any]]:
    """The parts of ``whole`` by modality; nothing where all of it is text."""
    known = {kind: number for kind, number in zip(_KINDS, media, strict=True) if number}
    if not known or whole is None or sum(known.values()) > whole:
        return []
    kinds = {"TEXT": whole - sum(known.values()), **known}
    return [{"modality": kind, "tokenCount": number} for kind, number in kinds.items() if number]


def wire_tier(tier: str | None) -> str | None:
    """The service tier that Google knows for OpenAI's word, or None."""
    return _WIRE_TIERS.get(tier) if tier else None


def hub_tier(tier: Any) -> Any:
    """OpenAI's word for Google's service tier."""
    return _TIERS.get(tier, tier) if isinstance(tier, str) else tier
