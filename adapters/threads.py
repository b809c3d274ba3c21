"""What tells one conversation from another, and whether it waits for tools, from the raw top level of a request.

Nothing else is read, so that bytes may still pass unread. The three dialects that clients speak put their turns under
``messages`` or ``input`` and what stands before them under ``system`` or ``instructions``; the few words in which their
turns differ stand here side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.call_ids import legal_id

Words: TypeAlias = tuple[str, ...]

BOUND = 4096
"""Characters of one text that are looked at, beside its length."""
_FIRST = 8
"""Turns among which a conversation begins: instructions, the first question, the first answer."""
_LAST = 256
"""Turns among which the results of one answer's calls stand."""
_RESULTS = ("function_call_output", "custom_tool_call_output", "tool_result")
_CALLS = ("function_call", "custom_tool_call", "reasoning")
_SYSTEM = ("system", "developer")
_NULL = msgspec.Raw(b"null")
_QUOTE, _BRACKET = b'"['


class Marks(Struct, frozen=True):
    """What a conversation is known by. It is the client's own text: to be hashed, never to be kept."""

    system: Words = ()
    question: Words = ()
    """The first one."""
    answer: Words = ()
    """The first one, with the ids of its tool calls; empty: this request begins the conversation."""
    results: Words = ()
    """The calls (``legal_id``) whose results this request brings, since its last answer, which made them; an empty
    word for one without an id."""


class _Turn(Struct):
    """The least of a turn, a Responses item or a part. Any: a wrong type is for the reader of requests to tell."""

    role: Any = None
    type: Any = None
    id: Any = None
    call_id: Any = None
    tool_call_id: Any = None
    tool_use_id: Any = None
    text: Any = None
    content: msgspec.Raw = _NULL
    tool_calls: msgspec.Raw = _NULL


_TOLD = msgspec.json.Decoder(str | list[msgspec.Raw])
_turn = msgspec.json.Decoder(_Turn)
_turns = msgspec.json.Decoder(list[_Turn])
_text = msgspec.json.Decoder(str)


def marks(top: ir.Extras) -> Marks | None:
    """What the conversation of this request is known by; None where it has no turns that can be read."""
    told = top.get("messages", top.get("input"))
    if told is None:
        return None
    try:
        system = [word for name in ("system", "instructions") if name in top for word in _in(top[name])]
        turns = _TOLD.decode(told)
        return Marks(tuple(system), (_bounded(turns),)) if isinstance(turns, str) else _marks(system, turns)
    except (msgspec.MsgspecError, RecursionError):
        return None


def session(top: ir.Extras) -> str | None:
    """The client's own name for the conversation: ``prompt_cache_key``."""
    try:
        return _text.decode(top["prompt_cache_key"]) or None if "prompt_cache_key" in top else None
    except msgspec.MsgspecError:
        return None


def _marks(system: list[str], raws: list[msgspec.Raw]) -> Marks:
    question: Words = ()
    answer: Words = ()
    for turn in map(_turn.decode, islice(raws, _FIRST)):
        if _is_answer(turn):
            answer = tuple(_said(turn))
            break
        if turn.role in _SYSTEM:
            system += _said(turn)
        elif not question:
            question = tuple(_said(turn))
    return Marks(tuple(system), question, answer, tuple(_results(raws)))


def _results(raws: list[msgspec.Raw]) -> Iterator[str]:
    for turn in map(_turn.decode, islice(reversed(raws), _LAST)):
        if _is_answer(turn):
            return
        parts = _parts(turn.content) if turn.role == "user" else (turn,)
        for part in parts:
            if part.role in ("tool", "function") or part.type in _RESULTS:
                name = part.tool_call_id or part.tool_use_id or part.call_id
                yield legal_id(str(name)) if name else ""


def _is_answer(turn: _Turn) -> bool:
    return turn.role == "assistant" or (turn.role is None and turn.type in _CALLS)


def _said(turn: _Turn) -> Iterator[str]:
    """The words of a turn and the ids of what it called for: nothing that clients change from one request to the next
    (cache breakpoints, states, whether a text stands in a list)."""
    yield from _in(turn.content)
    yield from _own(turn)
    for call in _parts(turn.tool_calls):
        yield from _own(call)


def _in(raw: msgspec.Raw) -> Iterator[str]:
    """The words of a text, or of a list of parts."""
    if memoryview(raw)[0] == _QUOTE:
        yield _bounded(_text.decode(raw))
    for part in _parts(raw):
        yield from _own(part)


def _parts(raw: msgspec.Raw) -> list[_Turn]:
    return _turns.decode(raw) if memoryview(raw)[0] == _BRACKET else []


def _own(turn: _Turn) -> Iterator[str]:
    if isinstance(turn.text, str):
        yield _bounded(turn.text)
    name = turn.call_id or turn.id
    if isinstance(name, str):
        yield name


def _bounded(text: str) -> str:
    return text if len(text) <= BOUND else f"{len(text)} {text[:BOUND]}"
