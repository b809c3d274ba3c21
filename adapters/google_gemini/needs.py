"""What must be fetched before a question to Gemini can be written."""

from __future__ import annotations

from adapters import ir
from adapters.google_gemini import media
from adapters.media import among


def needs(request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
    """Web media."""
    own = request.family == "google"
    found = [need for _, block in among(request) if (need := media.need(block, upstream, own=own)) is not None]
    return list(dict.fromkeys(found))
