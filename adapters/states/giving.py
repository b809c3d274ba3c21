"""State on its way back: every upstream gets its own, where its vendor expects it, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby

import msgspec

from adapters import ir
from adapters.call_ids import legal_id
from adapters.states.envelope import Unseal, is_sealed, opened
from adapters.states.homes import family_at
from adapters.states.keeper import Kept

_NAMED = ir.Named("reasoning", "state of another vendor or model, or not to be opened, goes to nobody", "tuning")
_kept = msgspec.json.Decoder(Kept)


def wanted(request: ir.Request, upstream: ir.Upstream) -> Sequence[str]:
    """The ids (``legal_id``) of the calls whose state this upstream must get back and the request does not carry: all
    turns that called tools, so that what is sent stays the same from turn to turn."""
    family = family_at(upstream)
    if family is None or upstream.capabilities.thinking == "none":
        return ()
    turns = (turn for assistants, turn in _turns(request) if assistants)
    calls = [call for turn in turns for call in _bare_calls(turn, family)]
    return list(dict.fromkeys(legal_id(call.id) for call in calls))


def _turns(request: ir.Request) -> Iterator[tuple[bool, list[ir.Message]]]:
    """The messages in runs, and whether each is the assistant's. One answer may be several messages (Responses says
    text between thoughts and calls), so state belongs to the run and not to its messages."""
    for assistants, run in groupby(request.messages, key=lambda message: message.role == "assistant"):
        yield assistants, list(run)


def _bare_calls(turn: Sequence[ir.Message], family: ir.Family) -> list[ir.ToolCall]:
    """The calls of a turn that came without any state for this family; what is sealed counts as such."""
    if any(state.family == family or is_sealed(state) for message in turn for state in _states(message)):
        return []
    return [block for message in turn for block in message.blocks if isinstance(block, ir.ToolCall)]


def _states(message: ir.Message) -> list[ir.VendorState]:
    return [
        block.state
        for block in message.blocks
        if isinstance(block, ir.Reasoning | ir.ToolCall) and block.state is not None
    ]


def give_back(
    request: ir.Request, upstream: ir.Upstream, kept: Mapping[str, bytes], unseal: Unseal
) -> tuple[ir.Request, tuple[ir.Removed, ...]]:
    """The request with every state of this upstream where its vendor expects it, and without everybody else's.

    ``kept``: by ``wanted``'s ids, each a ``Kept``; it never takes the place of state that the client sent.
    """
    if not kept and not any(map(_states, request.messages)):
        return request, ()
    giving = _Giving(upstream, kept, unseal)
    turns = (giving.turn(turn) if assistants else turn for assistants, turn in _turns(request))
    return msgspec.structs.replace(request, messages=tuple(chain.from_iterable(turns))), tuple(giving.removed)


def named(removed: Sequence[ir.Removed]) -> tuple[ir.Named, ...]:
    """How the loss is told in ``x-turnout-dropped``."""
    return (_NAMED,) if removed else ()


class _Giving:
    """Goes through the turns of one request."""

    def __init__(self, upstream: ir.Upstream, kept: Mapping[str, bytes], unseal: Unseal) -> None:
        self.removed: list[ir.Removed] = []
        self._family = family_at(upstream)
        self._model = upstream.model
        self._kept = kept
        self._unseal = unseal
        self._carried: dict[str, ir.VendorState] = {}
        """Call id -> the state that a reasoning block carried for it."""

    def turn(self, turn: Sequence[ir.Message]) -> list[ir.Message]:
        """One assistant's turn, without messages that held nothing but somebody else's state."""
        settled = [map(self._settled, message.blocks) for message in turn]
        blocks = self._with_kept([[block for block in found if block is not None] for found in settled])
        return [
            msgspec.structs.replace(message, blocks=tuple(told))
            for message, told in zip(turn, blocks, strict=True)
            if told or not message.blocks
        ]

    def _settled(self, block: ir.Block) -> ir.Block | None:
        """The block with its state opened, or without it; None where nothing is left of it."""
        if not isinstance(block, ir.Reasoning | ir.ToolCall) or block.state is None:
            return block
        if isinstance(block, ir.ToolCall):
            return msgspec.structs.replace(block, state=self._own(block.state, None))
        if is_sealed(block.state):
            return self._opened(block, block.state)
        return _shown(block, self._own(block.state, block.id))

    def _own(self, state: ir.VendorState, id_: str | None) -> ir.VendorState | None:
        if state.family == self._family and not is_sealed(state):
            return state
        self.removed.append(ir.Removed(id_, "model_mismatch"))
        return None

    def _opened(self, block: ir.Reasoning, sealed: ir.VendorState) -> ir.Block | None:
        envelope = opened(sealed.data, self._unseal)
        if envelope is None or envelope.family != self._family or envelope.model != self._model:
            reason = "organization_mismatch" if envelope is None else "model_mismatch"
            self.removed.append(ir.Removed(block.id, reason))
            return _shown(block, None)
        state = ir.VendorState(envelope.family, envelope.kind, envelope.data, envelope.model)
        if envelope.call is None:
            return _shown(msgspec.structs.replace(block, id=envelope.id), state)
        self._carried[legal_id(envelope.call)] = state
        return None

    def _with_kept(self, turn: Sequence[Sequence[ir.Block]]) -> list[list[ir.Block]]:
        """The blocks of a turn's messages with what came or was stored of its calls. Where the client brought back no
        reasoning of this vendor, the stored one takes its place; the client's own words for the same thoughts go."""
        pairs = [[(self._signed(block), self._found(block)) for block in blocks] for blocks in turn]
        stored = [found for message in pairs for _, found in message if found is not None]
        if any(map(_is_signed, chain.from_iterable(turn))) or not any(kept.opening or kept.before for kept in stored):
            return [[_with_call(block, found) for block, found in message] for message in pairs]
        out = [list(_with_thoughts(message)) for message in pairs]
        out[0][:0] = [thought for kept in stored for thought in kept.opening]
        return out

    def _signed(self, block: ir.Block) -> ir.Block:
        """A call with the state that came for it; a real one that it has already wins."""
        return _with_state(block, self._carried.get(legal_id(block.id))) if isinstance(block, ir.ToolCall) else block

    def _found(self, block: ir.Block) -> Kept | None:
        raw = self._kept.get(legal_id(block.id)) if isinstance(block, ir.ToolCall) else None
        kept = None if raw is None else _kept.decode(raw)
        return kept if kept is not None and (kept.family, kept.model) == (self._family, self._model) else None


def _with_thoughts(message: Iterable[tuple[ir.Block, Kept | None]]) -> Iterator[ir.Block]:
    """Each call behind the thoughts that were stored of it, and no others."""
    for block, kept in message:
        if kept is not None:
            yield from (*kept.before, _with_call(block, kept))
        elif not isinstance(block, ir.Reasoning):
            yield block


def _with_call(block: ir.Block, kept: Kept | None) -> ir.Block:
    return block if kept is None else _with_state(block, kept.call)


def _is_signed(block: ir.Block) -> bool:
    return isinstance(block, ir.Reasoning) and block.state is not None


def _with_state(block: ir.Block, state: ir.VendorState | None) -> ir.Block:
    if not isinstance(block, ir.ToolCall) or block.state is not None or state is None:
        return block
    return msgspec.structs.replace(block, state=state)


def _shown(block: ir.Reasoning, state: ir.VendorState | None) -> ir.Reasoning | None:
    """What is left of a reasoning block: nothing, where it was there for its state alone."""
    if state is None and not block.text and not "".join(block.summary):
        return None
    return msgspec.structs.replace(block, state=state)
