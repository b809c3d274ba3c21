"""A Messages request -> hub request: strict about what is known, and what is not known is carried as extras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from adapters import ir, strict
from adapters.anthropic_messages import plain
from adapters.anthropic_messages.read_content import read_content
from adapters.anthropic_messages.wire import (
    BOOL,
    FAMILY,
    INTEGER,
    LIST,
    NAME,
    NUMBER,
    OBJECT,
    PLAIN,
    STRING,
    STRINGS,
    Fields,
    decode,
)
from adapters.glance import turns
from adapters.json_schema import is_strict

_BUDGETS = {"disabled": 0, "adaptive": -1}
_CHOICES = ("auto", "any", "tool", "none")
_ROLES = ("user", "assistant", "system")


def glance(fields: ir.Extras) -> None:
    """See adapters.dialect.Dialect."""
    turns(fields, "messages", _ROLES)


def read_request(body: bytes) -> ir.Request:
    """Raises ir.Invalid that names the field. ``max_tokens`` may be absent: the writer has a default per model, and
    requests to count tokens do not have it."""
    top = strict.fields(body)
    head = strict.head(top)
    fields = Fields({name: value for name, value in top.items() if name not in ("model", "stream")})
    choice, parallel = _tool_choice(fields)
    effort, budget, summary = read_thinking(fields)
    output_effort, shape = read_output_config(fields)
    return ir.Request(
        model=head.model,
        stream=head.stream,
        family=FAMILY,
        dialect=NAME,
        messages=_messages(fields),
        system=_system(fields),
        tools=_tools(fields),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        format=shape,
        max_output_tokens=_max_tokens(fields),
        effort=output_effort or effort,
        thinking_budget=budget,
        reasoning_summary=summary,
        temperature=fields.optional("temperature", NUMBER),
        top_p=fields.optional("top_p", NUMBER),
        top_k=fields.optional("top_k", INTEGER),
        stop=fields.optional("stop_sequences", STRINGS) or (),
        service_tier=fields.optional("service_tier", STRING),
        user=_user(fields),
        extras=fields.rest,
    )


def _max_tokens(fields: Fields) -> int | None:
    limit = fields.optional("max_tokens", INTEGER)
    if limit is not None and limit < 0:
        raise ir.Invalid("max_tokens: must be 0 or more.", "max_tokens", "invalid_value")
    return limit


def _system(fields: Fields) -> tuple[ir.Text, ...]:
    raw = fields.rest.pop("system", None)
    if raw is None or bytes(raw) == b"null":
        return ()
    blocks = read_content(raw, "system")
    texts = tuple(block for block in blocks if isinstance(block, ir.Text))
    if len(texts) < len(blocks):
        raise ir.Invalid("system: only text blocks are allowed here.", "system", "invalid_value")
    return texts


def _messages(fields: Fields) -> tuple[ir.Message, ...]:
    turns = fields.required("messages", LIST)
    if not turns:
        raise ir.Invalid("messages: at least one message is required.", "messages", "invalid_value")
    return tuple(message for i, turn in enumerate(turns) for message in _turn(turn, f"messages[{i}]"))


def _turn(raw: Raw, where: str) -> Iterator[ir.Message]:
    """One wire turn. Tool results become messages of their own, before the rest."""
    told = plain.turn(raw)
    role, blocks, extras = (told.role, told.blocks(), {}) if told is not None else _parts(raw, where)
    results = [block for block in blocks if type(block) is ir.ToolResult]
    for result in results:
        yield ir.Message("tool", (result,))
    rest = tuple([block for block in blocks if type(block) is not ir.ToolResult]) if results else blocks
    if rest or not results:
        yield ir.Message(_role(role), rest, extras=extras)


def _parts(raw: Raw, where: str) -> tuple[str, tuple[ir.Block, ...], ir.Extras]:
    """Role, content, and what else a turn holds."""
    fields = Fields(decode(raw, OBJECT, where), where)
    role = fields.required("role", STRING)
    if role not in _ROLES:
        message = f"{where}.role: '{role}' is not a role; use user, assistant or system."
        raise ir.Invalid(message, f"{where}.role", "invalid_value")
    content = fields.rest.pop("content", None)
    if content is None:
        raise ir.Invalid(f"{where}.content: this field is required.", f"{where}.content", "missing_required_parameter")
    return role, read_content(content, f"{where}.content"), fields.rest


def _role(role: str) -> ir.Role:
    match role:
        case "assistant":
            return "assistant"
        case "system":
            return "system"
    return "user"


def _tools(fields: Fields) -> tuple[ir.Tool, ...]:
    entries = fields.optional("tools", LIST) or []
    return tuple(_tool(entry, f"tools[{i}]") for i, entry in enumerate(entries))


def _tool(raw: Raw, where: str) -> ir.Tool:
    told = plain.tool(raw)
    if told is not None:
        return told.offered()
    fields = Fields(decode(raw, OBJECT, where), where)
    kind = decode(fields.rest["type"], STRING, f"{where}.type") if "type" in fields.rest else "custom"
    if kind != "custom":
        name = decode(fields.rest["name"], STRING, f"{where}.name") if "name" in fields.rest else kind
        return ir.Tool(name, "hosted", type=kind, raw=raw)
    named = fields.optional("type", STRING)
    return ir.Tool(
        fields.required("name", STRING),
        type=named,
        description=fields.optional("description", STRING),
        parameters=fields.required("input_schema", PLAIN),
        strict=fields.optional("strict", BOOL),
        extras=fields.rest,
    )


def _tool_choice(fields: Fields) -> tuple[ir.ToolChoice | None, bool | None]:
    raw = fields.optional("tool_choice", OBJECT)
    if raw is None:
        return None, None
    choice = Fields(raw, "tool_choice")
    disable = choice.optional("disable_parallel_tool_use", BOOL)
    parallel = None if disable is None else not disable
    match choice.required("type", STRING):
        case "auto":
            return ir.ToolChoice("auto"), parallel
        case "any":
            return ir.ToolChoice("required"), parallel
        case "none":
            return ir.ToolChoice("none"), parallel
        case "tool":
            return ir.ToolChoice("named", (choice.required("name", STRING),)), parallel
        case other:
            message = f"tool_choice.type: '{other}' is not known; use {', '.join(_CHOICES)}."
            raise ir.Invalid(message, "tool_choice.type", "invalid_value")


def read_thinking(fields: Fields) -> tuple[str | None, int | None, str | None]:
    """-> effort, budget and summary. A budget of 0 is ``disabled`` and -1 ``adaptive``, as Gemini counts them; what
    these three cannot say stays in extras. A budget shows a summary unless the client says otherwise."""
    raw = fields.rest.get("thinking")
    if raw is None or bytes(raw) == b"null":
        fields.rest.pop("thinking", None)
        return None, None, None
    config = Fields(decode(raw, OBJECT, "thinking"), "thinking")
    kind = config.required("type", STRING)
    display = config.optional("display", STRING)
    budget = config.required("budget_tokens", INTEGER) if kind == "enabled" else _BUDGETS.get(kind)
    said = display is None or (kind, display) == ("adaptive", "summarized")
    if budget is not None and said and not config.rest:
        del fields.rest["thinking"]
    shown = display == "summarized" or (kind == "enabled" and display is None)
    return ("none" if kind == "disabled" else None), budget, ("auto" if shown else None)


def read_output_config(fields: Fields) -> tuple[str | None, ir.Format | None]:
    raw = fields.optional("output_config", OBJECT)
    if raw is None:
        return None, None
    config = Fields(raw, "output_config")
    effort = config.optional("effort", STRING)
    shape = _format(config)
    if config.rest:
        fields.rest["output_config"] = Raw(msgspec.json.encode(config.rest))
    return effort, shape


def _format(config: Fields) -> ir.Format | None:
    raw = config.optional("format", OBJECT)
    if raw is None:
        return None
    shape = Fields(raw, "output_config.format")
    kind = shape.required("type", STRING)
    if kind != "json_schema":
        message = f"output_config.format.type: '{kind}' is not known; use json_schema."
        raise ir.Invalid(message, "output_config.format.type", "invalid_value")
    schema: dict[str, Any] = shape.required("schema", PLAIN)
    return ir.Format("json_schema", schema=schema, strict=is_strict(schema) or None)


def _user(fields: Fields) -> str | None:
    """``metadata.user_id``; metadata with anything else in it stays in extras as it is."""
    raw = fields.rest.get("metadata")
    if raw is None or bytes(raw) == b"null":
        return None
    metadata = Fields(decode(raw, OBJECT, "metadata"), "metadata")
    user = metadata.optional("user_id", STRING)
    if metadata.rest or user is None:
        return None
    del fields.rest["metadata"]
    return user
