"""Content blocks of a Messages request -> hub blocks; every error names its field."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

from adapters import ir
from adapters.anthropic_messages.wire import ANY, BOOL, FAMILY, LIST, OBJECT, STRING, Bare, Fields, decode, raw


def read_content(raw: Raw, where: str) -> tuple[ir.Block, ...]:
    """A string or a list of blocks."""
    if bytes(raw)[:1] == b'"':
        return (Bare(decode(raw, STRING, where)),)
    if bytes(raw)[:1] != b"[":
        raise ir.Invalid(f"{where}: expected a string or an array of content blocks.", where, "invalid_type")
    blocks = decode(raw, LIST, where)
    return tuple(read_block(block, f"{where}[{i}]") for i, block in enumerate(blocks))


def read_block(raw: Raw, where: str) -> ir.Block:
    """One content block; a type that is not known here is kept whole for its own family."""
    fields = Fields(decode(raw, OBJECT, where), where)
    kind = fields.required("type", STRING)
    reader = _READERS.get(kind)
    found = reader(fields) if reader is not None else None
    return found if found is not None else ir.Opaque(FAMILY, kind, raw)


def _text(fields: Fields) -> ir.Block:
    return ir.Text(fields.required("text", STRING), extras=fields.rest)


def _image(fields: Fields) -> ir.Block | None:
    return _media("image", fields)


def _document(fields: Fields) -> ir.Block | None:
    return _media("file", fields)


def _media(kind: str, fields: Fields) -> ir.Block | None:
    source = Fields(fields.required("source", OBJECT), fields.at("source"))
    form = source.required("type", STRING)
    name = fields.optional("title", STRING) if kind == "file" else None
    media = ir.Media("image" if kind == "image" else "file", name=name, extras=fields.rest)
    match form:
        case "base64":
            data, mime = source.required("data", STRING), source.required("media_type", STRING)
            return _with(media, data=data, media_type=mime)
        case "text":
            data = base64.b64encode(source.required("data", STRING).encode()).decode()
            return _with(media, data=data, media_type=source.required("media_type", STRING))
        case "content":
            return _with_words(media, source)
        case "url":
            return _with(media, url=source.required("url", STRING))
        case "file":
            return _with(media, file_id=source.required("file_id", STRING))
    return None


def _with_words(media: ir.Media, source: Fields) -> ir.Block | None:
    """A document of text blocks is a text; its own form travels beside it. One with images is this family's alone."""
    told = dict(source.rest)
    source.required("content", ANY)
    blocks = read_content(told["content"], source.at("content"))
    if not all(isinstance(block, ir.Text) for block in blocks):
        return None
    words = "\n\n".join(block.text for block in blocks if isinstance(block, ir.Text))
    media = msgspec.structs.replace(media, extras={**media.extras, "source": raw({"type": "content", **told})})
    return _with(media, data=base64.b64encode(words.encode()).decode(), media_type="text/plain")


def _with(media: ir.Media, **source: str) -> ir.Media:
    return ir.Media(media.kind, name=media.name, extras=media.extras, **source)


def _thinking(fields: Fields) -> ir.Block:
    return reasoning(fields.required("thinking", STRING), fields.optional("signature", STRING), fields.rest)


def reasoning(thought: str, signature: str | None, extras: ir.Extras) -> ir.Reasoning:
    """A thinking block."""
    state = ir.VendorState(FAMILY, "signature", signature) if signature else None
    return ir.Reasoning(summary=(thought,), state=state, extras=extras)


def _redacted(fields: Fields) -> ir.Block:
    state = ir.VendorState(FAMILY, "redacted", fields.required("data", STRING))
    return ir.Reasoning(state=state, extras=fields.rest)


def _tool_use(fields: Fields) -> ir.Block:
    given = fields.rest.pop("input", Raw(b"{}"))
    decode(given, OBJECT, fields.at("input"))
    return ir.ToolCall(
        fields.required("id", STRING),
        fields.required("name", STRING),
        bytes(given).decode(),
        extras=fields.rest,
    )


def _tool_result(fields: Fields) -> ir.Block:
    call = fields.required("tool_use_id", STRING)
    told = bytes(fields.rest.get("is_error", b"null"))
    failed = fields.optional("is_error", BOOL)
    if told == b"false":
        fields.rest["is_error"] = Raw(told)
    content = fields.rest.pop("content", None)
    blocks = read_content(content, fields.at("content")) if content is not None else ()
    known = tuple(block for block in blocks if isinstance(block, ir.Text | ir.Media))
    if content is not None and len(known) < len(blocks):
        fields.rest["content"] = content
    return ir.ToolResult(call, known, is_error=bool(failed), extras=fields.rest)


_READERS: Mapping[str, Callable[[Fields], ir.Block | None]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
