"""What an answer leans on: Google's grounding metadata, whose offsets count UTF-8 bytes, as citations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from adapters import ir
from adapters.google_gemini.wire import Grounding, GroundingChunk, Source

_VERSION = re.compile(r"(?:models/)?gemini-(\d{1,3})")
_BY_QUERY = 3
"""The first Gemini whose searches are charged for by query."""


def read(grounding: Grounding, text: str) -> Iterator[ir.Annotation]:
    """Citations of ``text``, offsets in characters. Sources without an address cannot be cited and are passed over."""
    chunks = grounding.grounding_chunks or []
    encoded = text.encode()
    for support in grounding.grounding_supports or ():
        if support.segment is None:
            continue
        start = _chars(encoded, support.segment.start_index)
        end = _chars(encoded, support.segment.end_index)
        for index in support.grounding_chunk_indices or ():
            source = _source(chunks[index]) if 0 <= index < len(chunks) else None
            if source is not None and source.uri:
                yield ir.Annotation("url_citation", source.uri, source.title or "", start, end)


def _chars(encoded: bytes, offset: int) -> int:
    return len(encoded[: max(offset, 0)].decode("utf-8", "ignore"))


def _source(chunk: GroundingChunk) -> Source | None:
    return chunk.web or chunk.maps or chunk.retrieved_context


class Searches:
    """What one answer was grounded on, over all its frames and candidates. ``calls``: as Google charges for it."""

    def __init__(self) -> None:
        self.calls: Mapping[str, int] = {}
        self._queries: set[str] = set()
        self._maps = False

    def read(self, grounding: Grounding, model: str | None) -> None:
        """The metadata of one frame, which may repeat what an earlier one told.

        From Gemini 3 on each different query that is not empty is charged for, before that a prompt that was grounded
        once, however many queries it took. A prompt grounded on Maps counts once."""
        for told in (grounding.web_search_queries, grounding.image_search_queries):
            self._queries |= {query for query in told if isinstance(query, str)} if isinstance(told, list) else set()
        self._maps = self._maps or any(chunk.maps is not None for chunk in grounding.grounding_chunks or ())
        queries = len(self._queries - {""})
        old = _VERSION.match(model or "")
        if old is not None and int(old[1]) < _BY_QUERY:
            queries = min(queries, 1)
        self.calls = ({"web_search": queries} if queries else {}) | ({"maps": 1} if self._maps else {})


def write(annotations: Sequence[ir.Annotation], text: str) -> dict[str, Any]:
    """Citations -> ``groundingMetadata``."""
    cited = [note for note in annotations if note.url]
    return {
        "groundingChunks": [{"web": {"uri": note.url, "title": note.title or ""}} for note in cited],
        "groundingSupports": [
            {"segment": _segment(note, text), "groundingChunkIndices": [index]} for index, note in enumerate(cited)
        ],
    }


def _segment(note: ir.Annotation, text: str) -> dict[str, Any]:
    start, end = note.start or 0, len(text) if note.end is None else note.end
    return {
        "startIndex": len(text[:start].encode()),
        "endIndex": len(text[:end].encode()),
        "text": text[start:end],
    }


def shifted(note: ir.Annotation, by: int) -> ir.Annotation:
    """The same citation, ``by`` characters further on."""
    start = None if note.start is None else note.start + by
    end = None if note.end is None else note.end + by
    return msgspec.structs.replace(note, start=start, end=end)
