"""Images, documents and sounds, whoever writes them: found in a request, known by their types, put for their links."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from adapters import ir

_SAME = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "application/x-pdf": "application/pdf",
}
"""Other spellings of the same type."""
_MAGIC = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_TEXTUAL = frozenset(("application/json", "application/xml", "application/yaml", "application/x-yaml"))
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


def usual(media_type: str | None) -> str:
    """A type without its parameters, in the spelling that every vendor takes (G41); "" where there is none."""
    bare = (media_type or "").partition(";")[0].strip().lower()
    return _SAME.get(bare, bare)


def sniffed(head: bytes) -> str | None:
    """The type that the first bytes of a file tell."""
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def first_bytes(data: str) -> bytes:
    """Of base64, as many as ``sniffed`` looks at."""
    try:
        return base64.b64decode(_padded(data[:24]))
    except (binascii.Error, ValueError):
        return b""


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def data_url(url: str) -> tuple[str, str] | None:
    """(media type, bare base64) of a ``data:`` URL, spelled as it may be; None for any other URL (RFC 2397)."""
    head, comma, payload = url[5:].partition(",")
    if url[:5].lower() != "data:" or not comma:
        return None
    kind, *parameters = head.split(";")
    if not any(word.strip().lower() == "base64" for word in parameters):
        payload = base64.b64encode(unquote_to_bytes(payload)).decode()
    return usual(kind) or "text/plain", payload


def is_text(media: ir.Media) -> bool:
    """A document whose bytes are text."""
    return media.kind == "file" and media.data is not None and is_textual(usual(media.media_type))


def is_textual(media_type: str) -> bool:
    """``media_type`` as ``usual`` spells it."""
    return media_type.startswith("text/") or media_type in _TEXTUAL


def among(request: ir.Request, roles: Collection[ir.Role] = ir.ROLES) -> Iterator[tuple[str, ir.Media]]:
    """Every medium of the conversation with the place of its block, those in tool results too."""
    # By type, which is quicker than isinstance: every block of every request comes by here, several times.
    for at, message in enumerate(request.messages):
        if message.role not in roles:
            continue
        for number, block in enumerate(message.blocks):
            if type(block) is ir.Media:
                yield f"messages[{at}].content[{number}]", block
            elif type(block) is ir.ToolResult:
                for part in block.content:
                    if type(part) is ir.Media:
                        yield f"messages[{at}].content[{number}]", part


def resolved(media: ir.Media, fetched: Mapping[ir.Need, ir.Media]) -> ir.Media:
    """The medium with its bytes in the place of its link, where they were fetched. Raises ir.Invalid when the link led
    to something else than it was said to be."""
    found = fetched.get(ir.Need("media_url", media.url)) if media.url is not None else None
    if found is None or found.data is None:
        return media
    served = usual(found.media_type)
    if media.kind in ("image", "audio") and not served.startswith(f"{media.kind}/"):
        where = urlsplit(media.url or "").hostname
        message = f"The link to {where} leads to {served or 'something unknown'}, not to an {media.kind}: send another."
        raise ir.Invalid(message, "messages", "invalid_media")
    return msgspec.structs.replace(media, url=None, data=found.data, media_type=served or None)
