"""Gemini's token counts and the hub's, in both directions (traps G39, G82)."""

from __future__ import annotations

from typing import Any

from adapters import ir
from adapters.google_gemini.wire import UsageMetadata

_TIERS = {"standard": "default"}
_WIRE_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}


def read(wire: UsageMetadata) -> ir.Usage | None:
    """``usageMetadata`` -> Usage; None when it counts nothing (only a traffic type).

    Proto JSON leaves zeros out, so that a missing part is known as soon as the total adds up without it.
    """
    if wire.prompt_token_count is None and wire.total_token_count is None:
        return None
    prompt = wire.prompt_token_count
    if prompt is not None:
        prompt += wire.tool_use_prompt_token_count or 0
    return ir.Usage(
        input=prompt,
        output=_output(wire, prompt),
        cached=wire.cached_content_token_count,
        reasoning=_reasoning(wire, prompt),
        tool_input=wire.tool_use_prompt_token_count,
        total=wire.total_token_count,
        service_tier=hub_tier(wire.service_tier),
    )


def _output(wire: UsageMetadata, prompt: int | None) -> int | None:
    if wire.candidates_token_count is None and wire.thoughts_token_count is None:
        if wire.total_token_count is None or prompt is None:
            return None
        return max(wire.total_token_count - prompt, 0)
    return (wire.candidates_token_count or 0) + (wire.thoughts_token_count or 0)


def _reasoning(wire: UsageMetadata, prompt: int | None) -> int | None:
    if wire.thoughts_token_count is None and prompt is not None:
        return 0 if wire.total_token_count == prompt + (wire.candidates_token_count or 0) else None
    return wire.thoughts_token_count


def write(usage: ir.Usage) -> dict[str, Any]:
    """Usage -> ``usageMetadata``; what is unknown is left out."""
    prompt = None if usage.input is None else usage.input - (usage.tool_input or 0)
    candidates = None if usage.output is None else usage.output - (usage.reasoning or 0)
    total = usage.total
    if total is None and usage.input is not None and usage.output is not None:
        total = usage.input + usage.output
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "totalTokenCount": total,
        "cachedContentTokenCount": usage.cached,
        "thoughtsTokenCount": usage.reasoning,
        "toolUsePromptTokenCount": usage.tool_input,
    }
    return {name: count for name, count in counts.items() if count is not None}


def wire_tier(tier: str | None) -> str | None:
    """The service tier that Google knows for OpenAI's word, or None."""
    return _WIRE_TIERS.get(tier) if tier else None


def hub_tier(tier: str | None) -> str | None:
    """OpenAI's word for Google's service tier."""
    return _TIERS.get(tier, tier) if tier else None
