"""All of a request that this dialect cannot say to one backend, and what must be fetched first (decision D11)."""

from __future__ import annotations

from collections.abc import Iterator

from adapters import breakpoints, ir, stored, unsaid
from adapters.anthropic_messages import schemas, thinking
from adapters.anthropic_messages.wire import FAMILY
from adapters.anthropic_messages.write_content import media_need, refused_media
from adapters.anthropic_messages.write_request import speeds, stops, tier
from adapters.media import among

_NEVER = ("presence_penalty", "frequency_penalty", "seed", "verbosity", "prompt_cache_key", "store", "metadata")
"""Tuning that the vendor has no word for."""
_NO_SUCH = "this backend has no such parameter"
NO_PREFILL = ir.Named(
    "messages", "this model does not continue an answer that was begun for it; end with a user turn", "contract"
)


def refuses(request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
    """Contract: another target. Tuning and unknown: left out, and named."""
    can = upstream.capabilities
    return [
        *_contract(request),
        *_tools(request, can),
        *_blocks(request, can),
        *_tuning(request, can),
        *_unknown(request),
    ]


def needs(request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
    """URLs that the backend will not open itself, each once."""
    found = (media_need(part, upstream.capabilities) for _, part in among(request))
    return list(dict.fromkeys(need for need in found if need is not None))


def _contract(request: ir.Request) -> Iterator[ir.Named]:
    if request.n is not None and request.n > 1:
        yield _cannot("n", "this backend gives one answer per request")
    if request.logprobs:
        yield _cannot("logprobs", "this backend has no log probabilities")
    elif request.top_logprobs:
        yield _cannot("top_logprobs", "this backend has no log probabilities")
    if "message.output_text.logprobs" in request.include:
        yield _cannot("include", "this backend has no log probabilities")
    if request.logit_bias:
        yield _cannot("logit_bias", _NO_SUCH)
    if any(word != "text" for word in request.modalities):
        yield _cannot("modalities", "this backend answers in text only")


def _tools(request: ir.Request, can: ir.Capabilities) -> Iterator[ir.Named]:
    for i, tool in enumerate(request.tools):
        why = _tool(tool, request, can)
        if why is not None:
            yield _cannot(tool.at(i), why)
        elif tool.strict and not can.strict_tools:
            yield ir.Named(f"{tool.at(i)}.strict", "this model does not enforce tool schemas", "tuning")
    choice = request.tool_choice
    if choice is not None and not can.forced_tools and (choice.mode in ("required", "named") or choice.required):
        yield _cannot("tool_choice", "this model cannot be forced to call a tool")


def _tool(tool: ir.Tool, request: ir.Request, can: ir.Capabilities) -> str | None:
    if not can.tools:
        return "this backend takes no tools"
    if tool.kind == "hosted":
        return None if request.family == FAMILY else f"'{tool.type}' is run by another vendor"
    return None if schemas.is_object(tool.parameters) else "its parameters must be an object schema"


def _blocks(request: ir.Request, can: ir.Capabilities) -> Iterator[ir.Named]:
    own = request.family == FAMILY
    for where, part in among(request):
        why = refused_media(part, can, own=own)
        if why is not None:
            yield _cannot(where, why)
        if part.detail not in (None, "auto"):
            yield ir.Named(f"{where}.detail", "this backend chooses the resolution of images itself", "tuning")
    foreign = False
    for i, message in enumerate(request.messages):
        for j, block in enumerate(message.blocks):
            # By type, which is quicker than isinstance: nearly every block is of another kind.
            if type(block) is ir.Opaque and (block.family != FAMILY or _hidden(message, can)):
                why = stored.why(block.wire_type, f"'{block.wire_type}' is not known to this backend")
                yield _cannot(f"messages[{i}].content[{j}]", why)
            foreign = foreign or (type(block) is ir.Reasoning and _foreign(block))
    if foreign:
        yield ir.Named("reasoning", "reasoning of another vendor, or unsigned, cannot be given back", "tuning")
    if not can.prefill and _prefilled(request):
        yield NO_PREFILL


def _hidden(message: ir.Message, can: ir.Capabilities) -> bool:
    """A system turn that must be written as marked user text can hold nothing but text."""
    return message.role in ("system", "developer") and not can.mid_system


def _foreign(block: ir.Reasoning) -> bool:
    return block.state is None or block.state.family != FAMILY


def _prefilled(request: ir.Request) -> bool:
    last = request.messages[-1] if request.messages else None
    if last is None or last.role != "assistant" or not last.blocks:
        return False
    return not isinstance(last.blocks[-1], ir.Opaque | ir.ToolCall)


def _tuning(request: ir.Request, can: ir.Capabilities) -> Iterator[ir.Named]:
    for name in _NEVER:
        value = getattr(request, name)
        if value or (name == "seed" and value is not None):  # a penalty of 0 asks for nothing, a seed of 0 does
            yield ir.Named(name, _NO_SUCH, "tuning")
    yield from _sampling(request, can)
    if request.service_tier is not None and tier(request, can) is None and not speeds(request, can):
        yield ir.Named("service_tier", f"'{request.service_tier}' is not a tier of this backend", "tuning")
    if len(stops(request)) < len(request.stop):
        yield ir.Named("stop", "stop sequences of white space only are refused by this backend", "tuning")
    if request.user and request.safety_identifier and request.user != request.safety_identifier:
        yield ir.Named("user", "only one of user and safety_identifier can be sent", "tuning")


def _sampling(request: ir.Request, can: ir.Capabilities) -> Iterator[ir.Named]:
    plan = thinking.plan(request, can)
    yield from plan.dropped
    limit = request.max_output_tokens
    if limit is not None and limit > plan.max_tokens:
        yield ir.Named("max_tokens", f"clamped to {plan.max_tokens}, this model's limit", "tuning")
    why = "this model does not take it" if not can.sampling else "it is not taken beside thinking"
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(request, name)
        if value is not None and (not can.sampling or plan.on):
            yield ir.Named(name, why, "tuning")
        elif name == "temperature" and value is not None and value > can.max_temperature:
            yield ir.Named(name, f"clamped to {can.max_temperature}", "tuning")


def _unknown(request: ir.Request) -> Iterator[ir.Named]:
    if request.family != FAMILY:
        yield from breakpoints.named(request)
        yield from unsaid.fields(request, "not known to this backend", (breakpoints.CACHE_CONTROL,))


def _cannot(name: str, why: str) -> ir.Named:
    return ir.Named(name, why, "contract")
