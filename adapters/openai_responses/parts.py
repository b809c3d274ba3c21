"""The pieces of an item as they stream: what each kind of part is called, and its events."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from adapters import sse

_string = msgspec.json.Encoder().encode


class PartKind(Struct, frozen=True):
    """A kind of part: its events' stem, the field of its whole text, where it sits, and how it is announced."""

    stem: str
    field: str
    index: str | None = None
    """``content_index`` | ``summary_index``; None for the arguments of a call, which are no part of a list."""
    frame: str | None = None
    """``response.content_part`` | ``response.reasoning_summary_part``."""
    type: str | None = None
    logprobs: bool = False


TEXT = PartKind("response.output_text", "text", "content_index", "response.content_part", "output_text", True)
REFUSAL = PartKind("response.refusal", "refusal", "content_index", "response.content_part", "refusal")
THOUGHT = PartKind("response.reasoning_text", "text", "content_index", "response.content_part", "reasoning_text")
SUMMARY = PartKind(
    "response.reasoning_summary_text", "text", "summary_index", "response.reasoning_summary_part", "summary_text"
)
ARGUMENTS = PartKind("response.function_call_arguments", "arguments")
INPUT = PartKind("response.custom_tool_call_input", "input")


class Stream:
    """Numbers events and renders them, one whole SSE event each, the ``event:`` line equal to the type."""

    def __init__(self) -> None:
        self.number = 0

    def event(self, type_: str, fields: dict[str, Any]) -> bytes:
        data = _string({"type": type_, **fields, "sequence_number": self.number})
        self.number += 1
        return sse.render(data, type_)


class Part:
    """One open part of one item. ``text`` gathers what it said."""

    def __init__(self, kind: PartKind, stream: Stream, item_id: str, output_index: int, index: int = 0) -> None:
        self.kind = kind
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[Any] = []
        self._pieces: list[str] = []
        self._stream = stream
        self._place: dict[str, Any] = {"item_id": item_id, "output_index": output_index}
        if kind.index is not None:
            self._place[kind.index] = index
        name = f"{kind.stem}.delta"
        opened = _string({"type": name, **self._place})[:-1]
        self._head = b"event: " + name.encode() + b"\ndata: " + opened + b',"delta":'
        self._tail = b',"logprobs":[],"sequence_number":' if kind.logprobs else b',"sequence_number":'

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def added(self) -> list[bytes]:
        """The announcement, for a part that has one."""
        return self._framed("added")

    def delta(self, data: str, logprobs: Any = None) -> bytes:
        """More of it."""
        self._pieces.append(data)
        if isinstance(logprobs, list | tuple) and self.kind.logprobs:
            self.logprobs.extend(logprobs)
            return self._stream.event(
                f"{self.kind.stem}.delta", {**self._place, "delta": data, "logprobs": list(logprobs)}
            )
        number = self._stream.number
        self._stream.number = number + 1
        return b"%b%b%b%d}\n\n" % (self._head, _string(data), self._tail, number)

    def annotate(self, annotation: dict[str, Any]) -> bytes:
        """A citation."""
        place = {**self._place, "annotation_index": len(self.annotations)}
        self.annotations.append(annotation)
        return self._stream.event(f"{self.kind.stem}.annotation.added", {**place, "annotation": annotation})

    def done(self) -> list[bytes]:
        """Its whole text, then the part."""
        said: dict[str, Any] = {self.kind.field: self.text}
        if self.kind.logprobs:
            said["logprobs"] = self.logprobs
        return [self._stream.event(f"{self.kind.stem}.done", {**self._place, **said}), *self._framed("done")]

    def _framed(self, moment: str) -> list[bytes]:
        if self.kind.frame is None:
            return []
        return [self._stream.event(f"{self.kind.frame}.{moment}", {**self._place, "part": self._whole()})]

    def _whole(self) -> dict[str, Any]:
        whole: dict[str, Any] = {"type": self.kind.type, self.kind.field: self.text}
        if self.kind.logprobs:
            whole.update(annotations=self.annotations, logprobs=self.logprobs)
        return whole
