"""Which texts of a conversation may be shortened: old turns and retrieved text, never what an answer hangs on.

Left alone: what the system says, the last turns, tool arguments, media, turns that hold what only their vendor can
read, quoted sources, what a client's cache breakpoint covers, and whatever is short anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TypeAlias

import msgspec
from msgspec import Struct

from adapters import ir
from policies.condensing.evidence import readable
from policies.facts import IMAGE_TOKENS
from policies.text import estimate_tokens

SHORTEST = 100
"""Tokens; a shorter text stays as it is. What is said in passing is seldom seen by ``evidence``."""
TAG = "<text-"
"""A text with it could not be told apart from the frame in which it is sent to be shortened."""
_BREAKPOINTS = ("cache_control", "prompt_cache_breakpoint")
_ROLES = ("user", "assistant", "tool")

Place: TypeAlias = tuple[int, int, int | None]
"""Message, block, and within a tool's result the part."""


class Piece(Struct, frozen=True):
    """One text that may be shortened. ``key`` names it together with all that stands before it."""

    place: Place
    text: str
    tokens: int
    key: str


class _Row(Struct, frozen=True):
    """One message: its texts that may be shortened, and the tokens of the rest."""

    pieces: tuple[Piece, ...]
    rest: int


class Conversation(Struct, frozen=True):
    """A request as a row of sizes; tokens are estimates."""

    head: int
    """Of what stands before the first message: tools and system."""
    rows: tuple[_Row, ...]

    @property
    def pieces(self) -> Iterator[Piece]:
        return (piece for row in self.rows for piece in row.pieces)

    def offsets(self, shortened: Mapping[str, int]) -> tuple[dict[str, int], int]:
        """Where each piece begins and how long the whole is, when the pieces of these keys have so many tokens."""
        at, found = self.head, {}
        for row in self.rows:
            for piece in row.pieces:
                found[piece.key] = at
                at += shortened.get(piece.key, piece.tokens)
            at += row.rest
        return found, at


def survey(request: ir.Request, *, keep: int, owner: str) -> Conversation:
    """``keep``: the turns at the end that stay as they are. ``owner``: whose conversation it is, for the keys."""
    head = sum(estimate_tokens(part.text) for part in request.system)
    head += sum(len(msgspec.json.encode(tool.parameters)) + len(tool.description or "") for tool in request.tools) // 4
    first, last = _first(request), _last(request.messages, keep)
    chain = sha256(owner.encode()).digest()
    rows: list[_Row] = []
    for index, message in enumerate(request.messages):
        chain = sha256(chain + msgspec.msgpack.encode(message)).digest()
        free = first <= index < last and _free(message)
        rows.append(_row(index, message, chain.hex(), free=free))
    return Conversation(head, tuple(rows))


def replaced(request: ir.Request, texts: Mapping[Place, str]) -> tuple[ir.Message, ...]:
    """The messages with these texts in their places. All else, calls and results with their ids included, stays."""
    messages = list(request.messages)
    for (index, at, part), text in texts.items():
        blocks = list(messages[index].blocks)
        blocks[at] = _with(blocks[at], part, text)
        messages[index] = msgspec.structs.replace(messages[index], blocks=tuple(blocks))
    return tuple(messages)


def _with(block: ir.Block, part: int | None, text: str) -> ir.Block:
    if isinstance(block, ir.ToolResult) and part is not None:
        content = list(block.content)
        content[part] = msgspec.structs.replace(content[part], text=text)
        return msgspec.structs.replace(block, content=tuple(content))
    return msgspec.structs.replace(block, text=text)


def _first(request: ir.Request) -> int:
    """The first message that no breakpoint of the client's covers."""
    if not request.extras.keys().isdisjoint(_BREAKPOINTS):
        return len(request.messages)
    marked = (index for index in reversed(range(len(request.messages))) if _marked(request.messages[index]))
    return next(marked, -1) + 1


def _marked(message: ir.Message) -> bool:
    holders = [message.extras]
    for block in message.blocks:
        holders += [] if isinstance(block, ir.Opaque) else [block.extras]
        holders += [part.extras for part in block.content] if isinstance(block, ir.ToolResult) else []
    return any(not extras.keys().isdisjoint(_BREAKPOINTS) for extras in holders if extras)


def _last(messages: Sequence[ir.Message], keep: int) -> int:
    """Where the turns begin that stay. The results of tools belong to the turn that called them."""
    for index in reversed(range(len(messages))):
        message = messages[index]
        if message.role in ("user", "assistant") and not any(type(b) is ir.ToolResult for b in message.blocks):
            keep -= 1
            if keep <= 0:
                return index
    return 0


def _free(message: ir.Message) -> bool:
    return message.role in _ROLES and not any(
        isinstance(block, ir.Opaque | ir.Refusal) or getattr(block, "state", None) is not None
        for block in message.blocks
    )


def _row(index: int, message: ir.Message, chain: str, *, free: bool) -> _Row:
    pieces: list[Piece] = []
    rest = 4
    for place, part in _parts(index, message):
        tokens = _size(part)
        if free and isinstance(part, ir.Text) and _may_be_shortened(part, tokens):
            pieces.append(Piece(place, part.text, tokens, f"{chain}.{place[1]}.{place[2]}"))
        else:
            rest += tokens
    return _Row(tuple(pieces), rest)


def _parts(index: int, message: ir.Message) -> Iterator[tuple[Place, ir.Block]]:
    for at, block in enumerate(message.blocks):
        if isinstance(block, ir.ToolResult):
            yield from (((index, at, part), each) for part, each in enumerate(block.content))
        else:
            yield (index, at, None), block


def _may_be_shortened(text: ir.Text, tokens: int) -> bool:
    plain = not (text.annotations or text.extras) and TAG not in text.text
    return tokens >= SHORTEST and plain and readable(text.text)


def _size(block: ir.Block) -> int:
    match block:
        case ir.Text(text=text) | ir.Reasoning(text=text) | ir.Refusal(text=text):
            return estimate_tokens(text)
        case ir.ToolCall(arguments=arguments):
            return estimate_tokens(arguments)
        case ir.Media(kind="image"):
            return IMAGE_TOKENS
        case ir.Opaque(raw=raw):
            return len(bytes(raw)) // 4
    return 0
