"""What Anthropic's Messages endpoint refuses in a conversation: roles, empty blocks, tool results, signatures."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.demo import families
from proxy.demo import messages_wire as wire
from proxy.demo.base import RefusedError, sealed

SEAL = "anthropic"

_OWNERS: dict[type, str] = {
    wire.ToolUse: "assistant",
    wire.Thinking: "assistant",
    wire.Redacted: "assistant",
    wire.ToolResult: "user",
    wire.Image: "user",
    wire.Document: "user",
}


def check_turns(request: wire.CountRequest, model: str) -> None:
    """The rules for ``messages``. Raises RefusedError."""
    turns = request.messages
    if not turns:
        raise RefusedError("messages: at least one message is required")
    _check_roles(turns, model)
    if isinstance(request.system, list):
        _check_blocks(request.system, "system", "system")
    for index, turn in enumerate(turns):
        _check_turn(turn, f"messages.{index}")
    _check_pairs(turns)
    if isinstance(request.thinking, wire.Enabled):
        _check_kept(turns)


def blocks(turn: wire.Message) -> Sequence[wire.Block]:
    """The turn's content as blocks."""
    return [wire.Text(turn.content)] if isinstance(turn.content, str) else turn.content


def _check_roles(turns: list[wire.Message], model: str) -> None:
    if turns[0].role != "user" and families.claude_is_new(model):
        raise RefusedError('messages: first message must use the "user" role')
    for index, turn in enumerate(turns):
        if turn.role == "system" and not families.claude_takes_system_turns(model):
            raise RefusedError(f"messages.{index}: role 'system' is not supported on this model")
    if turns[-1].role == "assistant" and families.claude_is_new(model):
        raise RefusedError(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _check_turn(turn: wire.Message, path: str) -> None:
    if not turn.content:
        raise RefusedError(f"{path}: all messages must have non-empty content except for the optional final assistant")
    _check_blocks(blocks(turn), path, turn.role)


def _check_blocks(content: Sequence[wire.Block], path: str, role: str) -> None:
    for place, block in enumerate(content):
        where = f"{path}.content.{place}"
        if _OWNERS.get(type(block), role) != role:
            tag = block.__struct_config__.tag
            raise RefusedError(f"{where}: `{tag}` blocks can only be in `{_OWNERS[type(block)]}` messages")
        if isinstance(block, wire.Text):
            _check_text(block.text)
        elif isinstance(block, wire.Thinking) and not sealed(SEAL, block.signature, block.thinking):
            raise RefusedError(f"{where}: Invalid `signature` in `thinking` block")
        elif isinstance(block, wire.Redacted) and not sealed(SEAL, block.data):
            raise RefusedError(f"{where}: Invalid `data` in `redacted_thinking` block")


def _check_text(text: str) -> None:
    if not text:
        raise RefusedError("messages: text content blocks must be non-empty")
    if not text.strip():
        raise RefusedError("messages: text content blocks must contain non-whitespace text")


def _check_pairs(turns: list[wire.Message]) -> None:
    called: list[str] = []
    seen: set[str] = set()
    for index, turn in enumerate(turns):
        _check_results(turn, index, called)
        called = [block.id for block in blocks(turn) if isinstance(block, wire.ToolUse)]
        if seen.intersection(called) or len(set(called)) < len(called):
            raise RefusedError(f"messages.{index}: `tool_use` ids must be unique")
        seen.update(called)
    if called:
        raise _unanswered(len(turns) - 1, called)


def _check_results(turn: wire.Message, index: int, called: list[str]) -> None:
    answered = [block.tool_use_id for block in blocks(turn) if isinstance(block, wire.ToolResult)]
    for ident in answered:
        if ident not in called:
            raise RefusedError(
                f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {ident}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
    missing = [ident for ident in called if ident not in answered]
    if missing:
        raise _unanswered(index - 1, missing)
    if len(set(answered)) < len(answered):
        raise RefusedError(f"messages.{index}: each tool_use must have a single result.")
    first = blocks(turn)[: len(answered)]
    if any(not isinstance(block, wire.ToolResult) for block in first):
        raise RefusedError(f"messages.{index}.content: `tool_result` blocks must come before any other content.")


def _unanswered(index: int, idents: list[str]) -> RefusedError:
    return RefusedError(
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(idents)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
    )


def _check_kept(turns: list[wire.Message]) -> None:
    if len(turns) < 2 or not any(isinstance(block, wire.ToolResult) for block in blocks(turns[-1])):
        return
    first = blocks(turns[-2])[0]
    if not isinstance(first, wire.Thinking | wire.Redacted):
        raise RefusedError(
            f"messages.{len(turns) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{first.__struct_config__.tag}`. When `thinking` is enabled, a final `assistant` message must start with "
            "a thinking block."
        )
