"""Whole Gemini answers <-> the hub: the same message as a frame of the stream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters import failures, ir
from adapters.google_gemini import finish, grounding, parts, usage
from adapters.google_gemini.stream import Reader
from adapters.sse import Frame


def read_response(body: bytes) -> Sequence[ir.Event]:
    """A whole answer as events; what is not one becomes Failed."""
    reader = Reader()
    events = list(reader.read(Frame(body)))
    events += reader.settle()
    if not any(isinstance(event, ir.Finished | ir.Failed) for event in events):
        return [*events, ir.Failed(failures.bad_response("an answer without candidates"))]
    return events + list(reader.end())


def write_response(reply: ir.Reply, echo: ir.Echo) -> bytes:
    """A whole answer for a Gemini client."""
    choices = sorted(reply.finishes) or [0]
    body: dict[str, Any] = {"candidates": [_candidate(reply, index) for index in choices]}
    if reply.usage is not None:
        body["usageMetadata"] = usage.write(reply.usage)
    return msgspec.json.encode({**body, **frame_fields(reply.started, echo)})


def frame_fields(started: ir.Started, echo: ir.Echo) -> dict[str, Any]:
    """What every frame of one answer tells alike."""
    created = datetime.fromtimestamp(started.created or echo.created, UTC)
    return {
        "modelVersion": echo.model,
        "createTime": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "responseId": started.id or echo.seed,
    }


def _candidate(reply: ir.Reply, index: int) -> dict[str, Any]:
    blocks = [block for block in reply.blocks if block.choice == index]
    candidate: dict[str, Any] = {"index": index}
    written = [part for block in blocks for part in parts.of_block(block)]
    if written:
        candidate["content"] = {"parts": written, "role": "model"}
    finished = reply.finishes.get(index)
    if finished is not None:
        candidate["finishReason"] = finish.write(finished)
    return candidate | _grounding(blocks)


def _grounding(blocks: Iterable[ir.ReplyBlock]) -> dict[str, Any]:
    """Google counts offsets from the start of the answer's text."""
    text, notes = "", []
    for block in blocks:
        if block.kind == "text":
            notes += [grounding.shifted(note, len(text)) for note in block.annotations]
            text += block.text
    return {"groundingMetadata": grounding.write(notes, text)} if notes else {}
