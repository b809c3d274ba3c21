"""Gemini's token counts and the hub's, in both directions (traps G39, G82)."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from adapters import ir
from adapters.google_gemini.wire import Nonsense, UsageMetadata
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
_WHOLES = ("input", "input", "cached", "output")
_details = attrgetter(
    "prompt_tokens_details", "tool_use_prompt_tokens_details", "cache_tokens_details", "candidates_tokens_details"
)
"""The breakdowns by modality, of those wholes."""


def read(told: UsageMetadata | Nonsense | None, calls: Mapping[str, int]) -> ir.Usage | None:
    """``usageMetadata`` -> Usage; None when it counts nothing (only a traffic type). ``calls``: of ``grounding``.

    Proto JSON leaves zeros out, so that a missing part is known as soon as the total adds up without it.
    """
    if not isinstance(told, UsageMetadata):
        return checked(ir.Usage(calls=calls, flaws=(OBJECT,) if told else ())) if told or calls else None
    prompt, total, fed = told.prompt_token_count, told.total_token_count, told.tool_use_prompt_token_count
    if prompt is None and total is None and not calls:
        return None
    prompt = prompt if fed is None or prompt is None else added(prompt, fed)
    candidates, thoughts = told.candidates_token_count, told.thoughts_token_count
    flaws: list[str] = []
    kinds = _by_kind(told, flaws)
    return checked(
        ir.Usage(
            input=prompt,
            output=_output(prompt, total, candidates, thoughts),
            cached=told.cached_content_token_count,
            reasoning=_reasoning(prompt, total, candidates) if thoughts is None else thoughts,
            tool_input=fed,
            total=total,
            service_tier=_tier(told),
            calls=calls,
            flaws=tuple(flaws),
            **kinds,
        )
    )


def _output(prompt: Any, total: Any, candidates: Any, thoughts: Any) -> Any:
    if candidates is not None or thoughts is not None:
        return added(candidates, thoughts)
    read_, both = count(prompt), count(total)
    return None if read_ is None or both is None else max(both - read_, 0)


def _reasoning(prompt: Any, total: Any, candidates: Any) -> int | None:
    """0 where nothing is left of the total for it, else unknown."""
    seen = None if prompt is None else count(added(prompt, candidates))
    return 0 if seen is not None and seen == count(total) else None


def _by_kind(told: UsageMetadata, flaws: list[str]) -> dict[str, Any]:
    """The counts of what is not text, by the hub's fields."""
    kinds: dict[str, Any] = {}
    for whole, details in zip(_WHOLES, _details(told), strict=True):
        if details:
            _add_kinds(kinds, whole, details, flaws)
    return kinds


def _add_kinds(kinds: dict[str, Any], whole: str, details: object, flaws: list[str]) -> None:
    for entry in details if isinstance(details, list) else (OBJECT,):
        if not isinstance(entry, Mapping):
            flaws.append(OBJECT)
        elif (kind := entry.get("modality")) in _KINDS:
            field = f"{whole}_{kind.lower()}"
            kinds[field] = added(kinds.get(field), entry.get("tokenCount"))


def _tier(told: UsageMetadata) -> Any:
    tier = told.service_tier
    return _TRAFFIC.get(str(told.traffic_type)) if tier is None else hub_tier(tier)


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
