"""What a step of the fitting gives: the changed request, and how its answer is changed back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from adapters import ir


class Undo(Protocol):
    """Changes one answer back, event by event; it may hold events until it knows."""

    def __call__(self, event: ir.Event) -> Iterable[ir.Event]: ...


class Emulation(Struct, frozen=True):
    """A format that the backend does not enforce: its answer is collected, judged, and asked for once more if need be
    (decision D24). ``by``: a forced tool of the name ``tool``, or words."""

    by: Literal["tool", "words"]
    schema: Any = None
    """JSON Schema; None: any JSON object."""
    tool: str | None = None


class Fitted(Struct, frozen=True):
    """A request, changed for one backend. ``undo`` makes, for each answer, what changes it back."""

    request: ir.Request
    undo: tuple[Callable[[], Undo], ...] = ()
    """In the order in which an answer passes through them."""
    named: tuple[ir.Named, ...] = ()
    """What was changed in a way that the client should know of, for ``x-turnout-dropped``."""
    emulation: Emulation | None = None

    def then(self, later: Fitted) -> Fitted:
        """Both, one after the other: answers pass through the later change first."""
        if not (self.undo or self.named or self.emulation):
            return later
        return msgspec.structs.replace(
            later,
            undo=(*later.undo, *self.undo),
            named=(*self.named, *later.named),
            emulation=later.emulation or self.emulation,
        )

    def undoing(self) -> Chain | None:
        """What changes one answer back, or None where nothing was changed."""
        return Chain(tuple(make() for make in self.undo)) if self.undo else None


class Chain:
    """Several changes back, one after the other."""

    def __init__(self, undos: tuple[Undo, ...]) -> None:
        self._undos = undos

    def __call__(self, event: ir.Event) -> Iterable[ir.Event]:
        events: Iterable[ir.Event] = (event,)
        for undo in self._undos:
            events = [changed for each in events for changed in undo(each)]
        return events
