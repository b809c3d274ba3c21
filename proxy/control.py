"""What the supervisor and its workers say to each other: one JSON message a line, over a socket pair."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

LIMIT = 16 * 1024 * 1024
"""A configuration file larger than this is refused; bytes."""


class Load(Struct, frozen=True, tag="load"):
    """Build this configuration, and say whether it could be built. Its repr leaves out the text: it holds secrets."""

    generation: int
    text: str
    file: str

    def __repr__(self) -> str:
        return f"Load({self.generation}, {self.file!r})"


class Swap(Struct, frozen=True, tag="swap"):
    """Every worker has built it: follow it from now on."""

    generation: int


class Tell(Struct, frozen=True, tag="tell"):
    """The outcome of a reload, for ``GET /admin/config``; ``asked`` answers an ``Ask``."""

    outcome: dict[str, Any]
    asked: bool = False


class Drain(Struct, frozen=True, tag="drain"):
    """Take no more calls, finish those in flight, and leave. ``at_once``: those in flight are cut off."""

    at_once: bool = False


class Built(Struct, frozen=True, tag="built"):
    """``problem`` is None when it could be built."""

    generation: int
    problem: str | None = None


class Swapped(Struct, frozen=True, tag="swapped"):
    """This worker's new calls follow the generation. ``problem`` says why it cannot serve at all, and leaves."""

    generation: int
    problem: str | None = None


class Ask(Struct, frozen=True, tag="ask"):
    """A worker was asked for a reload (``POST /admin/config/reload``). ``who``: by whom."""

    who: str | None = None


class Wish(Struct, frozen=True, tag="wish"):
    """A worker was asked for something else that only the supervisor can do. ``entry``: a number of the history;
    ``text``: a configuration, ``last``: how many decisions it is held against."""

    what: Literal["dry_run", "history", "show", "rollback"]
    number: int = 0
    who: str | None = None
    entry: int | None = None
    text: str | None = None
    last: int = 1000


class Granted(Struct, frozen=True, tag="granted"):
    """What came of the wish of this number."""

    number: int
    outcome: dict[str, Any]


class Scrape(Struct, frozen=True, tag="scrape"):
    """The worker in ``slot`` was asked for everybody's metrics: the supervisor passes the question on to the others."""

    slot: int
    number: int


class Counted(Struct, frozen=True, tag="counted"):
    """A worker's own metrics (``telemetry.metrics``), passed on to the one in ``slot`` that asked."""

    slot: int
    number: int
    series: msgspec.Raw


Order: TypeAlias = Load | Swap | Tell | Drain | Scrape | Counted | Granted
Report: TypeAlias = Built | Swapped | Ask | Scrape | Counted | Wish

_orders = msgspec.json.Decoder(Order)
_reports = msgspec.json.Decoder(Report)


class Channel:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def say(self, message: Order | Report) -> None:
        """Send without waiting: messages are few and small."""
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(message) + b"\n")

    async def order(self) -> Order | None:
        """The supervisor's next word, or None when it is gone."""
        line = await self._line()
        return _orders.decode(line) if line else None

    async def report(self) -> Report | None:
        """The worker's next word, or None when it is gone."""
        line = await self._line()
        return _reports.decode(line) if line else None

    def close(self) -> None:
        self._writer.close()

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""
