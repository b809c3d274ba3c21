"""What a Responses upstream cannot be told, and what must be fetched before it can be told the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from adapters import breakpoints, efforts, ir, unsaid
from adapters.openai_responses import wire
from adapters.openai_responses.effort import effective
from adapters.openai_responses.items_out import is_part, keeps_reasoning

Kind = Literal["contract", "tuning", "unknown"]

NOT_HERE: dict[str, Kind] = {
    "audio": "contract",
    "web_search_options": "contract",
    "functions": "contract",
    "function_call": "contract",
    "prediction": "tuning",
    "previous_response_id": "contract",
    "conversation": "contract",
    "prompt": "contract",
    "background": "unknown",
}
"""Fields of chat that Responses has no word for; the hub keeps them as extras. The last four are no fields of chat, and
of Responses only where the road has looked at them: they point into an account that several tenants may share."""

_NO_FIELD = "Responses has no such field"


def is_own(request: ir.Request) -> bool:
    """The client spoke Responses too, so that items, defaults and extras mean what they say."""
    return request.dialect == wire.NAME


def carried(request: ir.Request) -> ir.Extras:
    """The unknown top-level fields that go upstream: those of the same family, but for chat's own."""
    if request.family != "openai":
        return {}
    strange = {breakpoints.CACHE_CONTROL, *(() if is_own(request) else NOT_HERE)}
    return {name: raw for name, raw in request.extras.items() if name not in strange}


def stop_kind(can: ir.Capabilities) -> Kind:
    """Stop sequences end an answer, so they are part of what was asked; but a model that takes none in any dialect is
    not locked out by a client's fixed ``stop`` (G81)."""
    return "tuning" if can.max_stop == 0 else "contract"


def temperature(request: ir.Request, can: ir.Capabilities) -> float | None:
    """The temperature within what the upstream takes."""
    return None if request.temperature is None else min(request.temperature, can.max_temperature)


def refuses(request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
    """All that ``write_request`` leaves out or changes for this upstream."""
    return [
        *_parameters(request, upstream),
        *_clamped(request, upstream),
        *_tools(request, upstream.capabilities),
        *_extras(request),
        *_turns(request, upstream),
        *breakpoints.dropped(request, upstream),
    ]


def needs(request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
    """Images by URL, for a server that takes bytes only."""
    if upstream.capabilities.image_urls:
        return []
    found = [b.url for m in request.messages for b in _media(m) if b.kind == "image" and b.url is not None]
    return [ir.Need("media_url", url) for url in dict.fromkeys(found)]


def _media(message: ir.Message) -> Iterator[ir.Media]:
    for block in message.blocks:
        if type(block) is ir.Media:
            yield block
        elif type(block) is ir.ToolResult:
            for part in block.content:
                if type(part) is ir.Media:
                    yield part


def _parameters(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    can = upstream.capabilities
    penalties = upstream.wire == "variant" and can.penalties
    rows: list[tuple[bool, str, str, Kind]] = [
        ((request.n or 1) > 1, "n", _NO_FIELD, "contract"),
        (bool(request.stop), "stop", _NO_FIELD, stop_kind(can)),
        (request.seed is not None, "seed", _NO_FIELD, "tuning"),
        (request.top_k is not None, "top_k", _NO_FIELD, "tuning"),
        (bool(request.logit_bias), "logit_bias", _NO_FIELD, "contract"),
        (bool(request.presence_penalty) and not penalties, "presence_penalty", _NO_FIELD, "tuning"),
        (bool(request.frequency_penalty) and not penalties, "frequency_penalty", _NO_FIELD, "tuning"),
        (bool(set(request.modalities) - {"text"}), "modalities", "only text is answered here", "contract"),
        (request.temperature is not None and not can.sampling, "temperature", "the model takes none", "tuning"),
        (request.top_p is not None and not can.sampling, "top_p", "the model takes none", "tuning"),
        (bool(request.logprobs) and not can.logprobs, "logprobs", "the model gives none", "contract"),
        (bool(request.top_logprobs) and not can.logprobs, "top_logprobs", "the model gives none", "contract"),
        (bool(request.verbosity) and not can.verbosity, "verbosity", "the model has no such switch", "tuning"),
        (_tier_unsaid(request, can), "service_tier", "the server has none", "tuning"),
        (
            bool(request.reasoning_summary) and can.thinking == "none",
            "reasoning.summary",
            "it does not reason",
            "tuning",
        ),
        (not is_own(request) and bool(request.store), "store", "kept by this proxy, not upstream", "tuning"),
    ]
    yield from (ir.Named(name, why, kind) for holds, name, why, kind in rows if holds)


def _tier_unsaid(request: ir.Request, can: ir.Capabilities) -> bool:
    """The tier that every server has need not be asked for."""
    return request.service_tier not in (None, "auto", "default") and not can.service_tiers


def _clamped(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    can = upstream.capabilities
    if can.sampling and (asked := request.temperature) is not None and asked > can.max_temperature:
        yield ir.Named("temperature", f"lowered to {can.max_temperature:g}", "tuning")
    effort = effective(request.effort, request.thinking_budget, can)
    if request.effort is not None and effort != request.effort and (effort, request.effort) != (None, "none"):
        why = "the model does not reason" if effort is None else f"the nearest that the model takes is '{effort}'"
        yield efforts.named("reasoning_effort", why, effort)
    budget = request.thinking_budget if (request.thinking_budget or 0) > 0 else None
    if budget is not None:  # adaptive thinking beside an effort is all said by the effort
        yield ir.Named("thinking_budget", "told as an effort" if effort else "the model does not reason", "tuning")
    limit = max_output(request, upstream)
    if limit != request.max_output_tokens:
        yield ir.Named("max_output_tokens", f"set to {limit}", "tuning")


def max_output(request: ir.Request, upstream: ir.Upstream) -> int | None:
    """The limit within what the upstream takes."""
    asked = request.max_output_tokens
    if asked is None:
        return None
    if upstream.wire == "exact" and not is_own(request):
        asked = max(asked, wire.MIN_OUTPUT)
    return min(asked, upstream.capabilities.max_output or asked)


def _tools(request: ir.Request, can: ir.Capabilities) -> Iterator[ir.Named]:
    if request.tools and not can.tools:
        yield ir.Named("tools", "the server takes no tools", "contract")
    if request.parallel_tool_calls and not can.parallel_tools:
        yield ir.Named("parallel_tool_calls", "the model calls one tool at a time", "tuning")
    choice = request.tool_choice
    if choice is not None and (choice.mode in {"required", "named"} or choice.required) and not can.forced_tools:
        yield ir.Named("tool_choice", "the server cannot force a tool call", "contract")
    for index, tool in enumerate(request.tools):
        if tool.kind == "hosted" and not is_own(request):
            yield ir.Named(tool.at(index), f"'{tool.type}' is another dialect's tool", "contract")
        if tool.strict and not can.strict_tools:
            yield ir.Named(f"{tool.at(index)}.strict", "the server does not enforce schemas", "tuning")


def _extras(request: ir.Request) -> Iterator[ir.Named]:
    kept = carried(request)
    for named in unsaid.fields(request, _NO_FIELD, kept):
        kind = NOT_HERE.get(named.name) if request.family == "openai" else None
        yield ir.Named(named.name, _NO_FIELD, kind) if kind is not None else named


def _turns(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    for index, message in enumerate(request.messages):
        path = f"messages[{index}]"
        if message.name is not None:
            yield ir.Named(f"{path}.name", _NO_FIELD, "tuning")
        for block in message.blocks:
            # By type, which is quicker than isinstance: nearly every block is of another kind.
            if type(block) is ir.Opaque or type(block) is ir.Reasoning:
                yield from _block(block, path, request, upstream)
        for media in _media(message):
            yield from _medium(media, path, message, upstream.capabilities)
            if media.file_id is not None and (request.family != "openai" or upstream.wire == "variant"):
                why = "a file id of another vendor cannot be read here: send the data or a URL"
                yield ir.Named(f"{path}.file_id", why, "contract")


def _block(
    block: ir.Opaque | ir.Reasoning, path: str, request: ir.Request, upstream: ir.Upstream
) -> Iterator[ir.Named]:
    match block:
        case ir.Opaque(family, wire_type) if family != "openai" or not (is_own(request) or is_part(wire_type)):
            yield ir.Named(f"{path}.{wire_type}", "only its own vendor can read it", "contract")
        case ir.Reasoning() if not keeps_reasoning(block, upstream):
            yield ir.Named(f"{path}.reasoning", "OpenAI takes back only what it sealed", "tuning")


def _medium(media: ir.Media, path: str, message: ir.Message, can: ir.Capabilities) -> Iterator[ir.Named]:
    if media.kind == "audio":
        yield ir.Named(f"{path}.input_audio", "Responses takes no sound", "contract")
    elif media.kind == "image" and not can.images:
        yield ir.Named(f"{path}.input_image", "the model sees no images", "contract")
    elif media.kind == "file" and not can.files:
        yield ir.Named(f"{path}.input_file", "the server takes no files", "contract")
    elif message.role == "assistant":
        yield ir.Named(f"{path}.{media.kind}", "an assistant's turn may hold no media", "contract")
