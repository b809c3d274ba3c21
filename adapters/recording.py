"""An answer as it can be kept: its hub events written down compactly, and told again as another answer of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters import ir

PIECE = 512
"""Characters of one delta when the answer is told again: some clients bound the lines they read."""

_TIMES = frozenset({"created_at", "completed_at"})
"""An upstream's own times: what is told again has its own."""


class _Block(Struct, frozen=True, array_like=True):
    """BlockStarted, with what JSON tells apart by type alone: ``raws`` and ``states`` of its ``meta``."""

    block: int
    kind: ir.BlockKind
    item: int
    choice: int
    plain: dict[str, Any]
    raws: ir.Extras
    states: dict[str, ir.VendorState]


class _End(Struct, frozen=True, array_like=True):
    """BlockEnded; ``raw`` holds one value or none (there is no optional Raw)."""

    block: int
    state: ir.VendorState | None
    raw: tuple[msgspec.Raw, ...]


_SHAPES: tuple[type[Struct], ...] = (
    ir.Started, _Block, ir.Delta, ir.Annotated, _End, ir.UsageReported, ir.Finished, ir.Ended,
)  # fmt: skip
_NUMBERS = {shape: number for number, shape in enumerate(_SHAPES)}
_DECODERS: tuple[msgspec.json.Decoder[Any], ...] = tuple(msgspec.json.Decoder(shape) for shape in _SHAPES)
_lines = msgspec.json.Decoder(list[tuple[int, msgspec.Raw]])
_encode = msgspec.json.Encoder().encode


class Recording:
    """Hears an answer while it is told, at most ``limit`` characters of it: of a longer one nothing is left."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._events: list[ir.Event] = []
        self._pieces: list[str] = []
        self._open: ir.Delta | None = None

    def hear(self, event: ir.Event) -> None:
        """The next event, as its client is told it."""
        if self._left < 0:
            return
        if type(event) is not ir.Delta:
            self._close()
            self._events.append(event)
            return
        self._left -= len(event.data)
        if self._left < 0:
            self._events, self._pieces, self._open = [], [], None
        elif event.logprobs is not None or event.channel == "state":
            self._close()
            self._events.append(event)
        else:
            self._add(event)

    def _add(self, event: ir.Delta) -> None:
        before = self._open
        if before is None or before.block != event.block or before.channel != event.channel:
            self._close()
            self._open = event
        self._pieces.append(event.data)

    def _close(self) -> None:
        if self._open is not None:
            self._events.append(msgspec.structs.replace(self._open, data="".join(self._pieces)))
            self._open, self._pieces = None, []

    def events(self) -> Sequence[ir.Event]:
        """What was heard, a run of deltas as one; nothing where it was too long."""
        self._close()
        return self._events


def encode(events: Iterable[ir.Event]) -> bytes:
    """An answer that did not fail, as bytes."""
    return _encode([(_NUMBERS[type(line)], line) for line in map(_line, events)])


def decode(data: bytes) -> list[ir.Event]:
    """What ``encode`` was given, as an answer of its own: without the upstream's id and times, in pieces of PIECE.

    Tool calls and reasoning keep their ids, for the state that their vendor must get back is known by them.
    """
    return [event for number, raw in _lines.decode(data) for event in _told(_DECODERS[number].decode(raw))]


def _line(event: ir.Event) -> Struct:
    match event:
        case ir.BlockStarted(block, kind, item, choice, meta):
            raws = {name: value for name, value in meta.items() if isinstance(value, msgspec.Raw)}
            states = {name: value for name, value in meta.items() if isinstance(value, ir.VendorState)}
            plain = {name: value for name, value in meta.items() if name not in raws and name not in states}
            return _Block(block, kind, item, choice, plain, raws, states)
        case ir.BlockEnded(block, state, raw):
            return _End(block, state, () if raw is None else (raw,))
    return event


def _told(line: Any) -> Iterator[ir.Event]:
    match line:
        case _Block(block, kind, item, choice, plain, raws, states):
            if kind in ("text", "refusal"):
                plain.pop("item_id", None)
            yield ir.BlockStarted(block, kind, item, choice, {**plain, **raws, **states})
        case _End(block, state, raw):
            yield ir.BlockEnded(block, state, raw[0] if raw else None)
        case ir.Started(extras=extras):
            yield msgspec.structs.replace(line, id=None, created=None, extras=_timeless(extras))
        case ir.Ended(extras=extras):
            yield msgspec.structs.replace(line, at=None, extras=_timeless(extras))
        case ir.Delta(data=data, logprobs=None) if len(data) > PIECE and line.channel != "state":
            yield from (msgspec.structs.replace(line, data=data[at : at + PIECE]) for at in range(0, len(data), PIECE))
        case _:
            yield line


def _timeless(extras: ir.Extras) -> ir.Extras:
    return {name: raw for name, raw in extras.items() if name not in _TIMES}
