"""The hub's request -> the body that a Responses upstream is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from adapters import breakpoints, ir
from adapters.openai_responses import tools, wire
from adapters.openai_responses.effort import effective
from adapters.openai_responses.items_out import Items
from adapters.openai_responses.refusals import carried, is_own, max_output, temperature
from adapters.openai_responses.tools import known

PATH = "/responses"

_INSTRUCTING = ("system", "developer")
_NO_PARAMETERS = {"type": "object", "properties": {}}


def write_request(request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
    """``request`` as this upstream is told it; what it cannot be told is left out, and named by ``refuses``."""
    own, same = is_own(request), request.family == "openai"
    effort = effective(request.effort, request.thinking_budget, upstream.capabilities)
    extras = carried(request)
    system, messages = _spoken(request, upstream.capabilities)
    reasoning = {"effort": effort, "summary": _summary(request, upstream.capabilities)}
    body: dict[str, Any] = {
        "model": upstream.model,
        "input": Items(upstream, own, same, context.fetched).write(messages),
        **known(
            {
                "instructions": system,
                **_plain(request, upstream),
                **_tools(request, upstream),
                "reasoning": _object("reasoning", reasoning, extras),
                "text": _object("text", _text(request, upstream), extras),
                "include": _include(request, upstream) or None,
                "store": request.store if own else False,
            }
        ),
        "stream": request.stream,
        **extras,
        **upstream.options,
    }
    if not request.messages and own:
        del body["input"]
    return ir.UpstreamRequest(PATH, msgspec.json.encode(body), effort=effort)


def _spoken(request: ir.Request, can: ir.Capabilities) -> tuple[str | None, Sequence[ir.Message]]:
    """The instructions and the turns; where the chat template takes one system message, all such turns in it (G53)."""
    texts, turns = [text.text for text in request.system], request.messages
    if can.one_system:
        texts += ["".join(map(_words, turn.blocks)) for turn in turns if turn.role in _INSTRUCTING]
        turns = tuple(turn for turn in turns if turn.role not in _INSTRUCTING)
    return "\n\n".join(texts) if texts else None, turns


def _words(block: ir.Block) -> str:
    return block.text if isinstance(block, ir.Text) else ""


def _summary(request: ir.Request, can: ir.Capabilities) -> str | None:
    return None if can.thinking == "none" else request.reasoning_summary


def _object(field: str, ours: Mapping[str, Any], extras: dict[str, msgspec.Raw]) -> dict[str, Any] | None:
    """An object field put together again from what the hub knows and what it kept, one level deep; taken out of
    ``extras``. Raises ir.Invalid: a client of another API of this family may have sent anything."""
    kept = extras.pop(field, None)
    try:
        whole = cast("dict[str, Any]", wire.RAW_OBJECT.decode(kept)) if kept is not None else {}
        for name, value in ours.items():
            inner = whole.get(name)
            if inner is not None and isinstance(value, dict):
                whole[name] = {**wire.RAW_OBJECT.decode(inner), **value}
            elif value is not None:
                whole[name] = value
    except msgspec.ValidationError as error:
        raise ir.Invalid(f"Invalid type for '{field}': {error}.", field, "invalid_type") from None
    return whole or None


def _plain(request: ir.Request, upstream: ir.Upstream) -> dict[str, Any]:
    can = upstream.capabilities
    sampling = {"temperature": temperature(request, can), "top_p": request.top_p} if can.sampling else {}
    penalties = {}
    if upstream.wire == "variant" and can.penalties:
        penalties = {"presence_penalty": request.presence_penalty, "frequency_penalty": request.frequency_penalty}
    return {
        "parallel_tool_calls": request.parallel_tool_calls if can.parallel_tools else None,
        "max_output_tokens": max_output(request, upstream),
        **sampling,
        **penalties,
        "top_logprobs": request.top_logprobs if can.logprobs else None,
        "service_tier": request.service_tier if can.service_tiers else None,
        "user": request.user,
        "safety_identifier": request.safety_identifier,
        "prompt_cache_key": request.prompt_cache_key,
        "metadata": request.metadata,
    }


def _tools(request: ir.Request, upstream: ir.Upstream) -> dict[str, Any]:
    choice = request.tool_choice
    if not request.tools:
        return {"tool_choice": tools.write_choice(choice, ())} if choice is not None and is_own(request) else {}
    offered = tuple(_offered(tool, request, upstream) for tool in request.tools)
    return {
        "tools": tools.write_tools(offered, tools.write_tool),
        "tool_choice": None if choice is None else tools.write_choice(choice, offered),
    }


def _offered(tool: ir.Tool, request: ir.Request, upstream: ir.Upstream) -> ir.Tool:
    """A tool as this upstream can take it: ``strict`` is said where the default would differ."""
    if tool.kind == "hosted":
        return tool
    can = upstream.capabilities
    extras = breakpoints.kept(tool.extras, upstream) if is_own(request) else {}
    if tool.kind == "custom":
        return msgspec.structs.replace(tool, extras=extras)
    strict = tool.strict if can.strict_tools else None
    if is_own(request):
        return msgspec.structs.replace(tool, strict=strict, extras=extras)
    parameters = _NO_PARAMETERS if tool.parameters is None else tool.parameters
    return msgspec.structs.replace(tool, parameters=parameters, strict=bool(strict), extras=extras)


def _text(request: ir.Request, upstream: ir.Upstream) -> dict[str, Any]:
    shape = None if request.format is None else tools.write_format(request.format)
    return {"format": shape, "verbosity": request.verbosity if upstream.capabilities.verbosity else None}


def _include(request: ir.Request, upstream: ir.Upstream) -> list[str]:
    """OpenAI stores nothing of a call that came in another dialect: what it thought must come with the answer."""
    wanted = list(request.include)
    thinks = upstream.wire == "exact" and upstream.capabilities.thinking != "none"
    if thinks and not is_own(request) and wire.ENCRYPTED not in wanted:
        wanted.append(wire.ENCRYPTED)
    if request.logprobs and wire.LOGPROBS not in wanted:
        wanted.append(wire.LOGPROBS)
    return wanted
