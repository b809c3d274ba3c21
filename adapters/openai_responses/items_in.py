"""Input items of a Responses request -> messages of the hub."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.media import data_url
from adapters.openai_responses import foreign, mirror, plain, wire
from adapters.openai_responses.tools import read_tools
from adapters.openai_responses.wire import Fields


class Item(Struct, frozen=True):
    """One input item, read: the turn it belongs to, its blocks, and what only a message item has."""

    role: ir.Role
    blocks: tuple[ir.Block, ...]
    is_message: bool = False
    id: str | None = None
    phase: str | None = None
    extras: ir.Extras = {}


def read_input(raw: msgspec.Raw) -> tuple[ir.Message, ...]:
    """``input``: a string or a list of items. Raises ir.Invalid that names the item and the field."""
    if wire.is_string(raw):
        return (ir.Message("user", (ir.Text(wire.STR.decode(raw)),)),)
    try:
        raws = wire.RAW_LIST.decode(raw)
    except msgspec.MsgspecError:
        why = "Invalid type for 'input': expected a string or a list of items."
        raise ir.Invalid(why, "input", "invalid_type") from None
    if not raws:
        raise ir.Invalid("'input' must not be empty: send a string or at least one item.", "input", "invalid_value")
    items = [read_item(entry, f"input[{index}]") for index, entry in enumerate(raws)]
    return _grouped([item for item in items if item.blocks or item.is_message])


def _grouped(items: list[Item]) -> tuple[ir.Message, ...]:
    """Consecutive items of one assistant turn, and consecutive tool results, become one message."""
    messages: list[ir.Message] = []
    has_message = False
    for item in items:
        last = messages[-1] if messages else None
        joins = item.role in {"assistant", "tool"} and last is not None and last.role == item.role
        if last is None or not joins or (item.is_message and has_message):
            messages.append(ir.Message(item.role, item.blocks, id=item.id, phase=item.phase, extras=item.extras))
            has_message = item.is_message
            continue
        named = {"id": item.id, "phase": item.phase, "extras": item.extras} if item.is_message else {}
        messages[-1] = msgspec.structs.replace(last, blocks=last.blocks + item.blocks, **named)
        has_message = has_message or item.is_message
    return tuple(messages)


def read_item(raw: msgspec.Raw, path: str) -> Item:
    """One item; a type that we do not know is kept whole."""
    said = plain.message(raw)
    if said is not None:
        return Item(said.role, said.blocks(), True, plain.known(said.id), plain.known(said.phase))
    called = plain.call(raw)
    if called is not None:
        return Item("assistant" if type(called) is ir.ToolCall else "tool", (called,))
    fields = Fields.of(raw, path)
    kind = fields.take("type", wire.STR)
    if kind is None and "role" not in fields.rest:
        why = "Give the item a 'type', or a 'role' and 'content'."
        raise ir.Invalid(
            f"Missing required parameter: '{path}.type'. {why}", f"{path}.type", "missing_required_parameter"
        )
    reader = _READERS.get(kind or "message")
    if reader is not None:
        return reader(fields)
    offered = read_tools(fields.take("tools", wire.RAW_LIST) or [], fields.name("tools")) if kind in _OFFERING else ()
    return Item(_side(kind or ""), (ir.Opaque("openai", kind or "", raw, offered),))


_OFFERING = ("additional_tools", "tool_search_output")
"""Items that put tools on offer."""


def _side(kind: str) -> ir.Role:
    if kind in wire.ASKED:
        return "user"
    return "tool" if kind.endswith("_output") or kind in wire.RESULTS else "assistant"


def _message(fields: Fields) -> Item:
    said = fields.need("role", wire.STR)
    role = wire.ROLES.get(said)
    if role is None:
        raise fields.wrong("role", f"'{said}'. Supported values are: 'assistant', 'system', 'developer', and 'user'")
    if wire.is_null(fields.rest.get("content")):
        fields.need("content", wire.ANY)
    blocks = read_content(fields, "content")
    id_, phase = fields.take("id", wire.STR), fields.take("phase", wire.STR)
    return Item(role, blocks, True, id_, phase, fields.rest)


def read_content(fields: Fields, name: str) -> tuple[ir.Text | ir.Media | ir.Refusal | ir.Opaque, ...]:
    """A string, or a list of parts."""
    raw = fields.rest.pop(name)
    if wire.is_string(raw):
        return (ir.Text(wire.STR.decode(raw)),)
    try:
        raws = wire.RAW_LIST.decode(raw)
    except msgspec.MsgspecError:
        path = fields.name(name)
        why = f"Invalid type for '{path}': expected a string or a list of content parts."
        raise ir.Invalid(why, path, "invalid_type") from None
    return tuple(_part(part, f"{fields.name(name)}[{index}]") for index, part in enumerate(raws))


def _part(raw: msgspec.Raw, path: str) -> ir.Text | ir.Media | ir.Refusal | ir.Opaque:
    fields = Fields.of(raw, path)
    kind = fields.need("type", wire.STR)
    match kind:
        case "input_text" | "output_text" | "text":
            notes = tuple(annotation(note) for note in fields.take("annotations", _OBJECTS) or ())
            return ir.Text(fields.need("text", wire.STR), notes, extras=fields.rest)
        case "refusal":
            return ir.Refusal(fields.need("refusal", wire.STR), fields.rest)
        case "input_image":
            return _image(fields)
        case "input_file":
            return _file(fields)
        case _:
            return ir.Opaque("openai", kind, raw)


_OBJECTS = msgspec.json.Decoder(list[dict[str, object]])


def annotation(raw: dict[str, object]) -> ir.Annotation:
    """A citation as OpenAI tells it."""

    def word(name: str) -> str | None:
        value = raw.get(name)
        return value if isinstance(value, str) else None

    def number(name: str) -> int | None:
        value = raw.get(name)
        return value if isinstance(value, int) else None

    kind = word("type") or "url_citation"
    return ir.Annotation(kind, word("url"), word("title"), number("start_index"), number("end_index"), raw)


def _image(fields: Fields) -> ir.Media:
    url, file_id = fields.take("image_url", wire.STR), fields.take("file_id", wire.STR)
    detail = fields.take("detail", wire.STR)
    if url is None and file_id is None:
        raise fields.wrong("image_url", "give an 'image_url' (a URL or a data: URL) or a 'file_id'")
    if url is None:
        return ir.Media("image", file_id=file_id, detail=detail, extras=fields.rest)
    inline = data_url(url)
    if inline is not None:
        media_type, data = inline
        return ir.Media("image", data=data, media_type=media_type, detail=detail, extras=fields.rest)
    return ir.Media("image", url=url, detail=detail, extras=fields.rest)


def _file(fields: Fields) -> ir.Media:
    data, url = fields.take("file_data", wire.STR), fields.take("file_url", wire.STR)
    file_id, name = fields.take("file_id", wire.STR), fields.take("filename", wire.STR)
    if data is None and url is None and file_id is None:
        raise fields.wrong("file_data", "give one of 'file_data', 'file_url' and 'file_id'")
    if data is None:
        return ir.Media("file", url=url, file_id=file_id, name=name, extras=fields.rest)
    media_type, bare = data_url(data) or (None, data)
    return ir.Media("file", data=bare, media_type=media_type, name=name, extras=fields.rest)


class _Piece(Struct):
    text: str = ""


_PIECES = msgspec.json.Decoder(list[_Piece])


def _reasoning(fields: Fields) -> Item:
    summary = tuple(piece.text for piece in fields.take("summary", _PIECES) or ())
    content = [piece.text for piece in fields.take("content", _PIECES) or ()]
    sealed = fields.take("encrypted_content", wire.STR)
    state = None if sealed is None else ir.VendorState("openai", "encrypted_content", sealed)
    id_ = fields.take("id", wire.STR)
    text = mirror.stripped(id_, summary, content)
    if not (text or summary or state) and id_ is not None and foreign.is_made_here(id_):
        return Item("assistant", ())  # our own placeholder: it never was a thought
    return Item("assistant", (ir.Reasoning(text, summary, state, id_, fields.rest),))


def _function_call(fields: Fields) -> Item:
    return _call(fields, "arguments", custom=False)


def _custom_call(fields: Fields) -> Item:
    return _call(fields, "input", custom=True)


def _call(fields: Fields, field: str, *, custom: bool) -> Item:
    call = ir.ToolCall(
        fields.need("call_id", wire.STR),
        fields.need("name", wire.STR),
        fields.need(field, wire.STR),
        custom,
        item_id=fields.take("id", wire.STR),
        namespace=fields.take("namespace", wire.STR),
        extras=fields.rest,
    )
    return Item("assistant", (call,))


def _function_output(fields: Fields) -> Item:
    return _output(fields, custom=False)


def _custom_output(fields: Fields) -> Item:
    return _output(fields, custom=True)


def _output(fields: Fields, *, custom: bool) -> Item:
    call_id = fields.need("call_id", wire.STR)
    if wire.is_null(fields.rest.get("output")):
        fields.need("output", wire.ANY)
    content = read_content(fields, "output")
    kept = tuple(block for block in content if isinstance(block, ir.Text | ir.Media))
    if len(kept) != len(content):
        raise fields.wrong("output", "a tool's output may hold input_text, input_image and input_file parts")
    item_id = fields.take("id", wire.STR)
    return Item("tool", (ir.ToolResult(call_id, kept, custom=custom, item_id=item_id, extras=fields.rest),))


_READERS = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "custom_tool_call": _custom_call,
    "function_call_output": _function_output,
    "custom_tool_call_output": _custom_output,
}
