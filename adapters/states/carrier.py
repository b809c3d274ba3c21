"""Turns another vendor's state into what the client's own dialect gives back: sealed, in a reasoning block's state."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from adapters import ir
from adapters.states.envelope import Seal, closed
from adapters.states.homes import HOMES, Home


class Carrier:
    """Events of one answer in, events for a client of ``home`` out.

    A call's state goes into the reasoning right before it if that has none of its own, else into an empty reasoning
    block beside the call; the envelope names the call, so that its place does not matter on the way back. The state of
    plain text is not carried: Google checks it nowhere, and a block after the answer's last word would surprise
    clients that look for the text at the end.
    """

    def __init__(self, home: Home, seal: Seal, classes: Collection[str] = ()) -> None:
        self._home = home
        self._seal = seal
        self._classes = tuple(sorted(classes))
        self._made = 0
        self._calls: dict[int, ir.BlockStarted] = {}
        self._ids: dict[int, str | None] = {}
        self._waiting: ir.BlockEnded | None = None
        """The end of a reasoning block without state: a call that follows may have one."""

    def __call__(self, event: ir.Event) -> Iterable[ir.Event]:
        if type(event) is ir.Delta and self._waiting is None:
            return (event,)
        return self._event(event)

    def _event(self, event: ir.Event) -> Iterator[ir.Event]:
        if isinstance(event, ir.UsageReported):
            yield event
            return
        waiting, self._waiting = self._waiting, None
        if isinstance(event, ir.BlockStarted):
            yield from self._start(event, waiting)
            return
        if waiting is not None:
            yield waiting
        if isinstance(event, ir.BlockEnded):
            yield from self._end(event)
        else:
            yield event

    def _start(self, event: ir.BlockStarted, waiting: ir.BlockEnded | None) -> Iterator[ir.Event]:
        state = self._foreign(event.meta.get("state"))
        sealed = None if state is None else self._sealed(state, call=str(event.meta.get("id")))
        if waiting is not None:
            yield waiting if sealed is None else ir.BlockEnded(waiting.block, sealed)
        elif sealed is not None:
            yield from self._carried(sealed, event.choice)
        if event.kind == "reasoning":
            self._ids[event.block] = event.meta.get("item_id")
        elif event.kind in ir.CALLS and sealed is None:
            self._calls[event.block] = event
        yield event

    def _end(self, event: ir.BlockEnded) -> Iterator[ir.Event]:
        state, call = self._foreign(event.state), self._calls.pop(event.block, None)
        if event.block in self._ids:
            id_ = self._ids.pop(event.block)
            if event.state is None:
                self._waiting = event
            else:
                yield event if state is None else ir.BlockEnded(event.block, self._sealed(state, id_=id_))
            return
        yield event
        if call is not None and state is not None:
            yield from self._carried(self._sealed(state, call=str(call.meta.get("id"))), call.choice)

    def _carried(self, sealed: ir.VendorState, choice: int) -> Iterator[ir.Event]:
        """A block of our own; its number is one that no upstream's block has."""
        self._made -= 1
        yield ir.BlockStarted(self._made, "reasoning", self._made, choice)
        yield ir.BlockEnded(self._made, sealed)

    def _foreign(self, state: ir.VendorState | None) -> ir.VendorState | None:
        return state if state is not None and state.family != self._home.family else None

    def _sealed(self, state: ir.VendorState, *, call: str | None = None, id_: str | None = None) -> ir.VendorState:
        text = closed(state, self._seal, call=call, id=id_, classes=self._classes)
        return ir.VendorState(self._home.family, self._home.kind, text)


def carrier(dialect: str, upstream: ir.Upstream, seal: Seal, classes: Collection[str] = ()) -> Carrier | None:
    """For one answer of this upstream to a client that speaks ``dialect``; None where nothing has to be sealed.
    ``classes``: the data classes that what is sealed carries on."""
    home, told = HOMES.get(dialect), HOMES.get(upstream.dialect)
    return (
        Carrier(home, seal, classes) if home is not None and told is not None and home.family != told.family else None
    )
