"""Images, documents and sounds as Gemini takes them: bytes in the body, or a file that Google can reach itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from adapters import ir
from adapters.google_gemini.wire import fields

_FILES = "https://generativelanguage.googleapis.com/v1beta/"
_GOOGLES = re.compile(
    r"gs://|https://generativelanguage\.googleapis\.com/|https://(www\.|m\.)?(youtube\.com|youtu\.be)/"
)
_SAME = {"image/jpg": "image/jpeg"}
_MAGIC = {
    "iVBORw": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi": "application/pdf",
}
"""How the base64 of a file begins."""
_DEFAULTS = {"image": "image/png", "audio": "audio/wav", "file": "application/pdf"}


def need(media: ir.Media, upstream: ir.Upstream, *, own: bool) -> ir.Need | None:
    """What must be fetched first, since Google does not follow web addresses (G87)."""
    if media.data is not None or own:
        return None
    if media.url is not None:
        return None if _reachable(media.url, upstream) else ir.Need("media_url", media.url)
    if media.file_id is None or media.file_id.startswith("files/"):
        return None
    return ir.Need("file_id", media.file_id)


def _reachable(url: str, upstream: ir.Upstream) -> bool:
    return upstream.capabilities.image_urls or _GOOGLES.match(url) is not None


def part(media: ir.Media, upstream: ir.Upstream, context: ir.Context, *, own: bool) -> dict[str, Any]:
    """``inlineData`` or ``fileData``. Raises ir.Invalid for what was not fetched."""
    needed = need(media, upstream, own=own)
    if needed is not None:
        media = _fetched(media, needed, context)
    made = _inline(media) if media.data is not None else _file(media)
    return _with_extras(made, media) if own else made


def _fetched(media: ir.Media, needed: ir.Need, context: ir.Context) -> ir.Media:
    found = context.fetched.get(needed)
    if not isinstance(found, ir.Media) or found.data is None:
        raise ir.Invalid(f"'{needed.key}' could not be fetched. Send the {media.kind} as base64 data.", "messages")
    return found


def _inline(media: ir.Media) -> dict[str, Any]:
    data = media.data or ""
    told: dict[str, Any] = {"mimeType": _type(media, data), "data": data}
    return {"inlineData": told}


def _type(media: ir.Media, data: str) -> str:
    if media.media_type:
        return _SAME.get(media.media_type, media.media_type)
    guessed = next((kind for start, kind in _MAGIC.items() if data.startswith(start)), None)
    return guessed or _DEFAULTS[media.kind]


def _file(media: ir.Media) -> dict[str, Any]:
    told: dict[str, Any] = {"fileUri": media.url or f"{_FILES}{media.file_id}"}
    if media.media_type:
        told["mimeType"] = _SAME.get(media.media_type, media.media_type)
    return {"fileData": told}


def _with_extras(made: dict[str, Any], media: ir.Media) -> dict[str, Any]:
    """A Gemini client's own fields, beside the media and within it."""
    ((where, told),) = made.items()
    if media.name is not None:
        told["displayName"] = media.name
    if where in media.extras:
        told |= fields(media.extras[where], where)
    return media.extras | {where: told}


def among(request: ir.Request) -> Iterator[ir.Media]:
    """Every image, document and sound of the conversation, those in tool results too."""
    for message in request.messages:
        for block in message.blocks:
            if isinstance(block, ir.Media):
                yield block
            elif isinstance(block, ir.ToolResult):
                yield from (inner for inner in block.content if isinstance(inner, ir.Media))
