"""Reads a Responses request into the question that the demo's mind answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proxy.demo import families, responses_rules
from proxy.demo import responses_wire as wire
from proxy.demo.base import Ask, Json, encode
from proxy.demo.brain import Choice, Kind, Prompt, Said, Tool
from proxy.demo.responses_rules import OwnTool
from proxy.demo.spoiling import spoil_of

_EMPTY: Json = {"type": "object", "properties": {}}


def prompt(ask: Ask) -> tuple[wire.ResponsesRequest, Prompt]:
    """The checked request and its prompt. Raises RefusedError."""
    request, tools = responses_rules.read(ask)
    choice, only = _choice(request)
    wanted = request.text.format if request.text else None
    return request, Prompt(
        said=tuple(_said(request)),
        tools=tuple(tool for own in tools for tool in _tools(own)),
        choice=choice,
        only=only,
        parallel=request.parallel_tool_calls is not False,
        schema=wanted.schema if isinstance(wanted, wire.FormatSchema) else None,
        json_object=isinstance(wanted, wire.FormatObject),
        effort=effort(request, ask.model),
        limit=request.max_output_tokens,
        caches=request.prompt_cache_key is not None,
        spoil=spoil_of(ask),
    )


def effort(request: wire.ResponsesRequest, model: str) -> str | None:
    """The effort in force, None when the model does not reason."""
    asked = request.reasoning.effort if request.reasoning else None
    default = "medium" if families.openai_reasons(model) else None
    return None if asked == "none" else asked or default


def _choice(request: wire.ResponsesRequest) -> tuple[Choice, tuple[str, ...]]:
    choice: Any = request.tool_choice or "auto"
    if isinstance(choice, str):
        words: dict[str, Choice] = {"none": "none", "required": "required"}
        return words.get(choice, "auto"), ()
    if choice["type"] == "allowed_tools":
        return choice.get("mode", "auto"), tuple(tool["name"] for tool in choice.get("tools", ()) if "name" in tool)
    return "required", (choice["name"],) if "name" in choice else ()


def _tools(tool: OwnTool, namespace: str | None = None) -> Iterator[Tool]:
    if isinstance(tool, wire.Namespace):
        for inner in tool.tools:
            yield from _tools(inner, tool.name)
    elif isinstance(tool, wire.CustomTool):
        yield Tool(tool.name, {}, tool.description or "", custom=True, namespace=namespace)
    else:
        yield Tool(tool.name, tool.parameters or _EMPTY, tool.description or "", namespace=namespace)


def _said(request: wire.ResponsesRequest) -> Iterator[Said]:
    if request.instructions:
        yield Said("system", request.instructions)
    if isinstance(request.input, str):
        yield Said("user", request.input)
        return
    for item in request.input:
        yield from _item(item)


def _item(item: wire.Item) -> Iterator[Said]:
    match item:
        case wire.Message():
            role = "system" if item.role == "developer" else item.role
            yield from _content(role, item.content)
        case wire.FunctionCall():
            yield Said("assistant", encode({"name": item.name, "arguments": item.arguments}).decode(), "call")
        case wire.CustomCall():
            yield Said("assistant", encode({"name": item.name, "input": item.input}).decode(), "call")
        case wire.FunctionOutput() | wire.CustomOutput():
            parts = list(_content("tool", item.output))
            yield from (part for part in parts if part.kind != "text")
            yield Said("tool", "".join(part.text for part in parts), "result")
        case wire.Reasoning():
            yield Said("assistant", "".join(part.text for part in item.summary), "thought")
        case wire.Reference() | wire.HostedItem():
            return


def _content(role: str, content: object) -> Iterator[Said]:
    for part in [content] if isinstance(content, str) else content if isinstance(content, list) else []:
        if isinstance(part, str):
            yield Said(role, part)
        elif isinstance(part, wire.InputText | wire.OutputText):
            yield Said(role, part.text)
        elif isinstance(part, wire.Refusal):
            yield Said(role, part.refusal)
        else:
            kind: Kind = "image" if isinstance(part, wire.InputImage) else "media"
            yield Said(role, "", kind)
