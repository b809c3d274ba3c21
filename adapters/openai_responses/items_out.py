"""Messages of the hub -> input items for a Responses upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

import msgspec
from msgspec import Struct

from adapters import breakpoints, ir
from adapters.media import resolved
from adapters.openai_responses import foreign
from adapters.openai_responses.tools import known

Wire: TypeAlias = dict[str, Any] | msgspec.Raw
Content: TypeAlias = ir.Text | ir.Media | ir.Refusal | ir.Opaque


class Items(Struct, frozen=True):
    """How items are to be written: for whom, and whether the extras of the turns are this dialect's own."""

    upstream: ir.Upstream
    own: bool
    """The client spoke Responses too."""
    same_family: bool
    fetched: Mapping[ir.Need, ir.Media] = {}

    def write(self, messages: Iterable[ir.Message]) -> list[Wire]:
        """``input``, item by item, in order."""
        return [item for message in messages for item in self._message(message)]

    def _message(self, message: ir.Message) -> Iterator[Wire]:
        """Content gathers into one message item; every other block is an item of its own."""
        content: list[Content] = []
        told = message
        for block in message.blocks:
            if is_content(block):
                content.append(block)
                continue
            if content:
                yield self._say(told, content)
                content, told = [], msgspec.structs.replace(message, id=None)
            item = self._item(block)
            if item is not None:
                yield item
        if content or not message.blocks:
            yield self._say(told, content)

    def _say(self, message: ir.Message, content: list[Content]) -> Wire:
        role = "user" if message.role == "tool" else message.role
        extras = self._own(message.extras)
        unnamed = message.id is None and message.phase is None
        named = {} if unnamed else known({"id": message.id, "phase": message.phase})
        if message.id is None and (self._is_short(content) or (role == "assistant" and not self.own)):
            return {"role": role, "content": "".join(map(_words, content)), **named, **extras}
        kind = {"type": "message"} if role == "assistant" else {}
        return {**kind, "role": role, "content": [self._part(part, role) for part in content], **named, **extras}

    def _is_short(self, content: Sequence[ir.Block]) -> bool:
        return not content or (len(content) == 1 and is_plain(content[0]))

    def _part(self, block: Content, role: str) -> Wire:
        match block:
            case ir.Text(text, annotations) if role == "assistant":
                notes = [note.raw for note in annotations if note.raw]
                return {"type": "output_text", "text": text, "annotations": notes, **self._extras(block.extras)}
            case ir.Text(text):
                return {"type": "input_text", "text": text, **self._extras(block.extras)}
            case ir.Refusal(text):
                return {"type": "refusal", "refusal": text, **self._extras(block.extras)}
            case ir.Media():
                return self._media(block)
            case ir.Opaque(raw=raw):
                return raw

    def _extras(self, extras: ir.Extras) -> ir.Extras:
        """Cache breakpoints are Anthropic's (G61), whoever's client set them."""
        return breakpoints.kept(extras, self.upstream) if extras and self.same_family else {}

    def _own(self, extras: ir.Extras) -> ir.Extras:
        """Of a turn's or an item's extras, which mean something only in the dialect that they came in."""
        return self._extras(extras) if self.own else {}

    def _media(self, media: ir.Media) -> Wire:
        media = resolved(media, self.fetched)
        inline = None if media.data is None else f"data:{media.media_type or _GUESS[media.kind]};base64,{media.data}"
        extras = self._extras(media.extras)
        if media.kind == "image":
            detail = media.detail if self.own else media.detail or "auto"
            fields = {"image_url": inline or media.url, "file_id": media.file_id, "detail": detail}
            return {"type": "input_image", **known(fields), **extras}
        name = media.name or (None if self.own or inline is None else _NAMES.get(media.media_type or "", "file"))
        if media.media_type is None and self.own:
            inline = media.data
        fields = {"file_data": inline, "file_url": media.url, "file_id": media.file_id, "filename": name}
        return {"type": "input_file", **known(fields), **extras}

    def _item(self, block: ir.Block) -> Wire | None:
        match block:
            case ir.ToolCall():
                return self._call(block)
            case ir.ToolResult():
                return self._result(block)
            case ir.Reasoning():
                return self._reasoning(block)
            case ir.Opaque(raw=raw):
                return raw
        return None

    def _reasoning(self, block: ir.Reasoning) -> Wire | None:
        if not keeps_reasoning(block, self.upstream):
            return None
        item: dict[str, Any] = {"type": "reasoning", **known({"id": block.id})}
        item["summary"] = [{"type": "summary_text", "text": text} for text in block.summary]
        if block.text:
            item["content"] = [{"type": "reasoning_text", "text": block.text}]
        if is_ours(block.state):
            item["encrypted_content"] = block.state.data
        return {**item, **(block.extras if self.own else {})}

    def _call(self, call: ir.ToolCall) -> Wire:
        item: dict[str, Any] = {"type": "custom_tool_call" if call.custom else "function_call"}
        if call.item_id is not None:
            item["id"] = call.item_id
        item["call_id"] = call.id
        if call.namespace is not None:
            item["namespace"] = call.namespace
        told = {"input": call.arguments} if call.custom else {"arguments": call.arguments or "{}"}
        return {**item, "name": call.name, **told, **self._own(call.extras)}

    def _result(self, result: ir.ToolResult) -> Wire:
        kind = "custom_tool_call_output" if result.custom else "function_call_output"
        output: object
        if self._is_short(result.content):
            output = "".join(map(_words, result.content))
        else:
            output = [self._part(block, "user") for block in result.content]
        head = {"type": kind, "call_id": result.id, "output": output}
        if result.item_id is not None:
            head["id"] = result.item_id
        return {**head, **self._own(result.extras)}


_GUESS = {"image": "image/png", "file": "application/octet-stream", "audio": "audio/wav"}
_NAMES = {"application/pdf": "file.pdf", "text/plain": "file.txt", "text/csv": "file.csv"}


_WORDS = (ir.Text, ir.Refusal)
_ITEMS = frozenset((ir.Reasoning, ir.ToolCall, ir.ToolResult))
"""Blocks that are items of their own. (Asked for by type: ``isinstance`` takes four times as long to say no.)"""


def _words(part: Content) -> str:
    return part.text if isinstance(part, _WORDS) else ""


def is_content(block: ir.Block) -> TypeGuard[Content]:
    """Belongs inside a message item."""
    if type(block) is ir.Opaque:
        return is_part(block.wire_type)
    return type(block) not in _ITEMS


def is_part(wire_type: str) -> bool:
    """A content part's type, as against an item's."""
    return wire_type.startswith(("input_", "output_")) or wire_type.endswith("_text")


def is_plain(block: ir.Block) -> bool:
    """Text that is nothing but its string."""
    return isinstance(block, ir.Text) and not block.extras and not block.annotations


def is_ours(state: ir.VendorState | None) -> TypeGuard[ir.VendorState]:
    """State that an OpenAI upstream sealed."""
    return state is not None and state.family == "openai"


def keeps_reasoning(block: ir.Reasoning, upstream: ir.Upstream) -> bool:
    """OpenAI takes back only what it sealed or stored itself (G32); the others read the text."""
    stored = block.id is not None and not foreign.is_made_here(block.id)
    return is_ours(block.state) or stored or upstream.wire == "variant"
