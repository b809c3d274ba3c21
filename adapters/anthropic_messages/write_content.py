"""Hub blocks -> content blocks as Anthropic takes them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from adapters import breakpoints, ir, media
from adapters.anthropic_messages.wire import FAMILY, Bare
from adapters.call_ids import legal_id

IMAGE_TYPES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))


def write_block(block: ir.Block, *, own: bool, fetched: Mapping[ir.Need, ir.Media]) -> dict[str, Any] | Raw | None:
    """One block, or None when Anthropic cannot be given it. ``own``: the request came in this family's words, so
    extras go back with it."""
    match block:
        case ir.Text(text):
            return write_text(block, own=own) if text.strip() else None
        case ir.ToolCall():
            return _tool_use(block, own=own)
        case ir.ToolResult():
            return _tool_result(block, own=own, fetched=fetched)
        case ir.Reasoning():
            return _reasoning(block, own=own)
        case ir.Media():
            return _media(block, own=own, fetched=fetched)
        case ir.Refusal(text):
            return {"type": "text", "text": text} if text.strip() else None
    return block.raw if block.family == FAMILY else None


def write_text(block: ir.Text, *, own: bool) -> dict[str, Any]:
    """A text block, with its cache breakpoint and citations where they are this family's."""
    return _with_extras({"type": "text", "text": block.text}, block.extras, own=own)


def is_bare(block: ir.Block, *, own: bool) -> bool:
    """A sole text may be written as a string: of this family only where it came as one."""
    return isinstance(block, Bare) if own else isinstance(block, ir.Text) and breakpoints.of(block.extras) is None


def _with_extras(body: dict[str, Any], extras: ir.Extras, *, own: bool) -> dict[str, Any]:
    """Of another family's extras a cache breakpoint alone is understood here (G61)."""
    return {**body, **(extras if own else breakpoints.field(extras))} if extras else body


def _tool_use(block: ir.ToolCall, *, own: bool) -> dict[str, Any]:
    body = {"type": "tool_use", "id": legal_id(block.id), "name": block.name, "input": _input(block)}
    return _with_extras(body, block.extras, own=own)


def _input(block: ir.ToolCall) -> Raw:
    """The arguments, digit by digit as they came (G21)."""
    return Raw(b"{}" if block.arguments.strip() in ("", "null") else block.arguments.encode())


def _tool_result(block: ir.ToolResult, *, own: bool, fetched: Mapping[ir.Need, ir.Media]) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "tool_result", "tool_use_id": legal_id(block.id)}
    if block.content:
        body["content"] = _result_content(block.content, own=own, fetched=fetched)
    if block.is_error:
        body["is_error"] = True
    mark = None if own else breakpoints.on_result(block)
    return {**body, breakpoints.CACHE_CONTROL: mark} if mark else _with_extras(body, block.extras, own=own)


def _result_content(content: tuple[ir.Text | ir.Media, ...], *, own: bool, fetched: Mapping[ir.Need, ir.Media]) -> Any:
    if not own and any(part.extras for part in content):  # a breakpoint stands on the whole result
        content = tuple(msgspec.structs.replace(part, extras={}) for part in content)
    first = content[0]
    if len(content) == 1 and isinstance(first, ir.Text) and is_bare(first, own=own):
        return first.text
    parts = (write_block(part, own=own, fetched=fetched) for part in content)
    return [part for part in parts if part is not None]


def _reasoning(block: ir.Reasoning, *, own: bool) -> dict[str, Any] | None:
    """Thinking goes back verbatim and only to its vendor; without a signature it is refused upstream, so it stays."""
    state = block.state
    if state is None or state.family != FAMILY:
        return None
    if state.kind == "redacted":
        return _with_extras({"type": "redacted_thinking", "data": state.data}, block.extras, own=own)
    thought = "".join(block.summary) or block.text
    return _with_extras({"type": "thinking", "thinking": thought, "signature": state.data}, block.extras, own=own)


def media_need(block: ir.Media, can: ir.Capabilities) -> ir.Need | None:
    """What must be fetched first: an image or file behind a URL that the backend will not open itself."""
    if block.url is None or media.data_url(block.url) is not None:
        return None
    may_fetch = can.image_urls and block.url.startswith("https://")
    return None if may_fetch else ir.Need("media_url", block.url)


def refused_media(block: ir.Media, can: ir.Capabilities, *, own: bool) -> str | None:
    """Why this backend cannot be given the part, or None."""
    if block.kind == "audio":
        return "this backend takes no audio"
    if block.kind == "image" and not can.images:
        return "this backend takes no images"
    if block.kind == "file" and not can.files:
        return "this backend takes no files"
    if block.file_id is not None and not own:
        return "a file id of another vendor cannot be read here; send the data or a URL"
    return _refused_type(block)


def _refused_type(block: ir.Media) -> str | None:
    if block.data is None:
        return None
    media_type = _media_type(block)
    if block.kind == "image" and media_type not in IMAGE_TYPES:
        return f"'{media_type}' is not among {', '.join(sorted(IMAGE_TYPES))}"
    if block.kind == "file" and media_type != "application/pdf" and not media.is_textual(media_type):
        return f"'{media_type}' is neither PDF nor text"
    return None


def _media(block: ir.Media, *, own: bool, fetched: Mapping[ir.Need, ir.Media]) -> dict[str, Any] | None:
    if block.kind == "audio":
        return None
    source = _source(resolved(block, fetched))
    body: dict[str, Any] = {"type": "image" if block.kind == "image" else "document", "source": source}
    if block.kind == "file" and block.name:
        body["title"] = block.name
    return _with_extras(body, block.extras, own=own)


def resolved(block: ir.Media, fetched: Mapping[ir.Need, ir.Media]) -> ir.Media:
    """The part with its bytes in it, where they were fetched or stand in its URL. Raises ir.Invalid for those that
    this vendor does not read."""
    found = media.resolved(block, fetched)
    inline = media.data_url(found.url) if found.url is not None else None
    if inline is not None:
        found = msgspec.structs.replace(found, url=None, media_type=inline[0], data=inline[1])
    why = _refused_type(found) if found is not block else None
    if why is not None:
        raise ir.Invalid(f"The {block.kind} cannot be given to this backend: {why}.", "messages", "invalid_media")
    return found


def _source(block: ir.Media) -> dict[str, str]:
    if block.file_id is not None:
        return {"type": "file", "file_id": block.file_id}
    if block.url is not None:
        return {"type": "url", "url": block.url}
    data, media_type = block.data or "", _media_type(block)
    if block.kind == "file" and media.is_textual(media_type):
        return {"type": "text", "media_type": "text/plain", "data": _decoded(data)}
    return {"type": "base64", "media_type": media_type, "data": data}


def _media_type(block: ir.Media) -> str:
    """The type in the spelling that Anthropic takes (G41); an image without one is known by its first bytes."""
    given = media.usual(block.media_type) or media.sniffed(media.first_bytes(block.data or ""))
    return given or ("image/jpeg" if block.kind == "image" else "text/plain")


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return data
