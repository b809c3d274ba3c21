"""Reads an Anthropic Messages request into the question that the demo's mind answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.demo import families, messages_rules
from proxy.demo import messages_wire as wire
from proxy.demo.base import Ask, encode
from proxy.demo.brain import Choice, Prompt, Said, Tool, prompt_tokens
from proxy.demo.messages_turns import blocks
from proxy.demo.spoiling import spoil_of


def prompt(ask: Ask) -> tuple[wire.MessagesRequest, Prompt]:
    """The checked request and its prompt. Raises RefusedError."""
    request, tools = messages_rules.read(ask)
    choice = request.tool_choice
    return request, Prompt(
        said=tuple(_said(request)),
        tools=_tools(tools),
        choice=_choice(request),
        only=(choice.name,) if isinstance(choice, wire.ChooseTool) else (),
        parallel=not getattr(choice, "disable_parallel_tool_use", None),
        schema=request.output_config.format.schema if request.output_config and request.output_config.format else None,
        effort=_effort(request, ask.model),
        limit=request.max_tokens,
        stops=tuple(request.stop_sequences or ()),
        caches=b'"cache_control":{' in encode(ask.body),
        spoil=spoil_of(ask),
    )


def count(ask: Ask) -> int:
    """Prompt tokens of a ``count_tokens`` request. Raises RefusedError."""
    request, tools = messages_rules.read_count(ask)
    return prompt_tokens(Prompt(said=tuple(_said(request)), tools=_tools(tools)))


def _tools(tools: list[wire.Tool]) -> tuple[Tool, ...]:
    return tuple(Tool(tool.name, tool.input_schema, tool.description or "") for tool in tools)


def _choice(request: wire.CountRequest) -> Choice:
    match request.tool_choice:
        case wire.ChooseAny() | wire.ChooseTool():
            return "required"
        case wire.ChooseNone():
            return "none"
    return "auto"


def _effort(request: wire.MessagesRequest, model: str) -> str | None:
    asked = request.output_config.effort if request.output_config else None
    match request.thinking:
        case wire.Enabled(budget_tokens=budget):
            return "low" if budget < 4096 else "medium" if budget < 16384 else "high"
        case wire.Adaptive():
            return asked or "high"
        case wire.BetweenTools():
            return asked or "medium"
        case None if families.claude_cannot_be_forced(model):
            return asked or "medium"
    return None


def _said(request: wire.CountRequest) -> Iterator[Said]:
    if request.system:
        system = [wire.Text(request.system)] if isinstance(request.system, str) else request.system
        yield from _blocks("system", system)
    for turn in request.messages:
        yield from _blocks(turn.role, blocks(turn))


def _blocks(role: str, content: Sequence[wire.Block]) -> Iterator[Said]:
    for block in content:
        match block:
            case wire.Text():
                yield Said(role, block.text)
            case wire.Image():
                yield Said(role, "", "image")
            case wire.Document() | wire.SearchResult():
                yield Said(role, "", "media")
            case wire.ToolUse():
                yield Said(role, encode({"name": block.name, "arguments": block.input}).decode(), "call")
            case wire.ToolResult():
                yield from _result(block)
            case wire.Thinking():
                yield Said(role, block.thinking, "thought")
            case wire.Redacted() | wire.ServerBlock():
                yield Said(role, "", "thought")


def _result(block: wire.ToolResult) -> Iterator[Said]:
    content = block.content or ""
    parts = [wire.Text(content)] if isinstance(content, str) else content
    yield from (said for said in _blocks("tool", parts) if said.kind != "text")
    yield Said("tool", "".join(part.text for part in parts if isinstance(part, wire.Text)), "result")
