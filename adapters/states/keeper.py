"""Overhears an answer: whose state it is, and what must be kept of a turn that calls tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.call_ids import legal_id
from adapters.states.homes import HOMES


class Kept(Struct, frozen=True, omit_defaults=True):
    """The state of one tool call, and of the reasoning between it and the call before it."""

    family: ir.Family
    model: str
    """The model that was asked of the upstream: state is bound to it."""
    opening: tuple[ir.Reasoning, ...] = ()
    """What was thought before the turn's first word."""
    before: tuple[ir.Reasoning, ...] = ()
    """What was thought after it, right before this call."""
    call: ir.VendorState | None = None


class _Thought(Struct):
    """A reasoning item while it is being told; its summary has a part for each block."""

    id: str | None
    opening: bool
    text: str = ""
    summary: list[str] = []
    state: ir.VendorState | None = None

    def reasoning(self) -> ir.Reasoning:
        return ir.Reasoning(self.text, tuple(part for part in self.summary if part), self.state, self.id)


class _Choice(Struct):
    """One choice: the thoughts since its last call, by item, and whether it has said anything."""

    thoughts: dict[int, _Thought] = {}
    spoken: bool = False


class Keeper:
    """Passes an answer's events on, as the upstream told them, with its states bound to the upstream's model."""

    def __init__(self, upstream: ir.Upstream) -> None:
        self._family = upstream.family
        self._model = upstream.model
        self._choices: dict[int, _Choice] = {}
        self._open: dict[int, _Thought] = {}
        self._calls: dict[int, str] = {}
        self._kept: dict[str, Kept] = {}

    def __call__(self, event: ir.Event) -> Iterable[ir.Event]:
        """One event of the answer."""
        if type(event) is ir.Delta:
            if event.block in self._open:
                self._think(self._open[event.block], event)
        elif type(event) is ir.BlockStarted:
            return (self._start(event),)
        elif type(event) is ir.BlockEnded:
            return (self._end(event),)
        return (event,)

    def kept(self) -> Mapping[str, bytes]:
        """Tool call id (``legal_id``) -> encoded ``Kept``; empty when the answer had no state or no calls."""
        found = {id_: kept for id_, kept in self._kept.items() if kept.opening or kept.before or kept.call}
        return {id_: msgspec.json.encode(kept) for id_, kept in found.items()}

    def _start(self, event: ir.BlockStarted) -> ir.BlockStarted:
        choice = self._choices.setdefault(event.choice, _Choice())
        if event.kind == "reasoning":
            thought = choice.thoughts.setdefault(event.item, _Thought(event.meta.get("item_id"), not choice.spoken))
            thought.summary.append("")
            self._open[event.block] = thought
        elif event.kind in ir.CALLS:
            self._call(event, choice)
        choice.spoken = choice.spoken or event.kind != "reasoning"
        state = event.meta.get("state")
        if state is None:
            return event
        return msgspec.structs.replace(event, meta={**event.meta, "state": self._bound(state)})

    def _call(self, event: ir.BlockStarted, choice: _Choice) -> None:
        signed = [thought for thought in choice.thoughts.values() if thought.state is not None]
        choice.thoughts = {}
        self._calls[event.block] = id_ = legal_id(str(event.meta.get("id") or ""))
        self._kept[id_] = Kept(
            self._family,
            self._model,
            tuple(thought.reasoning() for thought in signed if thought.opening),
            tuple(thought.reasoning() for thought in signed if not thought.opening),
        )

    def _think(self, thought: _Thought, event: ir.Delta) -> None:
        if event.channel == "summary":
            thought.summary[-1] += event.data
        elif event.channel == "text":
            thought.text += event.data

    def _end(self, event: ir.BlockEnded) -> ir.BlockEnded:
        thought, call = self._open.pop(event.block, None), self._calls.get(event.block)
        if event.state is None:
            return event
        state = self._bound(event.state)
        if thought is not None:
            thought.state = state
        elif call is not None:
            self._kept[call] = msgspec.structs.replace(self._kept[call], call=state)
        return ir.BlockEnded(event.block, state, event.raw)

    def _bound(self, state: ir.VendorState) -> ir.VendorState:
        return msgspec.structs.replace(state, model=self._model)


def keeper(upstream: ir.Upstream) -> Keeper | None:
    """For one answer of this upstream; None where its dialect tells no state."""
    return Keeper(upstream) if upstream.dialect in HOMES else None
