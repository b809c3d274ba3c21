"""Reads a chat completions request into the question that the demo's mind answers."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.demo import chat_rules, families
from proxy.demo import chat_wire as wire
from proxy.demo.base import Ask, Json, encode
from proxy.demo.brain import Choice, Prompt, Said, Tool
from proxy.demo.spoiling import spoil_of

_EMPTY: Json = {"type": "object", "properties": {}}


def prompts(ask: Ask) -> tuple[wire.ChatRequest, list[Prompt]]:
    """The checked request and one prompt for each choice that was asked for. Raises RefusedError."""
    request = chat_rules.read(ask)
    return request, [_prompt(request, ask.model, index, spoil_of(ask)) for index in range(request.n or 1)]


def _prompt(request: wire.ChatRequest, model: str, index: int, spoil: str) -> Prompt:
    choice, only = _tool_choice(request)
    wanted = request.response_format
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    return Prompt(
        said=tuple(part for message in request.messages for part in _said(message)),
        tools=tuple(_tool(tool) for tool in request.tools or ()),
        choice=choice,
        only=only,
        parallel=request.parallel_tool_calls is not False,
        schema=wanted.json_schema.schema or _EMPTY if isinstance(wanted, wire.FormatSchema) else None,
        json_object=isinstance(wanted, wire.FormatObject),
        effort=_effort(request, model),
        limit=request.max_completion_tokens or request.max_tokens,
        stops=tuple(stops),
        caches=families.openai_flavour(model) and request.prompt_cache_key is not None,
        variant=index,
        spoil=spoil,
    )


def _effort(request: wire.ChatRequest, model: str) -> str | None:
    default = None if families.openai_flavour(model) and not families.openai_reasons(model) else "medium"
    effort = request.reasoning_effort or default
    return None if effort == "none" else effort


def _tool_choice(request: wire.ChatRequest) -> tuple[Choice, tuple[str, ...]]:
    choice = request.tool_choice
    if isinstance(choice, wire.ChooseFunction):
        return "required", (choice.function.name,)
    if isinstance(choice, wire.ChooseCustom):
        return "required", (choice.custom.name,)
    if isinstance(choice, wire.ChooseAllowed):
        listed = [tool.get(tool.get("type", ""), tool) for tool in choice.allowed_tools.tools]
        return choice.allowed_tools.mode, tuple(tool["name"] for tool in listed)
    return choice or "auto", ()


def _tool(tool: wire.FunctionTool | wire.CustomTool) -> Tool:
    if isinstance(tool, wire.CustomTool):
        return Tool(tool.custom.name, {}, tool.custom.description or "", custom=True)
    return Tool(tool.function.name, tool.function.parameters or _EMPTY, tool.function.description or "")


def _said(message: wire.Message) -> Iterator[Said]:
    if isinstance(message, wire.ToolMessage):
        yield Said("tool", _joined(message.content), "result")
        return
    role = {wire.System: "system", wire.Developer: "system", wire.User: "user"}.get(type(message), "assistant")
    if isinstance(message, wire.Assistant) and (message.reasoning or message.reasoning_content):
        yield Said(role, message.reasoning or message.reasoning_content or "", "thought")
    yield from _parts(role, message.content)
    if isinstance(message, wire.Assistant):
        for call in message.tool_calls or ():
            inner = call.function if isinstance(call, wire.FunctionCall) else call.custom
            yield Said(role, encode(inner).decode(), "call")


def _joined(content: str | list[wire.TextPart]) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content)


def _parts(role: str, content: object) -> Iterator[Said]:
    for part in [content] if isinstance(content, str) else content if isinstance(content, list) else []:
        match part:
            case str():
                yield Said(role, part)
            case wire.TextPart():
                yield Said(role, part.text)
            case wire.RefusalPart():
                yield Said(role, part.refusal)
            case wire.ImagePart():
                yield Said(role, "", "image")
            case _:
                yield Said(role, "", "media")
