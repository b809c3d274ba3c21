"""A request, written for one OpenAI-like chat backend, and all of it that cannot be written there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from adapters import breakpoints, ir, stored, unsaid
from adapters.openai_chat import content, parameters, thoughts, tools, turns

PATH = "/chat/completions"


def write_request(request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> ir.UpstreamRequest:
    """The body for this backend. What ``refuses`` names as tuning or unknown is left out of it."""
    effort = parameters.effort(request, upstream)
    body: dict[str, Any] = {"model": upstream.model, "messages": turns.write(request, upstream, context)}
    body |= tools.write(request, upstream)
    if request.format is not None and request.format.kind != "text":
        body["response_format"] = _format(request.format)
    if request.max_output_tokens is not None:
        body[upstream.capabilities.max_tokens_field] = _limit(request.max_output_tokens, upstream)
    if effort is not None:
        body["reasoning_effort"] = effort
    body |= _parameters(request, upstream)
    extras = _extras(request, upstream)
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {**_options(extras.get("stream_options")), "include_usage": True}
    body |= {name: raw for name, raw in extras.items() if name != "stream_options"}
    body |= upstream.options
    return ir.UpstreamRequest(PATH, msgspec.json.encode(body), effort=effort)


def _parameters(request: ir.Request, upstream: ir.Upstream) -> dict[str, Any]:
    told = {rule.name: getattr(request, rule.name) for rule in parameters.RULES if rule.taken(upstream)}
    fields = {name: value for name, value in told.items() if value is not None and value != ()}
    if kept := request.stop[: upstream.capabilities.max_stop]:
        fields["stop"] = kept
    if "temperature" in fields:
        fields["temperature"] = parameters.temperature(fields["temperature"], upstream.capabilities)
    if not fields.get("top_logprobs") and not fields.get("logprobs"):
        fields.pop("top_logprobs", None)  # the default that Responses clients write out; chat refuses it standing alone
    return fields


def _format(asked: ir.Format) -> dict[str, Any]:
    """G36: chat nests what Responses says flat."""
    if asked.kind != "json_schema":
        return {"type": asked.kind}
    shape = {"name": asked.name or "response", "description": asked.description, "strict": asked.strict}
    told = {name: value for name, value in shape.items() if value is not None}
    if asked.schema is not None:
        told["schema"] = asked.schema
    return {"type": "json_schema", "json_schema": told}


def _limit(asked: int, upstream: ir.Upstream) -> int:
    most = upstream.capabilities.max_output
    return asked if most is None else min(asked, most)


def _extras(request: ir.Request, upstream: ir.Upstream) -> ir.Extras:
    if request.family != upstream.family:
        return {}
    if parameters.is_own(request):
        return {name: raw for name, raw in request.extras.items() if name != breakpoints.CACHE_CONTROL}
    strange = parameters.not_chat(upstream) | parameters.untaken(upstream)
    return {name: raw for name, raw in request.extras.items() if name not in strange}


def _options(raw: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(raw, type=dict[str, msgspec.Raw]) if raw is not None else {}


# --- what cannot be said --------------------------------------------------------------------------------------------


def refuses(request: ir.Request, upstream: ir.Upstream) -> list[ir.Named]:
    """All of ``request`` that this backend cannot be told, by the wire's names (decision D11)."""
    asked, sent = parameters.asked_effort(request), parameters.effort(request, upstream)
    carried = _extras(request, upstream)
    why = "this backend's dialect has no such field"
    return [
        *_refused_parameters(request, upstream),
        *parameters.named_effort(asked, sent),
        *_refused_tools(request, upstream),
        *_refused_content(request, upstream),
        *breakpoints.dropped(request, upstream),
        *unsaid.fields(request, why, carried),
    ]


def _refused_parameters(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    can = upstream.capabilities
    for rule in parameters.RULES:
        if not rule.taken(upstream) and rule.asks(getattr(request, rule.name)):
            yield rule.named()
    yield from parameters.stops(request.stop, can)
    if can.sampling and request.temperature is not None and request.temperature > can.max_temperature:
        yield ir.Named("temperature", f"sent as {can.max_temperature}", "tuning")
    asked = request.max_output_tokens
    if asked is not None and _limit(asked, upstream) < asked:
        yield ir.Named(can.max_tokens_field, f"sent as {can.max_output}", "tuning")


def _refused_tools(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    can = upstream.capabilities
    if request.tools and not can.tools:
        yield ir.Named("tools", "this backend cannot call tools", "contract")
        return
    for index, tool in enumerate(request.tools):
        if tool.kind == "hosted":
            yield ir.Named(tool.at(index), f"chat backends do not run tools of type {tool.type}", "contract")
        elif tool.strict and not can.strict_tools:
            yield ir.Named(f"{tool.at(index)}.strict", "this backend does not enforce schemas of tools", "tuning")
    if request.tool_choice is not None and not can.forced_tools and _forces(request.tool_choice):
        yield ir.Named("tool_choice", "this backend cannot be made to call a tool", "contract")


def _forces(choice: ir.ToolChoice) -> bool:
    return choice.mode in ("required", "named") or choice.required


def _refused_content(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    if parameters.reasoning_field(upstream, own=parameters.is_own(request)) is None and thoughts.among(request):
        yield thoughts.NAMED
    for index, message in enumerate(request.messages):
        for block in _blocks(message):
            # By type, which is quicker than isinstance: all but two kinds can be said.
            if type(block) is ir.Media or type(block) is ir.Opaque:
                why = _refused_block(block, message, request, upstream)
                if why is not None:
                    yield ir.Named(f"messages[{index}]", why, "contract")


def _blocks(message: ir.Message) -> Iterator[ir.Block]:
    for block in message.blocks:
        yield block
        if type(block) is ir.ToolResult:
            yield from block.content


def _refused_block(
    block: ir.Media | ir.Opaque, message: ir.Message, request: ir.Request, upstream: ir.Upstream
) -> str | None:
    can = upstream.capabilities
    if isinstance(block, ir.Opaque):
        return stored.why(block.wire_type, f"this backend does not take content of type {block.wire_type}")
    if not {"image": can.images, "file": can.files, "audio": can.audio}[block.kind]:
        return f"this backend does not take content of type {block.kind}"
    if block.file_id is not None and _unknown_file(block, request, upstream):
        return f"this backend cannot look up the uploaded {block.kind}: send its data"
    if message.role == "assistant":
        return "an assistant's turn holds text and tool calls only"
    return None


def _unknown_file(block: ir.Media, request: ir.Request, upstream: ir.Upstream) -> bool:
    return block.kind != "file" or upstream.wire == "variant" or request.family != "openai"


def needs(request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
    """URLs whose bytes this backend must be given."""
    blocks = (block for message in request.messages for block in _blocks(message))
    found = (content.need_of(b) for b in blocks if isinstance(b, ir.Media) and content.must_fetch(b, upstream))
    return list(dict.fromkeys(found))
