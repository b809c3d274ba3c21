"""The hub's messages -> Gemini's contents: two roles, signatures back on their parts, results in call order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from adapters import ir
from adapters.google_gemini import media, parts
from adapters.google_gemini.parts import Part
from adapters.google_gemini.wire import INVENTED, fields

SKIP = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""Google's documented ``skip_thought_signature_validator``, as the base64 that the bytes field is written in (G28)."""


class _Turn(Struct):
    """A content that is being written. Results come before anything else (G13)."""

    role: str
    results: dict[str, list[Part]] = {}
    parts: list[Part] = []
    calls: list[ir.ToolCall] = []
    asks: bool = False
    """It holds words of the user: a new turn begins."""
    extras: ir.Extras = {}


class Contents:
    """Writes all messages but the system's."""

    def __init__(self, request: ir.Request, upstream: ir.Upstream, context: ir.Context) -> None:
        self._upstream = upstream
        self._context = context
        self._own = request.family == "google"
        self._names: dict[str, str] = {}
        self._turns: list[_Turn] = []
        for message in request.messages:
            if message.role not in ("system", "developer"):
                self._message(message)

    def write(self) -> list[dict[str, Any]]:
        """``contents``. Raises ir.Invalid for media that is missing."""
        if self._upstream.capabilities.thinking == "level" and not self._own:
            self._skip_signatures()
        waiting: list[ir.ToolCall] = []
        contents = []
        for turn in self._turns:
            found = self._results(turn, waiting) + turn.parts
            waiting = turn.calls
            if found:
                contents.append({"role": turn.role, "parts": found, **(turn.extras if self._own else {})})
        return contents

    def _message(self, message: ir.Message) -> None:
        turn = self._turn("model" if message.role == "assistant" else "user")
        turn.extras = message.extras
        for block in message.blocks:
            self._block(block, turn)
        turn.asks = turn.asks or (message.role == "user" and bool(turn.parts))

    def _turn(self, role: str) -> _Turn:
        """Neighbours of one role become one content; a Gemini client's own grouping stays."""
        if not self._turns or self._turns[-1].role != role or self._own:
            self._turns.append(_Turn(role))
        return self._turns[-1]

    def _block(self, block: ir.Block, turn: _Turn) -> None:
        match block:
            case ir.Text():
                turn.parts += self._words(block)
            case ir.ToolCall():
                turn.parts.append(self._call(block))
                turn.calls.append(block)
            case ir.ToolResult():
                turn.results[block.id] = self._result(block)
            case ir.Refusal() | ir.Reasoning():
                turn.parts += self._words(block)
            case ir.Media():
                turn.parts.append(media.part(block, self._upstream, self._context, own=self._own))
            case ir.Opaque(family, _, whole):
                turn.parts += [whole] if family == "google" else []

    def _words(self, block: ir.Text | ir.Refusal | ir.Reasoning) -> list[Part]:
        if type(block) is ir.Reasoning:
            ours = self._own or (block.state is not None and block.state.family == "google")
            made = parts.thought("\n\n".join(block.summary) or block.text, block.state) if ours else {"text": ""}
        else:
            made = parts.text(block.text, block.state if isinstance(block, ir.Text) else None)
        if self._own:
            return [made | block.extras]
        return [made] if made["text"] or "thoughtSignature" in made else []

    def _call(self, call: ir.ToolCall) -> Part:
        self._names[call.id] = call.name
        made = parts.call(call.name, call.arguments, id=_sent_id(call.id))
        if self._own:
            kept = call.extras.get("functionCall")
            made["functionCall"] |= fields(kept, "functionCall") if kept else {}
            made = {**call.extras, **made}
        return parts.signed(made, call.state)

    def _result(self, result: ir.ToolResult) -> list[Part]:
        """The functionResponse, and what Gemini before 3 takes only beside it."""
        if self._own:
            return [dict(result.extras)]
        text = "\n".join([block.text for block in result.content if isinstance(block, ir.Text)])
        response = {"error" if result.is_error else "output": text}
        made: dict[str, Any] = {"name": self._names[result.id], "response": response}
        if (sent := _sent_id(result.id)) is not None:
            made["id"] = sent
        shown: list[Part] = [
            media.part(block, self._upstream, self._context, own=False)
            for block in result.content
            if type(block) is ir.Media
        ]
        inside = [one for one in shown if self._upstream.capabilities.thinking == "level" and _fits_inside(one)]
        beside = [one for one in shown if one not in inside]
        return [{"functionResponse": made | ({"parts": inside} if inside else {})}, *beside]

    def _results(self, turn: _Turn, waiting: Sequence[ir.ToolCall]) -> list[Part]:
        """The answers in call order, then the rest."""
        if not turn.results:
            return []
        if self._own or turn.role != "user":
            return [part for found in turn.results.values() for part in found]
        first = {call.id: turn.results[call.id] for call in waiting if call.id in turn.results}
        ordered = [*(first | turn.results).values()]
        return [found[0] for found in ordered] + [part for found in ordered for part in found[1:]]

    def _skip_signatures(self) -> None:
        """Gemini 3 refuses an unsigned call in the current turn; the first of each step stands for all (G28). Words
        that share their content with results (of the calls before them) may not begin a turn."""
        for at, turn in reversed([*enumerate(self._turns)]):
            if turn.asks and not (at and self._turns[at - 1].calls):
                return
            calls = [part for part in turn.parts if isinstance(part, dict) and "functionCall" in part]
            if calls and not any("thoughtSignature" in part for part in calls):
                calls[0]["thoughtSignature"] = SKIP


def _fits_inside(part: Part) -> bool:
    """May it stand inside a functionResponse, rather than beside it?"""
    return isinstance(part, dict) and part.get("inlineData", {}).get("mimeType") in media.IN_RESULTS


def _sent_id(call_id: str) -> str | None:
    """An id that we invented was never Google's and stays here (G14)."""
    return None if call_id.startswith(INVENTED) else call_id


def system(request: ir.Request) -> list[dict[str, Any]]:
    """All instructions, from wherever they stood, in order."""
    own = request.family == "google"
    told = list(request.system)
    for message in request.messages:
        if message.role in ("system", "developer"):
            told += [block for block in message.blocks if isinstance(block, ir.Text)]
    return [{"text": text.text, **(text.extras if own else {})} for text in told if text.text or own]
