"""One candidate of an answer: its parts, frame after frame, as hub blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from adapters import ir
from adapters.google_gemini import finish, grounding
from adapters.google_gemini.arguments import Assembler
from adapters.google_gemini.wire import (
    INVENTED,
    SERVER_PARTS,
    Candidate,
    FunctionCall,
    Grounding,
    Logprobs,
    Part,
    TokenLogprob,
    part_decoder,
)

_FAMILY: ir.Family = "google"


class _Open:
    """The block that is being written."""

    def __init__(self, block: int, kind: ir.BlockKind) -> None:
        self.block = block
        self.kind = kind
        self.text: list[str] = []
        self.signature: str | None = None
        self.pieces: Assembler | None = None


class Choice:
    """Goes on with the open block while parts of its kind come; ``out`` gathers the events."""

    def __init__(self, index: int, blocks: Iterator[int]) -> None:
        self.out: list[ir.Event] = []
        self.finished = False
        self._index = index
        self._blocks = blocks
        self._open: _Open | None = None
        self._calls = 0
        self._cited: set[bytes] = set()

    def read(self, candidate: Candidate, salt: bytes) -> None:
        """The parts of one frame. ``salt`` is what the ids that we must invent are made from (G14).

        Raises what decoding raises."""
        logprobs = _logprobs(candidate.logprobs_result)
        for raw in (candidate.content.parts or ()) if candidate.content else ():
            part = part_decoder.decode(raw)
            if part.function_call is not None:
                self._call(part.function_call, part.thought_signature, salt)
            elif part.text is not None:
                self._text(part.text, part, logprobs)
                logprobs = None if part.text else logprobs
            else:
                self._vendor(part, raw)
        if candidate.grounding_metadata is not None:
            self._cite(candidate.grounding_metadata)

    def finish(self, reason: str) -> None:
        """End what is open, then the choice."""
        self.close()
        self.finished = True
        told = finish.read(reason, called=self._calls > 0)
        self.out.append(ir.Finished(self._index, told, reason, known=reason in finish.KNOWN))

    def close(self) -> None:
        """End the open block, with the signature that came with it."""
        now, self._open = self._open, None
        if now is None:
            return
        if now.pieces is not None:
            self.out.append(ir.Delta(now.block, "arguments", now.pieces.text()))
        self.out.append(ir.BlockEnded(now.block, _state(now.signature)))

    def _begin(self, kind: ir.BlockKind, **meta: Any) -> _Open:
        self.close()
        block = next(self._blocks)
        self.out.append(ir.BlockStarted(block, kind, block, self._index, meta))
        self._open = _Open(block, kind)
        return self._open

    def _text(self, text: str, part: Part, logprobs: list[Any] | None) -> None:
        now = self._block_for(text, part)
        if now is None:
            return
        if text:
            now.text.append(text)
            self.out.append(ir.Delta(now.block, "summary" if part.thought else "text", text, logprobs))
        now.signature = part.thought_signature or now.signature

    def _block_for(self, text: str, part: Part) -> _Open | None:
        """Where a text part goes. Two signatures never share a block; a lone one still needs a carrier."""
        now = self._open
        if not text and not part.thought_signature:
            return None
        if now is None or now.kind not in ("text", "reasoning") or (now.signature and part.thought_signature):
            return self._begin("reasoning" if part.thought or not text else "text")
        kind: ir.BlockKind = "reasoning" if part.thought else "text"
        return self._begin(kind) if text and now.kind != kind else now

    def _call(self, call: FunctionCall, signature: str | None, salt: bytes) -> None:
        now = self._open
        if call.name or now is None or now.pieces is None:
            self._calls += 1
            known = {"state": _state(signature)} if signature else {}
            now = self._begin("tool_call", id=call.id or self._invented(salt), name=call.name or "", **known)
            now.pieces = Assembler() if call.will_continue or call.partial_args else None
        now.signature = signature or now.signature
        if now.pieces is None:
            self.out.append(ir.Delta(now.block, "arguments", _compact(call.args)))
        else:
            now.pieces.extend(call.partial_args or ())
        if not call.will_continue:
            self.close()

    def _invented(self, salt: bytes) -> str:
        return f"{INVENTED}{hashlib.sha256(salt).hexdigest()[:24]}_{self._index}_{self._calls}"

    def _vendor(self, part: Part, raw: Raw) -> None:
        """A part that only Google can take back: kept whole, its signature included."""
        wire_type = next((name for field, name in SERVER_PARTS.items() if getattr(part, field)), None)
        image = part.inline_data is not None and part.inline_data.mime_type.startswith("image/")
        if part.inline_data is not None:
            wire_type = "inlineData"
        if wire_type is None:
            return
        kept = Raw(bytes(raw))
        now = self._begin("image" if image else "server_tool", type=wire_type, family=_FAMILY, raw=kept)
        self._open = None
        self.out.append(ir.BlockEnded(now.block, _state(part.thought_signature), kept))

    def _cite(self, metadata: Grounding) -> None:
        now = self._open
        if now is None or now.kind != "text":
            return
        for annotation in grounding.read(metadata, "".join(now.text)):
            key = msgspec.json.encode(annotation)
            if key not in self._cited:
                self._cited.add(key)
                self.out.append(ir.Annotated(now.block, annotation))


def _state(signature: str | None) -> ir.VendorState | None:
    return ir.VendorState(_FAMILY, "thought_signature", signature) if signature else None


def _compact(args: Raw) -> str:
    """The arguments as JSON text without needless white space; digits and escapes stay as they came (G21)."""
    return msgspec.json.format(bytes(args), indent=-1).decode() if args and bytes(args) != b"null" else "{}"


def _logprobs(told: Logprobs | None) -> list[dict[str, Any]] | None:
    """Google's log probabilities as OpenAI's entries."""
    if told is None or not told.chosen_candidates:
        return None
    tops = told.top_candidates or []
    return [
        {
            **_entry(chosen),
            "top_logprobs": [_entry(top) for top in (tops[at].candidates or ())] if at < len(tops) else [],
        }
        for at, chosen in enumerate(told.chosen_candidates)
    ]


def _entry(told: TokenLogprob) -> dict[str, Any]:
    return {"token": told.token, "logprob": told.log_probability, "bytes": list(told.token.encode())}
