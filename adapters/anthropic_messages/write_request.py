"""Hub request -> a Messages request, as this model takes it."""

from __future__ import annotations

from typing import Any

from adapters import breakpoints, ir
from adapters.anthropic_messages import schemas, thinking
from adapters.anthropic_messages.wire import FAMILY, HEADERS, PATH, PLAIN
from adapters.anthropic_messages.write_tools import write_tools
from adapters.anthropic_messages.write_turns import split_system, write_system, write_turns
from adapters.dialect import compact

BYTES_PER_TOKEN = 4
"""Of a request's JSON, roughly."""
_AUTOMATIC = b'{"cache_control":{"type":"ephemeral"},'
"""The vendor puts it on the last block that can have it, so it moves along with the conversation."""
_TIERS = {"auto": "auto", "default": "auto", "standard_only": "standard_only"}


def write_request(request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
    """What refuses() names is left out. Keys always stand in the same order, so that prompt caches hold (G62)."""
    can, own = upstream.capabilities, request.family == FAMILY
    plan = thinking.plan(request, can)
    system, messages = split_system(request, own=own)
    body: dict[str, Any] = {
        "model": upstream.model,
        "max_tokens": plan.max_tokens,
        "system": write_system(system, own=own),
        "messages": write_turns(messages, own=own, can=can, fetched=context.fetched),
        **write_tools(request, can),
        "thinking": plan.thinking,
        "output_config": _output_config(request, can, plan),
        **_sampling(request, can, plan),
        "stop_sequences": stops(request) or None,
        "metadata": _metadata(request),
        "service_tier": tier(request, can),
        "speed": "fast" if speeds(request, can) else None,
        "stream": request.stream,
    }
    body = {name: value for name, value in body.items() if value is not None}
    body = _with_extras(body, request.extras) if own else _with_breakpoints(body, request)
    body |= upstream.options
    encoded = compact(body)
    if breakpoints.CACHE_CONTROL not in body and _caches(request, upstream, len(encoded)):
        encoded = _AUTOMATIC + encoded[1:]
    return ir.UpstreamRequest(PATH, encoded, HEADERS, plan.effort)


def _caches(request: ir.Request, upstream: ir.Upstream, size: int) -> bool:
    """Is a breakpoint to be set, and has the prompt (``size`` bytes) the tokens that it needs?"""
    least = upstream.capabilities.cache_minimum
    if not upstream.prompt_cache or least is None or size < least * BYTES_PER_TOKEN:
        return False
    return breakpoints.automatic(request)


def _with_breakpoints(body: dict[str, Any], request: ir.Request) -> dict[str, Any]:
    mark = breakpoints.whole(request)
    if mark is not None:
        body = {**body, breakpoints.CACHE_CONTROL: mark}
    breakpoints.settle(body)
    return body


def _with_extras(body: dict[str, Any], extras: ir.Extras) -> dict[str, Any]:
    """What we wrote stands and fields that we do not know follow it; the two that we know in part are joined."""
    out = {**body, **{name: value for name, value in extras.items() if name not in body}}
    for name in ("output_config", "thinking"):
        if name in body and name in extras:
            theirs = PLAIN.decode(extras[name])
            same = theirs.get("type") == body[name].get("type")
            out[name] = {**theirs, **body[name]} if same else body[name]
    return out


def _output_config(request: ir.Request, can: ir.Capabilities, plan: thinking.Plan) -> dict[str, Any] | None:
    config: dict[str, Any] = {}
    if plan.output_effort is not None:
        config["effort"] = plan.output_effort
    shape = request.format
    if shape is not None and shape.kind == "json_schema" and can.json_schema:
        own = request.family == FAMILY
        config["format"] = {"type": "json_schema", "schema": shape.schema if own else schemas.strict(shape.schema)}
    return config or None


def _sampling(request: ir.Request, can: ir.Capabilities, plan: thinking.Plan) -> dict[str, Any]:
    """temperature, top_p and top_k where the model takes them, and never beside thinking (G51)."""
    if not can.sampling or plan.on:
        return {}
    temperature = request.temperature
    if temperature is not None:
        temperature = min(temperature, can.max_temperature)
    return {"temperature": temperature, "top_p": request.top_p, "top_k": request.top_k}


def stops(request: ir.Request) -> list[str]:
    """Stop sequences without those of white space only, which the vendor refuses (G52)."""
    return [stop for stop in request.stop if stop.strip()]


def _metadata(request: ir.Request) -> dict[str, str] | None:
    user = request.safety_identifier or request.user
    return {"user_id": user} if user else None


def tier(request: ir.Request, can: ir.Capabilities) -> str | None:
    """The service tier in the vendor's words, or None when it has no such tier."""
    return _TIERS.get(request.service_tier or "") if can.service_tiers else None


def speeds(request: ir.Request, can: ir.Capabilities) -> bool:
    """Is OpenAI's fast tier asked for, where it is a speed? This family's own clients say it themselves."""
    return can.fast and request.service_tier == "fast" and request.family != FAMILY
