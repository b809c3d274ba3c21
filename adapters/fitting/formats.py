"""Structured output for a backend that does not enforce it: by a forced tool, or by words (decision D24)."""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from adapters import ir, json_schema
from adapters.fitting.fitted import Emulation, Fitted
from adapters.fitting.unwrap import Gathered, from_tool, from_words

_TOOL = "answer"
"""The forced tool's name, where the client's name for the format is not one that the backend takes."""
_ONLY = "Answer with one JSON object only: no prose, no code fences."
_ONLY_LAST = "Give the final answer as one JSON object only: no prose, no code fences. Tools may be called before it."


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    """A format that this backend cannot enforce, asked for in another way; its answer must then be judged."""
    asked = request.format
    if asked is None or enforced(request, upstream):
        return Fitted(request)
    plain = replace(request, format=None, stream=False)
    schema = asked.schema if asked.kind == "json_schema" else None
    by_words = Emulation("words", schema)
    can = upstream.capabilities
    mode = can.json_object and json_schema.is_object(schema) and (can.json_with_tools or not request.tools)
    if mode:
        told = replace(_told(plain, asked), format=ir.Format("json_object"))
    elif _forcible(plain, asked, can):
        return _by_tool(plain, asked, can)
    else:
        told = _told(plain, asked)
    return Fitted(told, undo=(lambda: Gathered(from_words),), emulation=by_words)


def enforced(request: ir.Request, upstream: ir.Upstream) -> bool:
    """True where the backend itself sees to it that the answer has the request's format."""
    asked, can = request.format, upstream.capabilities
    if asked is None or asked.kind == "text":
        return True
    if request.tools and not can.json_with_tools:
        return False
    if asked.kind == "json_object":
        return can.json_object
    own = request.family == upstream.family
    return can.json_schema and asked.schema is not None and (own or _said(asked, upstream))


def _said(asked: ir.Format, upstream: ir.Upstream) -> bool:
    """Does the vendor's subset of JSON Schema have words for the shape? Limits to values may be lost in it. OpenAI
    holds a model to strict schemas alone, which its own clients choose themselves."""
    can = upstream.capabilities
    if upstream.family == "openai" and upstream.wire == "exact" and not asked.strict:
        return False
    if not can.recursive_schemas and json_schema.recursive(asked.schema):
        return False
    return can.open_schemas or not json_schema.free_keys(asked.schema)


# --- by a forced tool ----------------------------------------------------------------------------------------------


def _forcible(request: ir.Request, asked: ir.Format, can: ir.Capabilities) -> bool:
    if not (can.tools and can.forced_tools) or request.tools or request.logprobs:
        return False
    if asked.kind != "json_schema" or asked.schema is None or not json_schema.is_object(asked.schema):
        return False
    return can.forced_with_thinking or not _thinks(request)


def _thinks(request: ir.Request) -> bool:
    return (
        request.effort not in (None, "none") or bool(request.thinking_budget) or request.reasoning_summary is not None
    )


def _by_tool(request: ir.Request, asked: ir.Format, can: ir.Capabilities) -> Fitted:
    name = asked.name if asked.name and re.fullmatch(can.tool_name, asked.name) else _TOOL
    told = asked.description or "Gives the answer."
    changed = replace(
        request,
        tools=(ir.Tool(name, description=told, parameters=asked.schema, strict=False),),
        tool_choice=ir.ToolChoice("named", (name,)),
    )
    return Fitted(changed, undo=(lambda: Gathered(from_tool(name)),), emulation=Emulation("tool", asked.schema, name))


# --- by words ------------------------------------------------------------------------------------------------------


def _told(request: ir.Request, asked: ir.Format) -> ir.Request:
    """The instruction stands at the end of what the system says, so that the prefix before it stays as it was."""
    words = instruction(asked, tools=bool(request.tools))
    leading = 0
    while leading < len(request.messages) and request.messages[leading].role in ("system", "developer"):
        leading += 1
    if leading == 0:
        texts = [ir.Text(words)] if not request.system else [*request.system[:-1], _added(request.system[-1], words)]
        return replace(request, system=tuple(texts))
    last = request.messages[leading - 1]
    blocks: list[ir.Block] = list(last.blocks)
    end = blocks[-1] if blocks else None
    blocks[-1:] = [_added(end, words)] if isinstance(end, ir.Text) else [*blocks[-1:], ir.Text(words)]
    changed = replace(last, blocks=tuple(blocks))
    return replace(request, messages=(*request.messages[: leading - 1], changed, *request.messages[leading:]))


def _added(text: ir.Text, words: str) -> ir.Text:
    return replace(text, text=f"{text.text}\n\n{words}" if text.text else words)


def instruction(asked: ir.Format, *, tools: bool) -> str:
    """The format, in words. ``tools``: the model may call some before it answers."""
    told = _ONLY_LAST if tools else _ONLY
    if asked.kind != "json_schema" or asked.schema is None:
        return told
    if not json_schema.is_object(asked.schema):
        told = told.replace("one JSON object", "JSON")
    about = f" {asked.description}" if asked.description else ""
    schema = msgspec.json.encode(asked.schema).decode()
    return f"{told}{about} It must be valid under this JSON Schema:\n{schema}"
