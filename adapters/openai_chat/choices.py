"""One choice of an answer as hub events: blocks open and close by themselves when the kind of content changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adapters import failures, ir
from adapters.openai_chat import wire
from adapters.openai_chat.calls import Calls

_REASONS: Mapping[str, ir.FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
}
"""Every other word is an ordinary end: ``tool_calls`` where there are calls, else ``stop`` (G22, G25)."""
_ENDS = frozenset(("stop", "tool_calls", "function_call", "eos", "eos_token", "end_turn", "stop_sequence"))
"""Words of servers that are known to mean no more."""

_FAILURES: Mapping[str, ir.Failure] = {
    "error": failures.by_status(500, "The upstream stopped with an error."),
    "abort": failures.interrupted(),
    "insufficient_system_resource": failures.by_status(503, "The upstream ran out of capacity while it answered."),
}
"""Words that tell of an answer that did not come to its end (OpenRouter, vLLM, DeepSeek)."""


class ChoiceReader:
    """The state of one choice."""

    def __init__(self, index: int, blocks: Iterator[int], invent: Callable[[int, int], str]) -> None:
        self.finished = False
        self.reasoned = False
        self._index = index
        self._blocks = blocks
        self._kind: str | None = None
        self._block = -1
        self._calls = Calls(index, blocks, invent)
        self._cited: list[ir.Annotation] = []

    def read(self, piece: wire.Piece, logprobs: Any, out: list[ir.Event]) -> None:
        """More of the message. Reasoning and content in one piece are told apart."""
        reasoning = piece.reasoning_content or piece.reasoning or _details(piece.reasoning_details)
        if reasoning and isinstance(reasoning, str):
            self._say("reasoning", reasoning, out)
        if piece.content or logprobs:
            self._content(piece.content, logprobs, out)
        if piece.annotations:
            self._annotate(piece.annotations)
        if piece.refusal and isinstance(piece.refusal, str):
            self._say("refusal", piece.refusal, out, _tokens(logprobs, "refusal"))
        if piece.tool_calls or piece.function_call:
            self._call(piece, out)

    def finish(self, word: str | None, out: list[ir.Event]) -> ir.Failure | None:
        """The server's ``finish_reason``, once. Returns why, where the word tells of a failure."""
        if self._cited and self._kind != "text":
            self._say("text", "", out)
        self.finished = True
        self._close(out)
        self._calls.finish(out)
        failure = _FAILURES.get(word or "")
        if failure is None:
            reason = _REASONS.get((word or "").lower(), "tool_calls" if self._calls else "stop")
            known = not word or word.lower() in _REASONS or word.lower() in _ENDS
            out.append(ir.Finished(self._index, reason, word, known=known))
        return failure

    def _content(self, content: Any, logprobs: Any, out: list[ir.Event]) -> None:
        tokens = _tokens(logprobs, "content")
        if isinstance(content, str):
            if content or tokens:
                self._say("text", content, out, tokens)
            return
        for part in content if isinstance(content, list) else ():
            for kind, text in _parts(part):
                self._say(kind, text, out)

    def _say(self, kind: ir.BlockKind, text: str, out: list[ir.Event], logprobs: Any = None) -> None:
        if self._kind != kind:
            self._close(out)
            self._calls.settle(out)
            self._kind = kind
            self._block = next(self._blocks)
            self.reasoned |= kind == "reasoning"
            out.append(ir.BlockStarted(self._block, kind, self._block, self._index))
        out.append(ir.Delta(self._block, "text", text, logprobs))

    def _call(self, piece: wire.Piece, out: list[ir.Event]) -> None:
        self._close(out)
        for call in piece.tool_calls or ():
            self._calls.read(call, out)
        if piece.function_call:
            self._calls.read(wire.CallPiece(index=-1, function=piece.function_call), out)

    def _close(self, out: list[ir.Event]) -> None:
        if self._kind is None:
            return
        if self._kind == "text":
            out.extend(ir.Annotated(self._block, citation) for citation in self._cited)
            self._cited = []
        out.append(ir.BlockEnded(self._block))
        self._kind = None

    def _annotate(self, told: Any) -> None:
        """Citations are kept until their text block closes."""
        if isinstance(told, list):
            self._cited += [found for one in told if (found := _annotation(one))]


def _parts(part: Any) -> Iterator[tuple[ir.BlockKind, str]]:
    """Mistral's content list: text, and thinking that is a list of its own."""
    if not isinstance(part, Mapping):
        return
    text = part.get("text")
    if part.get("type") == "thinking":
        inner = part.get("thinking")
        for piece in inner if isinstance(inner, list) else [{"text": inner}]:
            thought = piece.get("text") if isinstance(piece, Mapping) else None
            if isinstance(thought, str) and thought:
                yield "reasoning", thought
    elif isinstance(text, str) and text:
        yield "text", text


def _details(details: Any) -> str:
    """OpenRouter's ``reasoning_details``, for servers that send nothing else."""
    if not isinstance(details, list):
        return ""
    texts = (one.get("text") or one.get("summary") for one in details if isinstance(one, Mapping))
    return "".join(text for text in texts if isinstance(text, str))


def _tokens(logprobs: Any, name: str) -> Any:
    return logprobs.get(name) or None if isinstance(logprobs, Mapping) else None


def _annotation(told: Any) -> ir.Annotation | None:
    if not isinstance(told, Mapping) or not isinstance(told.get("type"), str):
        return None
    cited = told.get(told["type"])
    fields = cited if isinstance(cited, Mapping) else {}
    return ir.Annotation(
        told["type"],
        url=_if(fields.get("url"), str),
        title=_if(fields.get("title"), str),
        start=_if(fields.get("start_index"), int),
        end=_if(fields.get("end_index"), int),
        raw=told,
    )


def _if(value: Any, kind: type) -> Any:
    return value if isinstance(value, kind) else None
