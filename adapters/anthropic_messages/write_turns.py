"""Hub messages -> Anthropic turns: system apart, roles in alternation, tool results first in one user turn (G12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from adapters import breakpoints, ir
from adapters.anthropic_messages.write_content import is_bare, write_block, write_text

_OPENING = "."
"""A user turn where the vendor wants one and the client had none; the shortest text that it takes."""
_UNMARKED = ("thinking", "redacted_thinking")
"""Blocks that take no cache breakpoint."""


class Turn(Struct):
    """One wire turn while it is being gathered."""

    role: str
    blocks: list[dict[str, Any] | Raw]
    bare: bool = True
    """Its one block came as a bare string."""

    def body(self) -> dict[str, Any]:
        first = self.blocks[0] if self.blocks else None
        if self.bare and isinstance(first, dict):
            return {"role": self.role, "content": first["text"]}
        return {"role": self.role, "content": self.blocks}


def split_system(request: ir.Request, *, own: bool) -> tuple[list[ir.Text], tuple[ir.Message, ...]]:
    """Top-level instructions, the leading system messages among them, and the messages that remain."""
    system, rest = list(request.system), list(request.messages)
    while rest and not own and rest[0].role in ("system", "developer"):
        system += _marked(rest.pop(0))
    return system, tuple(rest)


def _marked(message: ir.Message) -> list[ir.Text]:
    """The texts of a system message; a breakpoint on the message stands on the last of them."""
    texts = [block for block in message.blocks if isinstance(block, ir.Text)]
    if texts and breakpoints.of(message.extras) is not None:
        texts[-1] = msgspec.structs.replace(texts[-1], extras=message.extras)
    return texts


def write_system(texts: Sequence[ir.Text], *, own: bool) -> str | list[dict[str, Any]] | None:
    """``system``: a string for one plain text, else blocks; None for nothing."""
    said = [text for text in texts if text.text.strip()]
    if not said:
        return None
    if len(said) == 1 and is_bare(said[0], own=own):
        return said[0].text
    return [write_text(text, own=own) for text in said]


class _Turns:
    """Gathers messages into turns."""

    def __init__(self, *, own: bool, can: ir.Capabilities, fetched: Mapping[ir.Need, ir.Media]) -> None:
        self.turns: list[Turn] = []
        self._own = own
        self._can = can
        self._fetched = fetched
        self._waiting: list[Turn] = []
        self._after_result = False
        self._times: dict[str, int] = {}
        """How often each tool call's id has been used so far."""
        self._asks = False
        """It is the model's turn: the last message is not its own."""

    def add(self, message: ir.Message) -> None:
        self._asks = message.role != "assistant"
        if message.role in ("system", "developer"):
            self._system(message)
            return
        role = "assistant" if message.role == "assistant" else "user"
        if role == "assistant" or self._own:
            self._flush()
        self._turn(role, message, message.blocks)

    def _system(self, message: ir.Message) -> None:
        """Where the model knows system turns they follow the user turn beside them; elsewhere they are marked text."""
        if self._can.mid_system:
            turn = Turn("system", [], bare=False)
            self._fill(turn, message.blocks)
            self._waiting.append(turn)
            return
        texts = (b for b in message.blocks if isinstance(b, ir.Text) and b.text)
        marked = [ir.Text(f"<system>{text.text}</system>", extras=text.extras) for text in texts]
        self._turn("user", message, tuple(marked))

    def _turn(self, role: str, message: ir.Message, blocks: tuple[ir.Block, ...]) -> None:
        last = self.turns[-1] if self.turns else None
        if last is None or last.role != role or not self._joins(message):
            last = Turn(role, [])
            self.turns.append(last)
        self._fill(last, blocks)
        if not last.blocks:
            self.turns.pop()
        elif message.extras and not self._own:
            self._mark(last, message)
        self._after_result = message.role == "tool"

    def _joins(self, message: ir.Message) -> bool:
        """Same-role turns are merged; a client of this family chose its turns, of which only tool results were cut."""
        return not self._own or self._after_result

    def _fill(self, turn: Turn, blocks: Iterable[ir.Block]) -> None:
        for block in blocks:
            sent = block if self._own or type(block) is ir.Text else self._once(block)
            written = write_block(sent, own=self._own, fetched=self._fetched)
            if written is not None:
                turn.bare = turn.bare and not turn.blocks and is_bare(block, own=self._own)
                turn.blocks.append(written)

    def _mark(self, turn: Turn, message: ir.Message) -> None:
        """A breakpoint on a whole message stands on its last block."""
        mark, last = breakpoints.of(message.extras), turn.blocks[-1]
        if mark is not None and isinstance(last, dict) and last["type"] not in _UNMARKED:
            last[breakpoints.CACHE_CONTROL] = mark
            turn.bare = False

    def _once(self, block: ir.Block) -> ir.Block:
        """Servers that number the calls of each answer anew repeat their ids; this vendor takes every id once (G14)."""
        if type(block) is ir.ToolCall:
            times = self._times[block.id] = self._times.get(block.id, 0) + 1
        elif type(block) is ir.ToolResult:
            times = self._times.get(block.id, 0)
        else:
            return block
        return msgspec.structs.replace(block, id=f"{block.id}_{times}") if times > 1 else block

    def _flush(self) -> None:
        """Put the system turns that wait behind a user turn."""
        if not self._waiting:
            return
        if not self._own and (not self.turns or self.turns[-1].role == "assistant"):
            self.turns.append(Turn("user", [{"type": "text", "text": _OPENING}]))
        self.turns += [turn for turn in self._waiting if turn.blocks]
        self._waiting.clear()

    def done(self) -> list[Turn]:
        self._flush()
        if not self.turns or (not self._own and self.turns[0].role != "user"):
            self.turns.insert(0, Turn("user", [{"type": "text", "text": _OPENING}]))
        if not self._own and self._asks and self.turns[-1].role == "assistant":  # blank words were left out
            self.turns.append(Turn("user", [{"type": "text", "text": _OPENING}]))
        return self.turns


def write_turns(
    messages: Iterable[ir.Message], *, own: bool, can: ir.Capabilities, fetched: Mapping[ir.Need, ir.Media]
) -> list[dict[str, Any]]:
    """``messages`` as the vendor takes them. A request of this family keeps the turns that its client made."""
    gathered = _Turns(own=own, can=can, fetched=fetched)
    for message in messages:
        gathered.add(message)
    turns = gathered.done()
    for turn in turns:
        if len(turn.blocks) > 1:
            turn.blocks.sort(key=_after_results)
    _trimmed(turns[-1])
    return [turn.body() for turn in turns]


def _after_results(block: dict[str, Any] | Raw) -> bool:
    return isinstance(block, Raw) or block["type"] != "tool_result"


def _trimmed(turn: Turn) -> None:
    """A trailing assistant turn may not end in white space."""
    last = turn.blocks[-1]
    if turn.role == "assistant" and isinstance(last, dict) and last["type"] == "text":
        last["text"] = last["text"].rstrip()
