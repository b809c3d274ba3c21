"""Station 9 as a pure machine: upstream bytes in, client bytes out, usage overheard, the end held back.

Exact: the dialects match and frames pass unchanged. Translated (and Mended, where both sides speak the same dialect
but the server speaks it in its own way): read into the hub and written out again; their end is held as events, so that
it can tell what is found out after the answer's last word: how much of it was reasoning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import msgspec

from adapters import failures, ir
from adapters.call_ids import legal_id
from adapters.dialect import Dialect, Passable, Writer
from adapters.fitting import Undo
from adapters.sse import Frame, Splitter, TooLong
from adapters.texts import Texts

_TOO_LONG = failures.bad_response("an event that is too large")
_NO_TEXT = failures.bad_response("bytes that are not UTF-8")
_ENDS = (ir.Failed, ir.Finished)


class StreamRelay:
    """One streamed answer.

    ``feed`` returns what may be sent now. The end (the first frame that finishes the answer and all that follows it)
    is held until ``release`` and then stands in ``tail``, for the pump to send once the row is committed (decision D3).
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
        texts: Texts | None = None,
    ) -> None:
        """``hide_usage``: the client asked for no usage frame. ``mask`` takes secrets out of an error's words.
        ``choices``: how many answers were asked for, where the request is unread; the end begins with the last.
        ``undo`` changes back what was changed for this upstream. Translated relays only. ``hear`` is told every event
        that the client is told. ``texts`` keeps what is said, to be counted."""
        self.texts = texts
        self.usage: ir.Usage | None = None
        self.failure: ir.Failure | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.call: str | None = None
        """The first tool call's id."""
        self.finishes: dict[int, ir.Finished] = {}
        self.meaningful = False
        self.done = False
        self.answer_chars = 0
        self._tail: list[bytes] = []
        self._held: list[ir.Event] = []
        self._thought = self._summarised = 0
        """Characters of raw reasoning, and of summaries."""
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
            if not self.done and _is_whole(frame):
                self._frame(frame, out)
        if not self.done:
            self._events(self._reader.end(), None, out)
        return out

    def cut(self, failure: ir.Failure) -> None:
        """The line broke or fell silent: a failure, but for an answer whose every choice had been finished. What was
        still to come (usage, ``[DONE]``) says nothing that its client must wait for."""
        if self._ending and not self.done:
            self._events(self._reader.end(), None, [])
        self.fail(failure)

    def fail(self, failure: ir.Failure) -> None:
        """Tell it in the client's own dialect, unless the end has been told."""
        if self.done:
            return
        failed = ir.Failed(failures.masked(failure, self._mask))
        self.release()
        self._note(failed)
        if self._writer is not None:
            self._tail += self._said(self._writer, failed)
        else:
            self._listen(failed)
            self._tail += self._target.cut(failed.failure, self._first, self._last, self._echo)

    def release(self, usage: ir.Usage | None = None) -> None:
        """Write the end, as far as it is held. It tells ``usage``, too, where that is known better than the upstream
        told it; bytes that pass unread tell what they tell."""
        if self._writer is None:
            return
        held, self._held = self._held, []
        for event in held if usage is None else _telling(usage, held):
            self._tail += self._said(self._writer, event)

    @property
    def tail(self) -> list[bytes]:
        """The end, as its client gets it; whoever asks for it releases it."""
        self.release()
        return self._tail

    def amend(self, change: Callable[[bytes], bytes]) -> None:
        """Tell the end otherwise, event by event."""
        self._tail = [change(event) for event in self.tail]

    @property
    def thinks(self) -> bool:
        """Has it begun to tell of reasoning?"""
        return bool(self._thoughts)

    @property
    def reasoning_chars(self) -> int:
        """What is summed up beside its raw text is not said twice."""
        return self._thought or self._summarised

    def _frame(self, frame: Frame, out: list[bytes]) -> None:
        if not (frame.data.isascii() or _is_text(frame.data)):
            self.fail(_NO_TEXT)
            return
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
                if self._ending:
                    self._held.append(event)
                    continue
                if self._hear is not None:
                    self._hear(event)
                out += self._writer.write(event)

    def _said(self, writer: Writer, event: ir.Event) -> list[bytes]:
        self._listen(event)
        return writer.write(event)

    def _pass(self, events: list[ir.Event], frame: Frame | None, out: list[bytes]) -> None:
        for event in events:
            if isinstance(event, ir.Failed):
                self.fail(event.failure)
                return
            self._note(event)
            self._listen(event)
        if frame is not None and frame.data != b"[DONE]" and not self._only_ours(events):
            (self._tail if self._ending else out).append(self._renamed(frame))
            self._first = self._first or frame
            self._last = frame
        if self.done:
            self._tail.append(self._target.terminator)

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

    def _listen(self, event: ir.Event) -> None:
        if self._hear is not None:
            self._hear(event)

    def _note(self, event: ir.Event) -> None:
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
            return
        if event.block not in self._thoughts:
            self.answer_chars += 0 if event.channel == "state" else len(event.data)
        elif event.channel == "text":
            self._thought += len(event.data)
        elif event.channel == "summary":
            self._summarised += len(event.data)
        if self.texts is not None:
            self.texts.add(event, thought=event.block in self._thoughts)


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
        texts: Texts | None = None,
    ) -> None:
        """``undo`` and ``texts`` as in StreamRelay."""
        events = heard(source, body)
        self.events = events if undo is None else [e for event in events for e in undo(event)]
        self.reply = ir.collect(self.events)
        self.texts = texts
        if texts is not None:
            texts.add_whole(self.reply)
        foreign = source.family != target.family and not exact
        ends = [_failure(finished, foreign=foreign) for finished in self.reply.finishes.values()]
        self.failure = next(filter(None, ends), self.reply.failure)
        self.usage = self.reply.usage
        self.model = self.reply.started.model
        self.id = self.reply.started.id
        self.call = next(filter(None, (_call(block.kind, block.meta) for block in self.reply.blocks)), None)
        thoughts = [block for block in self.reply.blocks if block.kind == "reasoning"]
        summaries = sum(len(part) for block in thoughts for part in block.summary)
        self.reasoning_chars = sum(len(block.text) for block in thoughts) or summaries
        self.answer_chars = sum(len(b.text) for b in self.reply.blocks if b.kind != "reasoning")
        self._echo = echo
        self._target = None if exact else cast(Dialect, target)
        self._passed = body
        self._body: bytes | None = None

    def release(self, usage: ir.Usage | None = None) -> None:
        """As in StreamRelay: write ``body``."""
        if self._target is not None and usage is not None:
            self.events = list(_telling(usage, self.events))
            self.reply.usage = usage if self.reply.usage is None else self.reply.usage.merged(usage)
        self._body = b"" if self.failure is not None else self._written()

    @property
    def body(self) -> bytes:
        """For the client, and empty where the answer failed; whoever asks for it releases it."""
        if self._body is None:
            self.release()
        return self._body or b""

    def amend(self, change: Callable[[bytes], bytes]) -> None:
        """Tell it otherwise."""
        self._body = change(self.body)

    def _written(self) -> bytes:
        if self._target is not None:
            return self._target.write_response(self.reply, self._echo)
        shown = self._echo.model
        return renamer(self.model, shown)(self._passed) if self.model and self.model != shown else self._passed


def _is_whole(frame: Frame) -> bool:
    """The last event of a stream may lack its blank line. Half an event is none: it was cut, and is not garbage."""
    try:
        msgspec.json.decode(frame.data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return frame.data == b"[DONE]"
    return True


def heard(source: Passable, body: bytes) -> Sequence[ir.Event]:
    """A whole answer as events; what is no text is none, wherever in it the bytes stand that are not."""
    return source.read_response(body) if _is_text(body) else [ir.Failed(_NO_TEXT)]


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _telling(usage: ir.Usage, end: Iterable[ir.Event]) -> Iterator[ir.Event]:
    """The events with ``usage`` as the last word on it."""
    told = False
    for event in end:
        if isinstance(event, ir.Ended) and not told:
            told = True
            yield ir.UsageReported(usage)
        yield event


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
