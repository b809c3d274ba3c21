"""Station 9 as a pure machine: upstream bytes in, client bytes out, usage overheard, the end held back.

Exact: the dialects match and frames pass unchanged. Translated (and Mended, where both sides speak the same dialect
but the server speaks it in its own way): read into the hub and written out again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

import msgspec

from adapters import failures, ir
from adapters.call_ids import legal_id
from adapters.dialect import Dialect, Passable, Writer
from adapters.fitting import Undo
from adapters.sse import Frame, Splitter, TooLong

_TOO_LONG = failures.bad_response("an event that is too large")
_ENDS = (ir.Failed, ir.Finished)


class StreamRelay:
    """One streamed answer.

    ``feed`` returns what may be sent now. The end (the first frame that finishes the answer and all that follows it)
    gathers in ``tail``, for the pump to release once the row is committed (decision D3).
    """

    def __init__(  # noqa: PLR0913 - all that one stream depends on, by name
        self,
        source: Passable,
        target: Passable,
        echo: ir.Echo,
        *,
        exact: bool,
        hide_usage: bool = False,
        mask: Callable[[str], str] = str,
        choices: int | None = None,
        undo: Undo | None = None,
        hear: Callable[[ir.Event], None] | None = None,
    ) -> None:
        """``hide_usage``: the client asked for no usage frame. ``mask`` takes secrets out of an error's words.
        ``choices``: how many answers were asked for, where the request is unread; the end begins with the last.
        ``undo`` changes back what was changed for this upstream. Translated relays only. ``hear`` is told every event
        that the client is told."""
        self.tail: list[bytes] = []
        self.usage: ir.Usage | None = None
        self.failure: ir.Failure | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.call: str | None = None
        """The first tool call's id."""
        self.finishes: dict[int, ir.Finished] = {}
        self.meaningful = False
        self.done = False
        self.reasoning_chars = 0
        self.answer_chars = 0
        self._choices = max(choices or (echo.request.n if echo.request else None) or 1, 1)
        self._splitter = Splitter()
        self._reader = source.reader()
        self._target = target
        self._foreign = source.family != target.family
        self._writer: Writer | None = None if exact else cast(Dialect, target).writer(echo)
        self._echo = echo
        self._hide_usage = hide_usage
        self._mask = mask
        self._undo = undo
        self._hear = hear
        self._thoughts: set[int] = set()
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._rename: Renamer | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Bytes as they came from the upstream -> whole client events."""
        out: list[bytes] = []
        try:
            for frame in self._splitter.feed(data):
                if self.done:
                    break
                self._frame(frame, out)
        except TooLong:
            self.fail(_TOO_LONG)
        return out

    def replay(self, events: Iterable[ir.Event]) -> list[bytes]:
        """A whole answer, told as a stream. Translated relays only."""
        out: list[bytes] = []
        self._events(events, None, out)
        return out

    def close(self) -> list[bytes]:
        """The upstream's bytes are over. Without an end of its own that is a failure, never a ``stop``."""
        out: list[bytes] = []
        for frame in self._splitter.end():
            if not self.done:
                self._frame(frame, out)
        if not self.done:
            self._events(self._reader.end(), None, out)
        return out

    def fail(self, failure: ir.Failure) -> None:
        """A timer, a reset, a cut: tell it in the client's own dialect."""
        if self.done:
            return
        failure = msgspec.structs.replace(failure, message=self._mask(failure.message))
        self._note(ir.Failed(failure))
        if self._writer is not None:
            self.tail += self._writer.write(ir.Failed(failure))
        else:
            self.tail += self._target.cut(failure, self._first, self._last, self._echo)

    def _frame(self, frame: Frame, out: list[bytes]) -> None:
        self._events(self._reader.read(frame), frame, out)

    def _events(self, events: Iterable[ir.Event], frame: Frame | None, out: list[bytes]) -> None:
        if self._writer is None:
            self._pass(list(events), frame, out)
            return
        for told in events:
            for event in (told,) if self._undo is None else self._undo(told):
                if isinstance(event, _ENDS) and (failure := _failure(event, foreign=self._foreign)) is not None:
                    self.fail(failure)
                    return
                self._note(event)
                lines = self._writer.write(event)
                (self.tail if self._ending else out).extend(lines)

    def _pass(self, events: list[ir.Event], frame: Frame | None, out: list[bytes]) -> None:
        for event in events:
            if isinstance(event, ir.Failed):
                self.fail(event.failure)
                return
            self._note(event)
        if frame is not None and frame.data != b"[DONE]" and not self._only_ours(events):
            (self.tail if self._ending else out).append(self._renamed(frame))
            self._first = self._first or frame
            self._last = frame
        if self.done:
            self.tail.append(self._target.terminator)

    def _only_ours(self, events: list[ir.Event]) -> bool:
        return self._hide_usage and bool(events) and all(isinstance(e, ir.UsageReported) for e in events)

    def _renamed(self, frame: Frame) -> bytes:
        raw = frame.raw
        if self.model is None or self.model == self._echo.model:
            return raw
        if self._rename is None:
            self._rename = renamer(self.model, self._echo.model)
        return self._rename(raw)

    @property
    def _ending(self) -> bool:
        return self.done or len(self.finishes) >= self._choices

    def _note(self, event: ir.Event) -> None:
        if self._hear is not None:
            self._hear(event)
        match event:
            case ir.Delta() | ir.BlockStarted():
                self.meaningful = True
                self._count(event)
            case ir.Finished(choice):
                self.finishes[choice] = event
                self.meaningful = True
            case ir.Failed(failure):
                self.failure = failure
                self.done = self.meaningful = True
            case ir.Ended():
                self.done = True
            case ir.UsageReported(usage):
                self.usage = usage if self.usage is None else self.usage.merged(usage)
            case ir.Started(id, model):
                self.model = model or self.model
                self.id = id or self.id
            case _:
                pass

    def _count(self, event: ir.Delta | ir.BlockStarted) -> None:
        """Characters of thought and of answer: what the reasoning split is estimated from."""
        if isinstance(event, ir.BlockStarted):
            if event.kind == "reasoning":
                self._thoughts.add(event.block)
            elif self.call is None:
                self.call = _call(event.kind, event.meta)
        elif event.block in self._thoughts:
            self.reasoning_chars += len(event.data)
        elif event.channel != "state":
            self.answer_chars += len(event.data)


class Whole:
    """One answer that is not streamed: ``body`` for the client, and what was overheard on the way."""

    def __init__(
        self,
        source: Passable,
        target: Passable,
        echo: ir.Echo,
        body: bytes,
        *,
        exact: bool,
        undo: Undo | None = None,
    ) -> None:
        """``undo`` as in StreamRelay."""
        events = source.read_response(body)
        self.events = events if undo is None else [e for event in events for e in undo(event)]
        self.reply = ir.collect(self.events)
        foreign = source.family != target.family and not exact
        ends = [_failure(finished, foreign=foreign) for finished in self.reply.finishes.values()]
        self.failure = next(filter(None, ends), self.reply.failure)
        self.usage = self.reply.usage
        self.model = self.reply.started.model
        self.id = self.reply.started.id
        self.call = next(filter(None, (_call(block.kind, block.meta) for block in self.reply.blocks)), None)
        self.reasoning_chars = sum(
            len(b.text or "".join(b.summary)) for b in self.reply.blocks if b.kind == "reasoning"
        )
        self.answer_chars = sum(len(b.text) for b in self.reply.blocks if b.kind != "reasoning")
        self.body = b""
        if self.failure is not None:
            return
        if not exact:
            self.body = cast(Dialect, target).write_response(self.reply, echo)
        else:
            self.body = renamer(self.model, echo.model)(body) if self.model and self.model != echo.model else body


def _call(kind: ir.BlockKind, meta: Mapping[str, Any]) -> str | None:
    """The id of a tool call; None for anything else, and where it has none."""
    return legal_id(str(meta["id"])) if kind in ir.CALLS and meta.get("id") else None


def _failure(event: ir.Failed | ir.Finished, *, foreign: bool) -> ir.Failure | None:
    """What ends this answer as an error: the upstream's own failure, or (``foreign``: for a client of another family)
    a pause, which that client could not resume and must not take for an end (G24)."""
    if isinstance(event, ir.Failed):
        return event.failure
    return failures.paused(event.detail) if foreign and event.detail in failures.PAUSES else None


class Renamer:
    """Shows the alias where the upstream named its model, in bytes that otherwise pass untouched.

    Safe on raw JSON: within a JSON string the quotes of this pattern would be escaped.
    """

    def __init__(self, upstream: str, shown: str) -> None:
        self._pattern = re.compile(rb'("model"\s*:\s*)' + re.escape(msgspec.json.encode(upstream)))
        self._shown = rb"\g<1>" + msgspec.json.encode(shown).replace(b"\\", b"\\\\")

    def __call__(self, raw: bytes) -> bytes:
        return self._pattern.sub(self._shown, raw, count=1)


@lru_cache(maxsize=256)
def renamer(upstream: str, shown: str) -> Renamer:
    """Compiled once: an operator's aliases and models are few."""
    return Renamer(upstream, shown)
