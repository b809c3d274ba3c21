"""A chat server's stream, read: frames in, hub events out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec

from adapters import failures, ir
from adapters.openai_chat import errors, usage, wire
from adapters.openai_chat.choices import ChoiceReader
from adapters.sse import Frame


class Reader:
    """One answer. Never raises: what is not a chat stream becomes ir.Failed."""

    def __init__(self) -> None:
        self._started: ir.Started | None = None
        self._over = False
        self._blocks = count()
        self._choices: dict[int, ChoiceReader] = {}

    def read(self, frame: Frame) -> Sequence[ir.Event]:
        """One frame of the stream."""
        if self._over or not frame.data:
            return ()
        if frame.data == b"[DONE]":
            return self.end()
        if frame.event == "error":
            return self._fail(errors.in_frame(frame.data))
        try:
            chunk = wire.CHUNK.decode(frame.data)
        except wire.GARBAGE:
            return self._fail(failures.bad_response("an event that is not a chat completion chunk"))
        return self.chunk(chunk)

    def end(self) -> Sequence[ir.Event]:
        """The stream is over: whole if every choice was finished, ``[DONE]`` or not."""
        if self._over:
            return ()
        if not self._choices or not all(choice.finished for choice in self._choices.values()):
            return self._fail(failures.interrupted())
        self._over = True
        return (ir.Ended(),)

    def chunk(self, chunk: wire.Chunk) -> Sequence[ir.Event]:
        """One decoded chunk, or a whole answer in the same shape."""
        out: list[ir.Event] = []
        if self._started is None:
            self._start(chunk, out)
        failure = errors.in_body(chunk) if chunk.error or not chunk.choices else None
        for choice in chunk.choices or ():
            failure = failure or self._choice(choice, out)
        if chunk.usage:
            self._count(chunk, out)
        if failure is not None:
            out.extend(self._fail(failure))
        return out

    def _choice(self, told: wire.Choice, out: list[ir.Event]) -> ir.Failure | None:
        index = told.index if isinstance(told.index, int) else 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = ChoiceReader(index, self._blocks, self._invent)
        if choice.finished:
            return None
        piece = told.delta or told.message
        if piece is not None:
            choice.read(piece, told.logprobs, out)
        return choice.finish(str(told.finish_reason), out) if told.finish_reason else None

    def _start(self, chunk: wire.Chunk, out: list[ir.Event]) -> None:
        if not (chunk.choices or chunk.usage or chunk.model):
            return
        build = chunk.system_fingerprint
        self._started = ir.Started(
            id=_text(chunk.id),
            model=_text(chunk.model),
            created=int(chunk.created) if isinstance(chunk.created, int | float) else None,
            extras={"system_fingerprint": msgspec.Raw(msgspec.json.encode(build))} if _text(build) else {},
        )
        out.append(self._started)

    def _count(self, chunk: wire.Chunk, out: list[ir.Event]) -> None:
        reasoned = any(choice.reasoned for choice in self._choices.values())
        found = usage.read(chunk.usage, chunk.service_tier, reasoned=reasoned)
        if found is not None:
            out.append(ir.UsageReported(found))

    def _fail(self, failure: ir.Failure) -> Sequence[ir.Event]:
        self._over = True
        return (ir.Failed(failure),)

    def _invent(self, choice: int, call: int) -> str:
        """An id for a call that its server gave none, drawn from the answer's own id and time."""
        start = self._started or ir.Started()
        seed = f"{start.id}:{start.created}:{start.model}:{choice}:{call}"
        return "call_" + hashlib.blake2s(seed.encode(), digest_size=12).hexdigest()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
