"""Content parts, both ways: text, images, files and sound as chat says them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from adapters import breakpoints, ir
from adapters.media import data_url, first_bytes, resolved, sniffed, usual
from adapters.openai_chat import wire

_PART = wire.Reading(wire.Part)
_SOUNDS = {"audio/mpeg": "mp3"}


def read(content: str | Sequence[msgspec.Raw] | None, message: str) -> tuple[ir.Block, ...]:
    """A message's ``content``; the message stands at the path ``message``. Raises ir.Invalid."""
    if isinstance(content, str):
        return (ir.Text(content),)
    at = f"{message}.content"
    if content is None:
        raise ir.Invalid(f"Invalid value for '{at}': expected a string or an array of parts, got null.", at)
    return tuple(_read_part(raw, f"{at}[{index}]") for index, raw in enumerate(content))


def _read_part(raw: msgspec.Raw, at: str) -> ir.Block:
    part, extras = _PART.read(raw, at)
    match part.type:
        case "text":
            return ir.Text(_needed(part.text, f"{at}.text"), extras=extras)
        case "image_url":
            if part.image_url is None:
                raise wire.missing(f"{at}.image_url")
            return _read_image(part.image_url, at, extras)
        case "input_audio":
            sound = _needed(part.input_audio, f"{at}.input_audio")
            return ir.Media("audio", data=sound.data, media_type=usual(f"audio/{sound.format}"), extras=extras)
        case "file":
            return _read_file(_needed(part.file, f"{at}.file"), f"{at}.file", extras)
        case "refusal":
            return ir.Refusal(_needed(part.refusal, f"{at}.refusal"), extras)
    return ir.Opaque("openai", part.type, msgspec.Raw(bytes(raw)))


def _needed(value: wire.T | None, field: str) -> wire.T:
    if value is None:
        raise wire.missing(field)
    return value


def _read_image(image: wire.ImageUrl | str, at: str, extras: ir.Extras) -> ir.Media:
    """``image_url`` as an object, or as the mere URL that Responses clients write."""
    url = image if isinstance(image, str) else image.url
    detail = None if isinstance(image, str) else image.detail
    field = f"{at}.image_url" if isinstance(image, str) else f"{at}.image_url.url"
    if url[:5].lower() == "data:":
        kind, data = _data_url(url, field)
        return ir.Media("image", data=data, media_type=kind, detail=detail, extras=extras)
    if ":" not in url:
        raise ir.Invalid(f"Invalid value for '{field}': expected an http(s) URL or a data URL.", field, "invalid_value")
    return ir.Media("image", url=url, detail=detail, extras=extras)


def _read_file(file: wire.File, at: str, extras: ir.Extras) -> ir.Media:
    if file.file_id:
        return ir.Media("file", file_id=file.file_id, name=file.filename, extras=extras)
    if not file.file_data:
        raise ir.Invalid(f"'{at}' needs 'file_id' or 'file_data'.", at, "missing_required_parameter")
    if file.file_data[:5].lower() == "data:":
        kind, data = _data_url(file.file_data, f"{at}.file_data")
        return ir.Media("file", data=data, media_type=kind, name=file.filename, extras=extras)
    return ir.Media("file", data=file.file_data, name=file.filename, extras=extras)


def _data_url(url: str, field: str) -> tuple[str, str]:
    """(media type, bare base64) of a data URL (G41)."""
    found = data_url(url)
    if found is None or url[5:].lstrip()[:1] in (";", ","):
        raise ir.Invalid(f"Invalid data URL in '{field}': expected data:<media type>;base64,<data>.", field)
    if not _is_base64(found[1]):
        raise ir.Invalid(f"Invalid base64 in '{field}'.", field, "invalid_base64")
    return found


def _is_base64(payload: str) -> bool:
    """Looks at the length and at both ends: all of a large image is the backend's to judge."""
    try:
        base64.b64decode(payload[:64] + "=" * (-len(payload[:64]) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(payload)


class Writing(Struct, frozen=True):
    """For whom content is written. ``own``: the request came in this dialect, so that its extras are chat's words."""

    upstream: ir.Upstream
    context: ir.Context
    own: bool

    def extras(self, extras: ir.Extras) -> ir.Extras:
        """What of a value's extras may be written."""
        return breakpoints.kept(extras, self.upstream) if extras and self.own else {}


def write(blocks: Sequence[ir.Text | ir.Media], writing: Writing) -> str | list[dict[str, Any]]:
    """A message's ``content``. Servers other than OpenAI get text alone as one string, which every template takes."""
    texts = [block for block in blocks if isinstance(block, ir.Text)]
    if len(texts) == len(blocks):
        if len(texts) == 1 and not writing.extras(texts[0].extras):
            return texts[0].text
        if writing.upstream.wire == "variant":
            return "\n".join([text.text for text in texts])
    return [_write_part(block, writing) for block in blocks]


def _write_part(block: ir.Text | ir.Media, writing: Writing) -> dict[str, Any]:
    """One part. Raises ir.Invalid for what ``refuses`` names."""
    if isinstance(block, ir.Text):
        return {"type": "text", "text": block.text, **writing.extras(block.extras)}
    if block.kind == "image":
        return _write_image(block, writing)
    if block.kind == "audio":
        kind, data = _bytes_of(block, writing.context)
        sound = {"data": data, "format": _SOUNDS.get(kind, kind.rpartition("/")[2])}
        return {"type": "input_audio", "input_audio": sound, **writing.extras(block.extras)}
    name = {"filename": block.name} if block.name else {}
    if block.file_id:
        return {"type": "file", "file": {"file_id": block.file_id, **name}, **writing.extras(block.extras)}
    kind, data = _bytes_of(block, writing.context)
    file = {"filename": block.name or "file", "file_data": f"data:{kind};base64,{data}"}
    return {"type": "file", "file": file, **writing.extras(block.extras)}


def _write_image(image: ir.Media, writing: Writing) -> dict[str, Any]:
    if image.url is not None and not must_fetch(image, writing.upstream):
        url = image.url
    else:
        kind, data = _bytes_of(image, writing.context)
        url = f"data:{kind};base64,{data}"
    detail = {"detail": image.detail} if image.detail else {}
    return {"type": "image_url", "image_url": {"url": url, **detail}, **writing.extras(image.extras)}


def must_fetch(media: ir.Media, upstream: ir.Upstream) -> bool:
    """Chat takes URLs of images only, and not every server fetches them."""
    return media.url is not None and (media.kind != "image" or not upstream.capabilities.image_urls)


def need_of(media: ir.Media) -> ir.Need:
    """What must be fetched before ``media`` can be written."""
    return ir.Need("media_url", media.url or "")


def _bytes_of(media: ir.Media, context: ir.Context) -> tuple[str, str]:
    """(media type, base64). Raises ir.Invalid."""
    media = resolved(media, context.fetched)
    if media.data is None:
        raise ir.Invalid(f"This backend cannot be given this {media.kind} by reference.", code="unsupported_parameter")
    return usual(media.media_type) or sniffed(first_bytes(media.data)) or _DEFAULT_TYPES[media.kind], media.data


_DEFAULT_TYPES: Mapping[str, str] = {"image": "image/png", "file": "application/pdf", "audio": "audio/wav"}
