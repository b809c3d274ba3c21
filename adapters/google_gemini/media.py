"""Images, documents and sounds as Gemini takes them: bytes in the body, or a file that Google can reach itself."""

from __future__ import annotations

import re
from typing import Any

from adapters import ir
from adapters.google_gemini.wire import fields
from adapters.media import among, first_bytes, resolved, sniffed, usual

_FILES = "https://generativelanguage.googleapis.com/v1beta/"
_GOOGLES = re.compile(
    r"gs://|https://generativelanguage\.googleapis\.com/|https://(www\.|m\.)?(youtube\.com|youtu\.be)/"
)
_RESOLUTIONS = {
    "original": "MEDIA_RESOLUTION_HIGH",
    "high": "MEDIA_RESOLUTION_HIGH",
    "low": "MEDIA_RESOLUTION_LOW",
}
IN_RESULTS = frozenset(("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"))
"""What may stand inside a functionResponse, from Gemini 3 on."""
_DEFAULTS = {"image": "image/png", "audio": "audio/wav", "file": "application/pdf"}


def need(media: ir.Media, upstream: ir.Upstream, *, own: bool) -> ir.Need | None:
    """What must be fetched first, since Google does not follow web addresses (G87)."""
    if media.data is not None or own:
        return None
    if media.url is None or _reachable(media.url, upstream):
        return None
    return ir.Need("media_url", media.url)


def refused(media: ir.Media, limits: ir.Capabilities) -> str | None:
    """Why this backend cannot be given the medium of another vendor's client, or None."""
    if not {"image": limits.images, "file": limits.files, "audio": limits.audio}[media.kind]:
        return f"this backend takes no {media.kind}"
    if media.file_id is not None and not media.file_id.startswith("files/"):
        return "a file id of another vendor cannot be read here; send the data"
    return None


def _reachable(url: str, upstream: ir.Upstream) -> bool:
    return upstream.capabilities.image_urls or _GOOGLES.match(url) is not None


def resolution(request: ir.Request) -> str | None:
    """``mediaResolution`` of the whole question, for the details that its images ask for: the highest of them."""
    asked = {part.detail for _, part in among(request) if part.kind == "image"} & _RESOLUTIONS.keys()
    return next((level for detail, level in _RESOLUTIONS.items() if detail in asked), None)


def part(media: ir.Media, upstream: ir.Upstream, context: ir.Context, *, own: bool) -> dict[str, Any]:
    """``inlineData`` or ``fileData``. Raises ir.Invalid for what was not fetched."""
    needed = need(media, upstream, own=own)
    if needed is not None:
        media = _fetched(media, needed, context)
    made = _inline(media) if media.data is not None else _file(media)
    return _with_extras(made, media) if own else made


def _fetched(media: ir.Media, needed: ir.Need, context: ir.Context) -> ir.Media:
    found = resolved(media, context.fetched)
    if found.data is None:
        raise ir.Invalid(f"'{needed.key}' could not be fetched. Send the {media.kind} as base64 data.", "messages")
    return found


def _inline(media: ir.Media) -> dict[str, Any]:
    data = media.data or ""
    told: dict[str, Any] = {"mimeType": _type(media, data), "data": data}
    return {"inlineData": told}


def _type(media: ir.Media, data: str) -> str:
    return usual(media.media_type) or sniffed(first_bytes(data)) or _DEFAULTS[media.kind]


def _file(media: ir.Media) -> dict[str, Any]:
    told: dict[str, Any] = {"fileUri": media.url or f"{_FILES}{media.file_id}"}
    if media.media_type:
        told["mimeType"] = usual(media.media_type)
    return {"fileData": told}


def _with_extras(made: dict[str, Any], media: ir.Media) -> dict[str, Any]:
    """A Gemini client's own fields, beside the media and within it."""
    ((where, told),) = made.items()
    if media.name is not None:
        told["displayName"] = media.name
    if where in media.extras:
        told |= fields(media.extras[where], where)
    return media.extras | {where: told}
