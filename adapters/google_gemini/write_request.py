"""The hub's Request -> the generateContent call that Google's SDK would make."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from adapters import ir
from adapters.google_gemini import schema, write_config
from adapters.google_gemini.usage import wire_tier
from adapters.google_gemini.write_content import Contents, system

_NOTHING = {"text": " "}
"""The question of a client that asked none, such as an empty string."""
_WOVEN = ("generationConfig", "toolConfig")
"""Extras that are woven into what we write; all others stand beside it."""


def write_request(request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
    """Raises ir.Invalid for a conversation that Gemini could not follow."""
    own = request.family == "google"
    config, effort = write_config.generation(request, upstream)
    body = _conversation(request, upstream, context)
    if request.tools:
        body["tools"] = schema.write_tools(request)
    choice = schema.write_choice(request)
    if choice and (request.tools or own):
        body["toolConfig"] = choice
    tier = wire_tier(request.service_tier)
    if tier is not None and (own or upstream.capabilities.service_tiers):
        body["serviceTier"] = tier
    if config or ("generationConfig" in request.extras if own else len(body) > 1):
        body["generationConfig"] = config
    if own:
        body |= {name: told for name, told in request.extras.items() if name not in _WOVEN}
    _merge(body, upstream)
    return ir.UpstreamRequest(path(upstream, stream=request.stream), msgspec.json.encode(body), effort=effort)


def _conversation(request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> dict[str, Any]:
    """Contents and instructions. Gemini needs a content, so instructions that stand alone are the question."""
    contents = Contents(request, upstream, context).write()
    told = system(request)
    if not contents:
        return {"contents": [{"role": "user", "parts": told or [_NOTHING]}]}
    return {"contents": contents} | ({"systemInstruction": {"role": "user", "parts": told}} if told else {})


def _merge(body: dict[str, Any], upstream: ir.Upstream) -> None:
    """The operator's own fields, last; within generationConfig one by one."""
    for name, told in upstream.options.items():
        both = isinstance(told, dict) and isinstance(body.get(name), dict)
        body[name] = body[name] | told if both else told


def path(upstream: ir.Upstream, *, stream: bool) -> str:
    """Below the base URL, which ends in the API version."""
    model = quote(upstream.model.removeprefix("models/"), safe="")
    return f"/models/{model}:streamGenerateContent?alt=sse" if stream else f"/models/{model}:generateContent"
