"""generationConfig: limits, sampling, the shape of the answer, and how much the model thinks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters import efforts, ir
from adapters.google_gemini import media
from adapters.google_gemini.subset import subset
from adapters.google_gemini.wire import fields, value

_SHAPED = ("json_schema", "json_object")


def generation(request: ir.Request, upstream: ir.Upstream) -> tuple[dict[str, Any], str | None]:
    """``generationConfig`` and the effort that is really asked for, None when nothing is."""
    limits = upstream.capabilities
    kept = _kept(request)
    config: dict[str, Any] = _sampling(request, limits) | _limits(request, limits)
    if request.family == "google" and request.modalities:
        config["responseModalities"] = [modality.upper() for modality in request.modalities]
    if request.family != "google" and (resolution := media.resolution(request)) is not None:
        config["mediaResolution"] = resolution
    if request.format is not None:
        config |= _format(request.format, own=request.family == "google", older="responseSchema" in kept)
    asked, effort = thinking(request, limits)
    if asked and not _unchanged(request, kept):
        kept.pop("thinkingConfig", None)
        config["thinkingConfig"] = asked
    return config | kept, effort


def _kept(request: ir.Request) -> dict[str, Any]:
    """What a Gemini client said that the hub has no word for."""
    told = request.extras.get("generationConfig") if request.family == "google" else None
    return dict(fields(told, "generationConfig")) if told else {}


def _unchanged(request: ir.Request, kept: Mapping[str, Any]) -> bool:
    """A Gemini client's own thinkingConfig holds as long as no rule has set another effort."""
    if "thinkingConfig" not in kept:
        return False
    told = value(kept["thinkingConfig"])
    level = (told.get("thinkingLevel") or "").lower() or None
    return level == request.effort and told.get("thinkingBudget") == request.thinking_budget


def _sampling(request: ir.Request, limits: ir.Capabilities) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if limits.sampling:
        if request.temperature is not None:
            config["temperature"] = min(request.temperature, limits.max_temperature)
        config |= {"topP": request.top_p, "topK": request.top_k}
    if limits.penalties:
        config |= {"presencePenalty": request.presence_penalty, "frequencyPenalty": request.frequency_penalty}
    if limits.seed:
        config["seed"] = request.seed
    return {name: told for name, told in config.items() if told is not None}


def _limits(request: ir.Request, limits: ir.Capabilities) -> dict[str, Any]:
    wanted = request.max_output_tokens or limits.default_max_output
    config: dict[str, Any] = {
        "maxOutputTokens": wanted if wanted is None or limits.max_output is None else min(wanted, limits.max_output),
        "stopSequences": [stop for stop in request.stop if stop] or None,
        "candidateCount": request.n if request.n != 1 or request.family == "google" else None,
        "responseLogprobs": request.logprobs or None,
        "logprobs": request.top_logprobs if request.logprobs and request.top_logprobs else None,
    }
    return {name: told for name, told in config.items() if told is not None}


def _format(shape: ir.Format, *, own: bool, older: bool) -> dict[str, Any]:
    if shape.kind not in _SHAPED:
        return {}
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    if shape.kind == "json_schema" and not older:
        config["responseJsonSchema"] = shape.schema if own else subset(shape.schema)
    return config


# --- thinking ------------------------------------------------------------------------------------------------------


def thinking(request: ir.Request, limits: ir.Capabilities) -> tuple[dict[str, Any], str | None]:
    """``thinkingConfig`` and the effective effort; level and budget never stand together."""
    if limits.thinking == "none":
        return {}, None
    effort = _effort(request, limits)
    config: dict[str, Any] = {}
    if request.thinking_budget is not None and limits.thinking == "budget":
        config["thinkingBudget"] = _budget(request.thinking_budget, limits)
    elif effort is not None:
        config |= _wish(effort, limits)
    if "thinkingBudget" in config and request.family != "google":
        config["thinkingBudget"] = _below_output(config["thinkingBudget"], request, limits)
    if request.reasoning_summary is not None and config.get("thinkingBudget") != 0:
        config["includeThoughts"] = True
    return config, effort


def _effort(request: ir.Request, limits: ir.Capabilities) -> str | None:
    wanted = request.effort
    if wanted is None and request.thinking_budget is not None:
        wanted = efforts.of_budget(request.thinking_budget)
    if wanted is None:
        return None
    if wanted == "none" and limits.can_disable_thinking and limits.thinking == "budget":
        return "none"
    return efforts.nearest(wanted, known(limits))


def known(limits: ir.Capabilities) -> tuple[str, ...]:
    """The efforts that this model takes."""
    return limits.efforts or tuple(limits.budgets) or ("low", "medium", "high")


def _wish(effort: str, limits: ir.Capabilities) -> dict[str, Any]:
    if limits.thinking == "budget":
        budget = 0 if effort == "none" else limits.budgets.get(effort)
        return {} if budget is None else {"thinkingBudget": budget}
    return {"thinkingLevel": effort.upper()}


def _below_output(budget: int, request: ir.Request, limits: ir.Capabilities) -> int:
    """Thoughts count against the output limit, so a budget leaves room for an answer: half of a tight limit."""
    limit = request.max_output_tokens
    if limit is None or budget < limit:
        return budget
    return max(limit // 2, _least(limits))


def _least(limits: ir.Capabilities) -> int:
    return 0 if limits.can_disable_thinking else min(limits.budgets.values(), default=0)


def _budget(tokens: int, limits: ir.Capabilities) -> int:
    """Within what the model takes; below 0 lets the model choose."""
    if tokens < 0 or not limits.budgets:
        return tokens
    return min(max(tokens, _least(limits)), max(limits.budgets.values()))
