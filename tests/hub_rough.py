"""Requests as careless clients send them: aborted turns, instructions in the midst, blank texts, odd names."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from hub_strategies import Draw, texts
from hypothesis import strategies as st

from adapters import ir

Change = Callable[[Draw, ir.Request], ir.Request]
_BLANK = st.sampled_from(["", " ", "\n\t"])
_ODD = st.sampled_from([".v2", " of all", "é", "/x:y", "_" * 60])
"""What names end in that not every vendor takes."""


@st.composite
def roughened(draw: Draw, request: ir.Request) -> ir.Request:
    """The request, after up to three changes."""
    for change in draw(st.lists(st.sampled_from(_CHANGES), max_size=3, unique=True)):
        request = change(draw, request)
    return request


def _with(request: ir.Request, messages: tuple[ir.Message, ...]) -> ir.Request:
    return msgspec.structs.replace(request, messages=messages) if messages else request


def _unanswered(draw: Draw, request: ir.Request) -> ir.Request:
    """Some results never came."""
    kept = [m for m in request.messages if m.role != "tool" or draw(st.booleans())]
    return _with(request, tuple(kept))


def _instructed(draw: Draw, request: ir.Request) -> ir.Request:
    """The system has something to add."""
    role = "system" if request.family == "anthropic" else draw(st.sampled_from(["system", "developer"]))
    at = draw(st.integers(0, len(request.messages)))
    added = ir.Message(role, (ir.Text(draw(texts())),))
    return _with(request, (*request.messages[:at], added, *request.messages[at:]))


def _blank(draw: Draw, request: ir.Request) -> ir.Request:
    """One turn's words are none."""
    at = draw(st.integers(0, len(request.messages) - 1))
    message = request.messages[at]
    blank = draw(_BLANK)
    blocks = tuple(msgspec.structs.replace(b, text=blank) if isinstance(b, ir.Text) else b for b in message.blocks)
    changed = msgspec.structs.replace(message, blocks=blocks)
    return _with(request, (*request.messages[:at], changed, *request.messages[at + 1 :]))


def _odd_names(draw: Draw, request: ir.Request) -> ir.Request:
    """Tools and their calls have names that their author's own vendor took."""
    end = draw(_ODD)

    def renamed(block: ir.Block) -> ir.Block:
        odd = isinstance(block, ir.ToolCall)
        return msgspec.structs.replace(block, name=block.name + end) if odd else block

    tools = tuple(t if t.kind == "hosted" else msgspec.structs.replace(t, name=t.name + end) for t in request.tools)
    hosted = {tool.name for tool in request.tools if tool.kind == "hosted"}
    choice = request.tool_choice
    if choice is not None:
        names = (name if name in hosted else name + end for name in choice.names)
        choice = msgspec.structs.replace(choice, names=tuple(names))
    messages = tuple(
        msgspec.structs.replace(m, blocks=tuple(renamed(block) for block in m.blocks)) for m in request.messages
    )
    return msgspec.structs.replace(_with(request, messages), tools=tools, tool_choice=choice)


def _begun(draw: Draw, request: ir.Request) -> ir.Request:
    """The answer is begun for the model."""
    return _with(request, (*request.messages, ir.Message("assistant", (ir.Text(draw(texts())),))))


def _late(draw: Draw, request: ir.Request) -> ir.Request:
    """The first turn was cut away."""
    return _with(request, request.messages[1:])


_CHANGES: tuple[Change, ...] = (_unanswered, _instructed, _blank, _odd_names, _begun, _late)
