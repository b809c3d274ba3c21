"""What must be fetched before a question to Gemini can be written."""

from __future__ import annotations

from adapters import ir
from adapters.google_gemini import media


def needs(request: ir.Request, upstream: ir.Upstream) -> list[ir.Need]:
    """Web media, files of other vendors, and the signatures of calls whose client could not carry them (G28)."""
    own = request.family == "google"
    found = [need for block in media.among(request) if (need := media.need(block, upstream, own=own)) is not None]
    if not own and upstream.capabilities.thinking != "none":
        blocks = [block for message in request.messages for block in message.blocks]
        found += [
            ir.Need("vendor_state", block.id) for block in blocks if isinstance(block, ir.ToolCall) and not block.state
        ]
    return list(dict.fromkeys(found))
