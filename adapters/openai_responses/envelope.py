"""The response object: Open Responses' 31 keys and OpenAI's own, the request echoed, usage complete or absent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.openai_responses import tools, wire
from adapters.openai_responses.errors import error_object
from adapters.openai_responses.usage import write

ECHOED = ("max_tool_calls", "background", "truncation", "prompt")
"""Request fields that the hub keeps as extras, echoed as they came."""


class Effective(Struct, omit_defaults=True):
    """What an upstream says it really used; more than a default knows."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: int | None = None
    truncation: Literal["auto", "disabled"] | None = None
    completed_at: float | None = None


_effective = msgspec.json.Decoder(Effective)
_DEFAULTS: dict[str, Any] = {
    "completed_at": None,
    "truncation": "disabled",
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "max_tool_calls": None,
    "background": False,
}


def base(echo: ir.Echo, told: ir.Extras) -> dict[str, Any]:
    """All of the object that does not change while the answer streams. ``told``: the upstream's own extras."""
    request = echo.request or ir.Request(model=echo.model, messages=())
    own = request.extras if request.dialect == wire.NAME else {}
    return {
        "id": f"resp_{echo.seed}",
        "object": "response",
        "created_at": echo.created,
        "status": "in_progress",
        "model": echo.model,
        **_DEFAULTS,
        **_asked(request, echo.effort, own),
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
        **_removed(echo.removed),
        **{name: own[name] for name in ECHOED if name in own},
        "previous_response_id": echo.previous_response_id,
        "store": request.store is not False and echo.stored,
        **_conversation(own),
        **effective(told),
    }


def _removed(removed: Sequence[ir.Removed]) -> dict[str, Any]:
    """The reasoning items whose state went to nobody; items without an id cannot be named."""
    told = [{"id": r.id, "type": "reasoning", "action": "removed", "reason": r.reason} for r in removed if r.id]
    return {"input_transformations": told} if told else {}


def _conversation(own: ir.Extras) -> dict[str, Any]:
    """Asked for by id or as an object, answered as an object."""
    told = own.get("conversation")
    if told is None:
        return {}
    return {"conversation": {"id": told} if wire.is_string(told) else told}


def _asked(request: ir.Request, effort: str | None, own: ir.Extras) -> dict[str, Any]:
    numbers = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs")
    return {
        "instructions": "\n\n".join(text.text for text in request.system) if request.system else None,
        "tools": tools.write_tools(request.tools, _tool),
        "tool_choice": _choice(request, own),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "text": _text(request),
        "reasoning": {"effort": effort or request.effort, "summary": request.reasoning_summary},
        "max_output_tokens": request.max_output_tokens,
        "service_tier": request.service_tier if request.service_tier in wire.TIERS else "default",
        "metadata": dict(request.metadata or {}),
        "safety_identifier": request.safety_identifier,
        "prompt_cache_key": request.prompt_cache_key,
        **tools.known({"user": request.user}),
        **tools.known({name: getattr(request, name) for name in numbers}),
    }


def _tool(tool: ir.Tool) -> tools.Wire:
    """Open Responses wants all keys of a function, set or not."""
    if tool.kind != "function":
        return tools.write_tool(tool)
    said = {"description": tool.description, "parameters": tool.parameters, "strict": tool.strict}
    return {"type": "function", "name": tool.name, **said, **tool.extras}


def _choice(request: ir.Request, own: ir.Extras) -> object:
    if request.tool_choice is not None:
        return tools.write_choice(request.tool_choice, request.tools)
    return own.get("tool_choice", "auto")


def _text(request: ir.Request) -> dict[str, Any]:
    shape = {"type": "text"} if request.format is None else tools.write_format(request.format)
    return {"format": shape, **tools.known({"verbosity": request.verbosity})}


def own_extras(extras: ir.Extras, dialect: str | None) -> ir.Extras:
    """An answer's extras where they are this dialect's own words."""
    return extras if dialect == wire.NAME else {}


def effective(told: ir.Extras) -> dict[str, Any]:
    """Of the upstream's extras what it knows better than a default, and what only it knows."""
    try:
        sure = msgspec.to_builtins(_effective.decode(msgspec.json.encode(told)))
    except msgspec.MsgspecError:
        sure = {}
    if sure.get("completed_at") is not None:
        sure["completed_at"] = int(sure["completed_at"])
    known = wire.RESPONSE.union(Effective.__struct_fields__, _DEFAULTS)
    return {**{name: raw for name, raw in told.items() if name not in known and not wire.is_null(raw)}, **sure}


def ended(
    echo: ir.Echo,
    told: ir.Extras,
    output: Sequence[object],
    usage: ir.Usage | None,
    finished: ir.Finished | None,
    at: int | None = None,
) -> dict[str, Any]:
    """The object of an answer that came to its end, ``at`` this Unix second unless the upstream said another."""
    whole = base(echo, told)
    reason = incomplete_reason(finished)
    whole["status"] = "completed" if reason is None else "incomplete"
    whole["incomplete_details"] = None if reason is None else {"reason": reason}
    whole["completed_at"] = (whole["completed_at"] or at) if reason is None else None
    return _with_output(whole, output, usage)


def failed(
    echo: ir.Echo, told: ir.Extras, output: Sequence[object], usage: ir.Usage | None, failure: ir.Failure
) -> dict[str, Any]:
    """The object of an answer that broke off."""
    whole = {**base(echo, told), "status": "failed", "completed_at": None, "error": error_object(failure)}
    return _with_output(whole, output, usage)


def _with_output(whole: dict[str, Any], output: Sequence[object], usage: ir.Usage | None) -> dict[str, Any]:
    whole["output"] = output
    if usage is not None:
        whole["usage"] = write(usage)
        if usage.service_tier in wire.TIERS:
            whole["service_tier"] = usage.service_tier
    return whole


def incomplete_reason(finished: ir.Finished | None) -> str | None:
    """``incomplete_details.reason``, or None for an answer that is whole."""
    if finished is None or finished.reason not in {"length", "content_filter"}:
        return None
    if finished.detail in wire.INCOMPLETE:
        return finished.detail
    return "max_output_tokens" if finished.reason == "length" else "content_filter"
