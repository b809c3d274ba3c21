"""What of a request Gemini cannot be told, by name and kind (decision D11)."""

from __future__ import annotations

from collections.abc import Iterator

from adapters import breakpoints, efforts, ir, stored, unsaid
from adapters.google_gemini import media, write_config
from adapters.google_gemini.usage import wire_tier
from adapters.media import among

_WHY = "Gemini has no such parameter"
_UNSAID = ("verbosity", "user", "safety_identifier", "prompt_cache_key", "metadata", "store")
"""Tuning that other vendors know."""
_SAMPLING = ("temperature", "top_p", "top_k")
_PENALTIES = ("presence_penalty", "frequency_penalty")


def refuses(request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
    """All of the request that write_request cannot say to this upstream (decision D11)."""
    limits = upstream.capabilities
    found = [*_contract(request, limits), *_tuning(request, limits), *_clamped(request, limits)]
    if request.family != "google":
        found += breakpoints.dropped(request, upstream)
        found += _content(request, limits)
        found += unsaid.fields(request, "only the client's own vendor knows it")
    return found


def _contract(request: ir.Request, limits: ir.Capabilities) -> Iterator[ir.Named]:
    broken = {
        "logit_bias": bool(request.logit_bias),
        "n": (request.n or 1) > 1 and not limits.choices,
        "logprobs": bool(request.logprobs) and not limits.logprobs,
        "top_logprobs": bool(request.top_logprobs) and not limits.logprobs,
        "tools": bool(request.tools) and not limits.tools,
        "tool_choice": _forced(request.tool_choice) and not limits.forced_tools,
        "modalities": request.family != "google" and any(modality != "text" for modality in request.modalities),
        "stop": limits.max_stop is not None and len(request.stop) > limits.max_stop,
    }
    for name in (name for name, wrong in broken.items() if wrong):
        yield ir.Named(name, "this backend cannot do it", "contract")
    for index, tool in enumerate(request.tools if request.family != "google" else ()):
        if tool.kind == "hosted":
            yield ir.Named(tool.at(index), f"'{tool.type}' is run by another vendor", "contract")


def _forced(choice: ir.ToolChoice | None) -> bool:
    return choice is not None and (choice.mode in ("required", "named") or choice.required)


def _content(request: ir.Request, limits: ir.Capabilities) -> Iterator[ir.Named]:
    parts = [part for _, part in among(request)]
    refused = {(part.kind, why) for part in parts if (why := media.refused(part, limits)) is not None}
    for kind, why in sorted(refused):
        yield ir.Named(f"messages.{kind}", why, "contract")
    if any(part.name for part in parts):
        yield ir.Named("messages.filename", _WHY, "tuning")
    blocks = [block for message in request.messages for block in message.blocks]
    for block in blocks:
        if type(block) is ir.Opaque and block.family != "google":
            why = stored.why(block.wire_type, "only the vendor that made it can read it")
            yield ir.Named(f"messages.{block.wire_type}", why, "contract")
    if any(type(block) is ir.Reasoning and not _googles(block) for block in blocks):
        yield ir.Named("messages.reasoning", "another vendor's thoughts mean nothing to Gemini", "tuning")
    if any(message.name for message in request.messages):
        yield ir.Named("messages.name", _WHY, "tuning")


def _googles(block: ir.Reasoning) -> bool:
    return block.state is not None and block.state.family == "google"


def _tuning(request: ir.Request, limits: ir.Capabilities) -> Iterator[ir.Named]:
    refused = [name for name in _UNSAID if getattr(request, name) not in (None, {})]
    refused += () if limits.sampling else [name for name in _SAMPLING if getattr(request, name) is not None]
    refused += () if limits.penalties else [name for name in _PENALTIES if getattr(request, name)]
    if request.seed is not None and not limits.seed:
        refused.append("seed")
    if not _tier_said(request, limits):
        refused.append("service_tier")
    for name in refused:
        yield ir.Named(name, _WHY if name in _UNSAID else "this backend has no such switch", "tuning")


def _tier_said(request: ir.Request, limits: ir.Capabilities) -> bool:
    if request.service_tier in (None, "auto"):
        return True
    return wire_tier(request.service_tier) is not None and (limits.service_tiers or request.family == "google")


def _clamped(request: ir.Request, limits: ir.Capabilities) -> Iterator[ir.Named]:
    if request.temperature is not None and limits.sampling and request.temperature > limits.max_temperature:
        yield ir.Named("temperature", f"lowered to {limits.max_temperature}", "tuning")
    if limits.max_output is not None and (request.max_output_tokens or 0) > limits.max_output:
        yield ir.Named("max_output_tokens", f"lowered to {limits.max_output}", "tuning")
    sent = write_config.thinking(request, limits)[1]
    if request.effort is not None and sent != request.effort and not (sent is None and request.effort == "none"):
        why = f"sent as {sent}" if sent else "this model does not think"
        yield efforts.named("reasoning_effort", why, sent)
