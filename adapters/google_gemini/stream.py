"""Gemini's stream -> hub events: every frame is a whole message whose parts go on where the last one stopped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from adapters import failures, ir
from adapters.google_gemini import errors, finish, grounding, usage
from adapters.google_gemini.blocks import Choice
from adapters.google_gemini.wire import UNREADABLE, Candidate, Chunk, chunk_decoder
from adapters.sse import Frame


class Reader:
    """One answer, streamed. It ends when the bytes do: no frame says that it is the last."""

    def __init__(self) -> None:
        self._choices: dict[int, Choice] = {}
        self._blocks = count()
        self._searches = grounding.Searches()
        self._started = False
        self._over = False

    def read(self, frame: Frame) -> Iterable[ir.Event]:
        """One frame -> events."""
        if self._over or frame.data == b"[DONE]":
            return []
        try:
            events = self._chunk(chunk_decoder.decode(frame.data), frame.data)
        except UNREADABLE:
            events = [ir.Failed(failures.bad_response("an event that is not a Gemini answer"))]
        self._over = any(isinstance(event, ir.Failed) for event in events)
        return events

    def end(self) -> Iterable[ir.Event]:
        """The bytes are over: Ended if every choice has told its reason, else Failed."""
        if self._over:
            return []
        self._over = True
        if self._choices and all(choice.finished for choice in self._choices.values()):
            return [ir.Ended()]
        return [ir.Failed(failures.interrupted())]

    def settle(self) -> Sequence[ir.Event]:
        """A whole answer has no more to come: a choice that told no reason has stopped."""
        events: list[ir.Event] = []
        for choice in self._choices.values():
            if not choice.finished and not self._over:
                choice.finish(finish.UNSPECIFIED)
                events += self._drained(choice)
        return events

    def _chunk(self, chunk: Chunk, data: bytes) -> list[ir.Event]:
        if chunk.error:
            return [ir.Failed(errors.read_error(200, {}, data))]
        events = self._start(chunk)
        for candidate in chunk.candidates or ():
            choice = self._choice(candidate.index)
            if not choice.finished:
                choice.read(candidate, data)
                events += self._drained(choice)
            if candidate.grounding_metadata is not None:
                self._searches.read(candidate.grounding_metadata, chunk.model_version)
        told = usage.read(chunk.usage_metadata, self._searches.calls)
        if told is not None:
            events.append(ir.UsageReported(told))
        for candidate in chunk.candidates or ():
            events += self._finish(candidate)
        return events + self._blocked(chunk)

    def _start(self, chunk: Chunk) -> list[ir.Event]:
        if self._started:
            return []
        self._started = True
        return [ir.Started(chunk.response_id, chunk.model_version)]

    def _finish(self, candidate: Candidate) -> list[ir.Event]:
        choice, reason = self._choice(candidate.index), candidate.finish_reason
        if not reason or choice.finished or reason == finish.UNSPECIFIED:
            return []
        failure = finish.failure(reason, candidate.finish_message)
        if failure is not None:
            return [ir.Failed(failure)]
        choice.finish(reason)
        return self._drained(choice)

    def _blocked(self, chunk: Chunk) -> list[ir.Event]:
        """A prompt that was blocked has no candidates at all (G85)."""
        reason = chunk.prompt_feedback.block_reason if chunk.prompt_feedback else None
        if not reason or self._choices:
            return []
        self._choice(0).finished = True
        return [ir.Finished(0, "content_filter", reason)]

    def _choice(self, index: int) -> Choice:
        if index not in self._choices:
            self._choices[index] = Choice(index, self._blocks)
        return self._choices[index]

    @staticmethod
    def _drained(choice: Choice) -> list[ir.Event]:
        events, choice.out = choice.out, []
        return events
