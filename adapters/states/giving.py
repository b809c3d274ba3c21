"""State on its way back: every upstream gets its own, where its vendor expects it, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    calls = [call for message in request.messages for call in _bare_calls(message, family)]
    return list(dict.fromkeys(legal_id(call.id) for call in calls))


def _bare_calls(message: ir.Message, family: ir.Family) -> list[ir.ToolCall]:
    """The calls of a turn that came without any state for this family; what is sealed counts as such."""
    if any(state.family == family or is_sealed(state) for state in _states(message)):
        return []
    return [block for block in message.blocks if isinstance(block, ir.ToolCall)]


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
    messages = tuple(giving.message(m) if m.role == "assistant" else m for m in request.messages)
    return msgspec.structs.replace(request, messages=messages), tuple(giving.removed)


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

    def message(self, message: ir.Message) -> ir.Message:
        """One assistant's turn."""
        settled = [self._settled(block) for block in message.blocks]
        blocks = [self._signed(block) for block in settled if block is not None]
        return msgspec.structs.replace(message, blocks=tuple(self._with_kept(blocks)))

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

    def _signed(self, block: ir.Block) -> ir.Block:
        """A call with the state that came for it; a real one that it has already wins."""
        return _with_state(block, self._carried.get(legal_id(block.id))) if isinstance(block, ir.ToolCall) else block

    def _with_kept(self, blocks: Sequence[ir.Block]) -> list[ir.Block]:
        """The turn with what was stored of its calls. Where the client brought back no reasoning of this vendor, the
        stored one takes its place; the client's own words for the same thoughts go."""
        kept = [(block, self._found(block)) for block in blocks]
        opening = [thought for _, found in kept if found is not None for thought in found.opening]
        stored = opening or any(found.before for _, found in kept if found is not None)
        if not stored or any(map(_is_signed, blocks)):
            return [block if found is None else _with_state(block, found.call) for block, found in kept]
        out: list[ir.Block] = [*opening]
        for block, found in kept:
            if found is not None:
                out += [*found.before, _with_state(block, found.call)]
            elif not isinstance(block, ir.Reasoning):
                out.append(block)
        return out

    def _found(self, block: ir.Block) -> Kept | None:
        raw = self._kept.get(legal_id(block.id)) if isinstance(block, ir.ToolCall) else None
        kept = None if raw is None else _kept.decode(raw)
        return kept if kept is not None and (kept.family, kept.model) == (self._family, self._model) else None


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
