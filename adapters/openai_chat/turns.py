"""A conversation, written as chat messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters import ir
from adapters.openai_chat import content, parameters


def write(request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> list[dict[str, Any]]:
    """All messages, the top-level instructions first. Raises ir.Invalid for what ``refuses`` names."""
    turns = _Turns(content.Writing(upstream, context, parameters.is_own(request)))
    if request.system:
        turns.add(ir.Message("system", request.system))
    for message in request.messages:
        turns.add(message)
    turns.flush()
    return _one_system(turns.out) if upstream.capabilities.one_system else turns.out


def _one_system(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chat templates that take one leading system message only: all of them in one, order kept (G53)."""
    texts = [_plain(message["content"]) for message in messages if message["role"] in ("system", "developer")]
    rest = [message for message in messages if message["role"] not in ("system", "developer")]
    return [{"role": "system", "content": "\n\n".join(texts)}, *rest] if texts else rest


def _plain(told: str | Sequence[dict[str, Any]]) -> str:
    return told if isinstance(told, str) else "\n".join(part.get("text", "") for part in told)


class _Turns:
    """The messages so far. Media of tool results wait for the end of the results: tool messages take text only.

    Blocks are told apart by ``type``, as ``isinstance`` takes four times as long to say no."""

    def __init__(self, writing: content.Writing) -> None:
        self.out: list[dict[str, Any]] = []
        self._writing = writing
        self._upstream = writing.upstream
        self._reasoning = parameters.reasoning_field(writing.upstream, own=writing.own)
        self._waiting: list[ir.Text | ir.Media] = []

    def add(self, message: ir.Message) -> None:
        """One turn: its tool results first, then what else it says."""
        rest: list[ir.Block] = []
        for block in message.blocks:
            if type(block) is ir.ToolResult:
                self._result(block, message)
            else:
                rest.append(block)
        if message.role == "assistant":
            self.flush()
            self._assistant(message, rest)
        elif rest or not message.blocks:
            self._say(message, [block for block in rest if isinstance(block, _SHOWN)])

    def flush(self) -> None:
        """What waits becomes a user message of its own."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self.out.append({"role": "user", "content": content.write(waiting, self._writing)})

    def _say(self, message: ir.Message, blocks: Sequence[ir.Text | ir.Media]) -> None:
        role = message.role if message.role != "tool" else "user"
        if role == "developer" and self._upstream.wire == "variant":
            role = "system"
        if role == "user" and self._waiting:
            blocks, self._waiting = [*self._waiting, *blocks], []
        self.flush()
        self.out.append({"role": role, "content": self._content(blocks), **self._own(message)})

    def _content(self, blocks: Sequence[ir.Text | ir.Media]) -> str | list[dict[str, Any]]:
        return content.write(blocks, self._writing)

    def _own(self, message: ir.Message) -> dict[str, Any]:
        if not (message.name or message.extras):
            return {}
        named: dict[str, Any] = {"name": message.name} if message.name else {}
        return named | self._writing.extras(message.extras)

    def _assistant(self, message: ir.Message, blocks: Sequence[ir.Block]) -> None:
        texts: list[ir.Text | ir.Media] = []
        calls: list[dict[str, Any]] = []
        refusal, thoughts = "", []
        for block in blocks:
            if type(block) is ir.ToolCall:
                calls.append(self._call(block))
            elif type(block) is ir.Reasoning:
                thoughts.append(block.text or "\n\n".join(block.summary))
            elif type(block) is ir.Refusal:
                refusal += block.text
            elif isinstance(block, _SHOWN):
                texts.append(block)
        shown: dict[str, Any] = {"role": "assistant", **self._answer(texts, refusal, called=bool(calls))}
        if self._reasoning is not None and any(thoughts):
            shown[self._reasoning] = "\n\n".join(filter(None, thoughts))
        if calls:
            shown["tool_calls"] = calls
        self.out.append(shown | self._own(message))

    def _answer(self, texts: Sequence[ir.Text | ir.Media], refusal: str, *, called: bool) -> dict[str, Any]:
        """OpenAI has a field for a refusal; for others it is what was said, where nothing else was."""
        own = {"refusal": refusal} if refusal and self._upstream.wire == "exact" else {}
        if not texts and (called or own):
            return {"content": None, **own}
        return {"content": self._content(texts) if texts or not refusal else refusal, **own}

    def _call(self, call: ir.ToolCall) -> dict[str, Any]:
        own = self._writing.extras(call.extras)
        if call.custom:
            return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}, **own}
        told = {"name": call.name, "arguments": call.arguments or "{}"}
        return {"id": call.id, "type": "function", "function": told, **own}

    def _result(self, result: ir.ToolResult, message: ir.Message) -> None:
        texts = [part for part in result.content if isinstance(part, ir.Text)]
        media = [part for part in result.content if type(part) is ir.Media]
        said: str | list[dict[str, Any]] = self._content(texts)
        if media:
            said = said or "See the following message."
            self._waiting += [ir.Text(f"The result of tool call {result.id}:"), *media]
        own = self._own(message) if message.role == "tool" else {}
        self.out.append({"role": "tool", "tool_call_id": result.id, "content": said, **own})


_SHOWN = (ir.Text, ir.Media)
"""What a message's content may hold."""
