"""Hub events -> Gemini's stream: each event that shows something is a frame of its own, a tool call is one whole."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters import ir, sse
from adapters.google_gemini import errors, finish, grounding, parts, usage
from adapters.google_gemini.response import frame_fields


class _Block:
    """A block that has begun: tool arguments wait until they are whole."""

    def __init__(self, event: ir.BlockStarted) -> None:
        self.reply = ir.ReplyBlock(event.kind, event.item, event.choice, event.meta)
        self.text: list[str] = []

    @property
    def calls(self) -> bool:
        return self.reply.kind in ir.CALLS


class _Said:
    """The text of one choice so far, and what it cites: Google counts offsets from the start of all text."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.notes: list[ir.Annotation] = []


class Writer:
    """One streamed answer for a Gemini client."""

    def __init__(self, echo: ir.Echo) -> None:
        self._echo = echo
        self._fields = frame_fields(ir.Started(), echo)
        self._blocks: dict[int, _Block] = {}
        self._said: dict[int, _Said] = {}
        self._usage: ir.Usage | None = None
        self._told: ir.Usage | None = None

    def write(self, event: ir.Event) -> list[bytes]:
        """One event -> whole frames."""
        match event:
            case ir.Started():
                self._fields = frame_fields(event, self._echo)
            case ir.BlockStarted(block):
                self._blocks[block] = _Block(event)
            case ir.Delta():
                return self._delta(event)
            case ir.Annotated(block, annotation):
                self._annotate(self._blocks[block], annotation)
            case ir.BlockEnded():
                return self._ended(event)
            case ir.UsageReported(told):
                self._usage = told if self._usage is None else self._usage.merged(told)
            case ir.Finished():
                return [self._finish(event)]
            case ir.Ended():
                return [] if self._usage == self._told else [self._frame({})]
            case ir.Failed(failure):
                return [sse.render(errors.write_error(failure))]
        return []

    def _delta(self, event: ir.Delta) -> list[bytes]:
        block = self._blocks[event.block]
        if block.calls:
            block.text.append(event.data)
            return []
        if event.channel == "state" or not event.data:
            return []
        if block.reply.kind == "reasoning":
            return [self._part(block, parts.thought(event.data))]
        said = self._said.setdefault(block.reply.choice, _Said())
        said.text.append(event.data)
        block.text.append(event.data)
        return [self._part(block, parts.text(event.data))]

    def _annotate(self, block: _Block, annotation: ir.Annotation) -> None:
        said = self._said.setdefault(block.reply.choice, _Said())
        before = sum(map(len, said.text)) - sum(map(len, block.text))
        said.notes.append(grounding.shifted(annotation, before))

    def _ended(self, event: ir.BlockEnded) -> list[bytes]:
        block = self._blocks[event.block]
        reply = block.reply
        if reply.kind in ("text", "refusal", "reasoning"):
            signature = parts.text("", event.state)
            return [self._part(block, signature)] if "thoughtSignature" in signature else []
        reply.text = "".join(block.text)
        reply.state, reply.raw = event.state, event.raw
        return [self._part(block, part) for part in parts.of_block(reply)]

    def _finish(self, event: ir.Finished) -> bytes:
        candidate: dict[str, Any] = {"finishReason": finish.write(event), "index": event.choice}
        said = self._said.get(event.choice)
        if said is not None and said.notes:
            candidate["groundingMetadata"] = grounding.write(said.notes, "".join(said.text))
        return self._frame({"candidates": [candidate]})

    def _part(self, block: _Block, part: parts.Part) -> bytes:
        content = {"parts": [part], "role": "model"}
        return self._frame({"candidates": [{"content": content, "index": block.reply.choice}]}, usage_too=False)

    def _frame(self, body: dict[str, Any], *, usage_too: bool = True) -> bytes:
        if usage_too and self._usage is not None:
            body["usageMetadata"] = usage.write(self._usage)
            self._told = self._usage
        return sse.render(msgspec.json.encode({**body, **self._fields}))
