"""What a classifier sees of a request: the last question, and sizes of what stands around it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from adapters import ir


class PromptView(Struct, frozen=True, kw_only=True):
    """The last user turn as text, with lengths in characters. Other turns are counted, never shown."""

    text: str
    """The text of the last user turn."""
    system_chars: int = 0
    context_chars: int = 0
    """All turns before the last user turn."""
    depth: int = 1
    """User turns, the last one included."""
    tools: bool = False
    tool_history: bool = False
    media: bool = False
    structured: bool = False
    max_output: int | None = None


def view(request: ir.Request) -> PromptView:
    """The request as a classifier sees it."""
    last = next((i for i in reversed(range(len(request.messages))) if request.messages[i].role == "user"), None)
    before = request.messages if last is None else request.messages[:last]
    turn = () if last is None else request.messages[last].blocks
    return PromptView(
        text="\n".join(block.text for block in turn if isinstance(block, ir.Text)),
        system_chars=sum(len(part.text) for part in request.system) + _chars(before, system=True),
        context_chars=_chars(before, system=False),
        depth=sum(message.role == "user" for message in request.messages),
        tools=bool(request.tools),
        tool_history=any(isinstance(block, ir.ToolCall | ir.ToolResult) for block in blocks(request)),
        media=any(isinstance(block, ir.Media) for block in turn),
        structured=request.format is not None and request.format.kind != "text",
        max_output=request.max_output_tokens,
    )


def blocks(request: ir.Request) -> Iterator[ir.Block]:
    """Every block of every turn."""
    return (block for message in request.messages for block in message.blocks)


def texts(request: ir.Request) -> Iterator[str]:
    """Every text that the model will read, tool calls and their results included."""
    for part in request.system:
        yield part.text
    for block in blocks(request):
        yield from _texts(block)


def _texts(block: ir.Block) -> Iterator[str]:
    match block:
        case ir.Text(text=text) | ir.Reasoning(text=text) | ir.Refusal(text=text):
            yield text
        case ir.ToolCall(arguments=arguments):
            yield arguments
        case ir.ToolResult(content=content):
            yield from (part.text for part in content if isinstance(part, ir.Text))


def media(request: ir.Request) -> Iterator[ir.Media]:
    """Every image, file and sound, those inside tool results included."""
    for block in blocks(request):
        if isinstance(block, ir.Media):
            yield block
        elif isinstance(block, ir.ToolResult):
            yield from (part for part in block.content if isinstance(part, ir.Media))


def _chars(messages: tuple[ir.Message, ...], *, system: bool) -> int:
    return sum(
        len(text)
        for message in messages
        if (message.role in {"system", "developer"}) is system
        for block in message.blocks
        for text in _texts(block)
    )
