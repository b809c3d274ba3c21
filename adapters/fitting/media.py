"""Media in a form that a backend takes: text documents as text; and what could only be lost on the way, by name."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import msgspec

from adapters import ir, media
from adapters.fitting.fitted import Fitted
from adapters.providers import CHAT, RESPONSES


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    """Documents that are text become text where files are not taken, or not as text (chat)."""
    named = (*_instructions(request, upstream), *_foreign_results(request, upstream))
    takes_text = upstream.capabilities.files and (upstream.dialect != CHAT or request.dialect == CHAT)
    if takes_text or not any(media.is_text(part) for _, part in media.among(request)):
        return Fitted(request, named=named)
    messages = tuple(_message(message) for message in request.messages)
    return Fitted(msgspec.structs.replace(request, messages=messages), named=named)


def _message(message: ir.Message) -> ir.Message:
    return msgspec.structs.replace(message, blocks=tuple(map(_block, message.blocks)))


def _block(block: ir.Block) -> ir.Block:
    if isinstance(block, ir.ToolResult):
        return msgspec.structs.replace(block, content=tuple(map(_part, block.content)))
    return _part(block) if isinstance(block, ir.Media) else block


def _part(part: ir.Text | ir.Media) -> ir.Text | ir.Media:
    if isinstance(part, ir.Text) or not media.is_text(part):
        return part
    try:
        words = base64.b64decode(part.data or "").decode()
    except ValueError:
        return part
    extras = {name: raw for name, raw in part.extras.items() if name != "source"}
    return ir.Text(f"{part.name or 'Document'}:\n\n{words}", extras=extras)


def _instructions(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    """Only Responses takes more than text there."""
    if upstream.dialect == RESPONSES or (request.family == upstream.family and upstream.dialect != CHAT):
        return
    for where, _ in media.among(request, ("system", "developer")):
        yield ir.Named(where, "instructions may hold text only: move it to a user message", "contract")


def _foreign_results(request: ir.Request, upstream: ir.Upstream) -> Iterator[ir.Named]:
    """Blocks of a tool's result that only its client's vendor knows; they are kept in its extras."""
    if request.family == upstream.family:
        return
    for at, message in enumerate(request.messages):
        for number, block in enumerate(message.blocks):
            if type(block) is ir.ToolResult and "content" in block.extras:
                why = "the tool's result holds a block that only another vendor can read: send text and images"
                yield ir.Named(f"messages[{at}].content[{number}]", why, "contract")
