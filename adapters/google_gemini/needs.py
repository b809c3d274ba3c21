"""What must be fetched before a question to Gemini can be written."""

from __future__ import annotations

from adapters import ir
from adapters.google_gemini import media


def needs(request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
    """Web media, and files of other vendors."""
    own = request.family == "google"
    found = [need for block in media.among(request) if (need := media.need(block, upstream, own=own)) is not None]
    return list(dict.fromkeys(found))
