"""What an answer leans on: Google's grounding metadata, whose offsets count UTF-8 bytes, as citations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from adapters import ir
from adapters.google_gemini.wire import Grounding, GroundingChunk, Source


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
