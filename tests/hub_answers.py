"""Random answers of the hub, as the events of a stream, for hypothesis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from hub_strategies import ARGUMENTS, DATA, NAMES, OBJECTS, Draw, Drawn, maybe, raw, texts
from hypothesis import strategies as st
from msgspec import Raw, Struct

from adapters import ir


class Piece(Struct, frozen=True):
    """One block of an answer. ``joins``: it is part of the item that the block before it began."""

    kind: ir.BlockKind
    text: str = ""
    channel: ir.Channel = "text"
    meta: dict[str, Any] = {}
    state: ir.VendorState | None = None
    raw: Raw | None = None
    notes: tuple[ir.Annotation, ...] = ()
    joins: bool = False


def _cited(url: str, title: str, start: int, length: int) -> ir.Annotation:
    told = {"type": "url_citation", "url": url, "title": title, "start_index": start, "end_index": start + length}
    return ir.Annotation("url_citation", url, title, start, start + length, told)


NOTES = st.builds(
    _cited, NAMES.map("https://example.com/{}".format), texts(), st.integers(0, 5), st.integers(0, 5)
)  # fmt: skip
NO_STATE = st.none()
TEXT = st.builds(Piece, st.just("text"), texts())
CITING = st.builds(Piece, st.just("text"), texts(), notes=st.lists(NOTES, max_size=2).map(tuple))
REFUSAL = st.builds(Piece, st.just("refusal"), texts())


def calls(kind: str = "tool_call", given: Drawn = ARGUMENTS, state: Drawn = NO_STATE) -> Drawn:
    """Their ids are given when the answer is put together."""
    return st.builds(
        lambda name, told, signed: Piece(kind, told, "arguments", {"name": name}, signed), NAMES, given, state
    )  # type: ignore[arg-type]


def thought(channel: ir.Channel, state: Drawn = NO_STATE) -> Drawn:
    return st.builds(lambda text, signed: Piece("reasoning", text, channel, {}, signed), texts(), state)


def signed(family: ir.Family, kind: str) -> Drawn:
    return DATA.map(lambda data: ir.VendorState(family, kind, data))


def _ran(told: dict[str, Any], pretty: bool) -> Piece:
    """What a vendor ran itself, laid out as its server liked it."""
    body = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [], "more": told}
    laid = Raw(json.dumps(body, indent=2).encode()) if pretty else raw(body)
    return Piece("server_tool", meta={"type": body["type"], "family": "anthropic", "raw": laid}, raw=laid)


RAN = st.builds(_ran, OBJECTS, st.booleans())


# --- what each dialect can say -------------------------------------------------------------------------------------


def _row(*groups: Drawn) -> Drawn:
    """Lists of pieces, one after another."""
    return st.tuples(*groups).map(lambda found: [piece for group in found for piece in group])


def _some(piece: Drawn, most: int = 1) -> Drawn:
    return st.lists(piece, max_size=most)


_FUNCTION, _CUSTOM = calls(), calls("custom_tool_call", texts())
CHAT = _row(_some(thought("text")), _some(CITING), _some(REFUSAL), _some(_FUNCTION | _CUSTOM, 3))
_SEALED = signed("openai", "encrypted_content")
_PARTS = st.builds(
    lambda parts, state: [
        Piece("reasoning", part, "summary", {}, state if at == len(parts) - 1 else None, joins=at > 0)
        for at, part in enumerate(parts)
    ],
    st.lists(texts(), min_size=1, max_size=3),
    maybe(_SEALED),
)
_MESSAGE = st.lists(CITING | REFUSAL, min_size=1, max_size=3).map(
    lambda parts: [Piece(p.kind, p.text, notes=p.notes, joins=at > 0) for at, p in enumerate(parts)]
)
RESPONSES = st.lists(
    _PARTS | _MESSAGE | (thought("text", maybe(_SEALED)) | _FUNCTION | _CUSTOM).map(lambda piece: [piece]), max_size=4
).map(lambda items: [piece for item in items for piece in item])
_REDACTED = signed("anthropic", "redacted").map(lambda state: Piece("reasoning", "", "summary", {}, state))
ANTHROPIC = st.lists(TEXT | thought("summary", signed("anthropic", "signature")) | _REDACTED | _FUNCTION, max_size=4)
GEMINI = _row(
    _some(thought("summary")), _some(TEXT), _some(calls(state=maybe(signed("google", "thought_signature"))), 3)
)
ANYTHING = st.lists(
    thought("text") | thought("summary", maybe(_SEALED | signed("google", "thought_signature")))
    | thought("summary", signed("anthropic", "signature")) | _REDACTED | CITING | REFUSAL | _FUNCTION | _CUSTOM | RAN,
    max_size=5,
)  # fmt: skip
"""What some vendor may answer, though no single one says all of it."""


# --- put together --------------------------------------------------------------------------------------------------


@st.composite
def answers(draw: Draw, pieces: Drawn, *, choices: int = 1) -> list[ir.Event]:
    """The events of one answer; its choices one after another. All counts are told."""
    told: list[ir.Event] = [ir.Started("up_1", "up", 1_700_000_000)]
    blocks, ends = count(), []
    for choice in range(draw(st.integers(1, choices))):
        found = draw(pieces)
        told += _events(draw, found, blocks, choice)
        called = any(piece.kind in ("tool_call", "custom_tool_call") for piece in found)
        reason = "tool_calls" if called else draw(st.sampled_from(["stop", "length", "content_filter"]))
        ends.append(ir.Finished(choice, reason))
    return [*told, ir.UsageReported(draw(_usage)), *ends, ir.Ended()]


def _events(draw: Draw, pieces: Sequence[Piece], blocks: Iterator[int], choice: int) -> Iterator[ir.Event]:
    item = -1
    for piece in pieces:
        block = next(blocks)
        item = item if piece.joins else block
        named = {"id": f"call_{block}"} if piece.channel == "arguments" else {}
        yield ir.BlockStarted(block, piece.kind, item, choice, {**piece.meta, **named})
        cuts = sorted(draw(st.lists(st.integers(0, len(piece.text)), max_size=2)))
        for start, end in zip([0, *cuts], [*cuts, len(piece.text)], strict=True):
            if start < end:
                yield ir.Delta(block, piece.channel, piece.text[start:end])
        for note in piece.notes:
            yield ir.Annotated(block, note)
        yield ir.BlockEnded(block, piece.state, piece.raw)


_usage = st.builds(
    lambda cached, written, fresh, reasoned, said: ir.Usage(
        input=cached + written + fresh,
        output=reasoned + said,
        cached=cached,
        cache_write=written,
        reasoning=reasoned,
        total=cached + written + fresh + reasoned + said,
    ),
    st.integers(0, 5), st.integers(0, 5), st.integers(1, 999), st.integers(1, 20), st.integers(0, 999),
)  # fmt: skip
