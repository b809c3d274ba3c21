"""Finds the JSON in an answer whose format was asked for by a tool or by words, and tells it as the answer's text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from adapters import ir

Rewrite = Callable[[Sequence[ir.Event]], Iterable[ir.Event]]

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n(.*?)```", re.DOTALL)
_json = msgspec.json.Decoder()


class Gathered:
    """An Undo that sees an answer as a whole: it holds every event until the last."""

    def __init__(self, rewrite: Rewrite) -> None:
        self._rewrite = rewrite
        self._held: list[ir.Event] = []

    def __call__(self, event: ir.Event) -> Iterable[ir.Event]:
        self._held.append(event)
        if isinstance(event, ir.Failed):
            return self._held
        return self._rewrite(self._held) if isinstance(event, ir.Ended) else ()


def from_tool(name: str) -> Rewrite:
    """The arguments of the first call of the tool ``name`` become the text; what is said beside them is not shown. A
    call without arguments is ``{}`` (G10)."""

    def rewrite(events: Sequence[ir.Event]) -> Iterator[ir.Event]:
        calls: dict[int, int] = {}
        for start in _blocks(events, "tool_call"):
            if start.meta.get("name") == name:
                calls.setdefault(start.choice, start.block)
        hidden = {
            start.block
            for start in _blocks(events, "text", "tool_call")
            if start.choice in calls and start.block != calls[start.choice]
        }
        empty = {block for block in calls.values() if not _text(events, block).strip()}
        for event in events:
            if isinstance(event, ir.BlockEnded) and event.block in empty:
                yield ir.Delta(event.block, "text", "{}")
            if _block(event) not in hidden:
                yield _as_text(event, calls)

    return rewrite


def _as_text(event: ir.Event, calls: dict[int, int]) -> ir.Event:
    match event:
        case ir.BlockStarted(block, _, item, choice) if calls.get(choice) == block:
            return ir.BlockStarted(block, "text", item, choice)
        case ir.Delta(block, _, data) if block in calls.values():
            return ir.Delta(block, "text", data)
        case ir.BlockEnded(block) if block in calls.values():
            return ir.BlockEnded(block)
        case ir.Finished(choice, "tool_calls", detail) if choice in calls:
            return ir.Finished(choice, "stop", detail)
    return event


def from_words(events: Sequence[ir.Event]) -> Iterator[ir.Event]:
    """In each choice that calls no tool: the last text that holds JSON becomes the only one, and holds nothing else."""
    shown, hidden = _texts(events)
    told: set[int] = set()
    for event in events:
        block = _block(event)
        if block in hidden:
            continue
        if block not in shown or not isinstance(event, ir.Delta | ir.Annotated):
            yield event
        elif isinstance(event, ir.Delta) and block not in told:
            told.add(block)
            yield ir.Delta(block, "text", shown[block], _logprobs(events, block))


def _texts(events: Sequence[ir.Event]) -> tuple[dict[int, str], set[int]]:
    """-> the blocks that are told otherwise, with their texts, and the blocks that are not told."""
    shown: dict[int, str] = {}
    hidden: set[int] = set()
    calling = {start.choice for start in _blocks(events, *ir.CALLS)}
    texts: dict[int, list[int]] = {}
    for start in _blocks(events, "text"):
        if start.choice not in calling:
            texts.setdefault(start.choice, []).append(start.block)
    for blocks in texts.values():
        found = next(((b, text) for b in reversed(blocks) if (text := json_in(_text(events, b))) is not None), None)
        if found is not None:
            hidden.update(set(blocks) - {found[0]})
            if found[1] != _text(events, found[0]):
                shown[found[0]] = found[1]
    return shown, hidden


def json_in(text: str) -> str | None:
    """The JSON that the text is, or that stands in its one code fence or between its prose; None where there is none
    or where it is not clear which is meant. Of an object and a list the longer: prose has its ``[1]``."""
    fences = _FENCE.findall(text)
    between = sorted((_between(text, "{", "}"), _between(text, "[", "]")), key=len, reverse=True)
    candidates = [text, *(fences if len(fences) == 1 else []), *between]
    return next((found.strip() for found in candidates if _is_json(found)), None)


def _between(text: str, first: str, last: str) -> str:
    start = text.find(first)
    return text[start : text.rfind(last) + 1] if start >= 0 else ""


def _is_json(text: str) -> bool:
    try:
        _json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _text(events: Sequence[ir.Event], block: int) -> str:
    return "".join(event.data for event in events if isinstance(event, ir.Delta) and event.block == block)


def _logprobs(events: Sequence[ir.Event], block: int) -> list[Any] | None:
    """Of all tokens that were sampled, also those of what is not shown."""
    told = (event.logprobs for event in events if isinstance(event, ir.Delta) and event.block == block)
    return [token for tokens in told for token in tokens or ()] or None


def _blocks(events: Sequence[ir.Event], *kinds: str) -> Iterator[ir.BlockStarted]:
    return (event for event in events if isinstance(event, ir.BlockStarted) and event.kind in kinds)


def _block(event: ir.Event) -> int | None:
    return event.block if isinstance(event, ir.BlockStarted | ir.Delta | ir.Annotated | ir.BlockEnded) else None
