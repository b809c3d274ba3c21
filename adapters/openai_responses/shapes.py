"""The output items of a Responses answer, each built from the blocks that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from adapters import ir
from adapters.openai_responses import mirror, wire
from adapters.openai_responses.items_out import is_ours
from adapters.openai_responses.tools import known

Wire: TypeAlias = dict[str, Any]

_PREFIX: dict[str, str] = {
    "text": "msg_",
    "refusal": "msg_",
    "reasoning": "rs_",
    "tool_call": "fc_",
    "custom_tool_call": "ctc_",
}
SERVER = frozenset({"server_tool", "image", "compaction"})
"""Kinds of block that are an item of their own family, kept whole."""
CALL_FIELDS = ("namespace", "caller", "async")
"""Fields of a call that the hub has no name for; they travel in ``meta``."""
_CITATIONS = frozenset({"file_citation", "container_file_citation", "file_path"})
"""The citations that pass as they came; chat servers have others (OpenRouter's ``file``), which no SDK could read."""


def is_carried(block: ir.ReplyBlock) -> bool:
    """False for another vendor's server-run item, which no Responses client could read."""
    return block.choice == 0 and (block.kind not in SERVER or block.meta.get("family") == "openai")


def item_id(block: ir.ReplyBlock, seed: str, index: int, taken: set[str]) -> str:
    """The upstream's id where it is of the right kind and new, else one of ours."""
    told = block.meta.get("item_id")
    if block.kind in SERVER:
        return str(told or f"item_{seed}_{index}")
    prefix = _PREFIX[block.kind]
    id_ = told if isinstance(told, str) and told.startswith(prefix) and told not in taken else f"{prefix}{seed}_{index}"
    taken.add(id_)
    return id_


def item(id_: str, blocks: Sequence[ir.ReplyBlock], status: str) -> Wire:
    """A whole item. ``status``: ``in_progress`` | ``completed`` | ``incomplete``."""
    first = blocks[0]
    match first.kind:
        case "text" | "refusal":
            return message(id_, [part(block) for block in blocks], status, first.meta.get("phase"))
        case "reasoning":
            return reasoning(id_, blocks, status)
        case "tool_call" | "custom_tool_call":
            return call(id_, first, status)
        case _:
            return hosted(id_, first, status)


def message(id_: str, content: list[dict[str, Any]], status: str, phase: object = None) -> dict[str, Any]:
    """A message item."""
    named = known({"phase": phase})
    return {"id": id_, "type": "message", "status": status, "role": "assistant", "content": content, **named}


def part(block: ir.ReplyBlock) -> dict[str, Any]:
    """A content part of a message."""
    if block.kind == "refusal":
        return {"type": "refusal", "refusal": block.text}
    notes = [note for a in block.annotations if (note := annotation(a)) is not None]
    return {"type": "output_text", "text": block.text, "annotations": notes, "logprobs": block.logprobs}


def annotation(note: ir.Annotation) -> dict[str, Any] | None:
    """A citation as this dialect tells it, or None where it has no such kind or what it needs is not known."""
    if note.type != "url_citation":
        return dict(note.raw) if note.type in _CITATIONS and note.raw.get("type") == note.type else None
    if note.url is None:
        return None
    start = note.start or 0
    end = start if note.end is None else note.end
    return {"type": note.type, "url": note.url, "title": note.title or "", "start_index": start, "end_index": end}


def reasoning(id_: str, blocks: Sequence[ir.ReplyBlock], status: str) -> dict[str, Any]:
    """A reasoning item: one summary part a block, the raw chain as content, the sealed state of its last block."""
    summary = [{"type": "summary_text", "text": text} for block in blocks for text in block.summary]
    shown = [block for block in blocks if block.text or (mirror.MARK in block.meta and status != "in_progress")]
    content = [{"type": "reasoning_text", "text": block.text} for block in shown]
    states = [block.state.data for block in blocks if is_ours(block.state)]
    made = {"id": id_, "type": "reasoning", "status": status, "summary": summary}
    return {
        **made,
        **({"content": content} if content else {}),
        **({"encrypted_content": states[-1]} if states else {}),
    }


def call(id_: str, block: ir.ReplyBlock, status: str) -> dict[str, Any]:
    """A function_call or custom_tool_call item. Arguments are never empty text (G10)."""
    said = {"call_id": block.meta["id"], "name": block.meta["name"]}
    extra = known({name: block.meta.get(name) for name in CALL_FIELDS})
    if block.kind == "custom_tool_call":
        return {"id": id_, "type": "custom_tool_call", "status": status, **said, "input": block.text, **extra}
    arguments = block.text if block.text.strip() or status == "in_progress" else "{}"
    return {"id": id_, "type": "function_call", "status": status, **said, "arguments": arguments, **extra}


def hosted(id_: str, block: ir.ReplyBlock, status: str) -> Wire:
    """A server-run tool's item as its vendor wrote it, with what OpenAI's types require where another left it out."""
    raw = block.raw or block.meta.get("raw")
    told: ir.Extras = wire.RAW_OBJECT.decode(raw) if isinstance(raw, msgspec.Raw) else {}
    kind = str(block.meta.get("type", block.kind))
    head = {"id": id_, "type": kind} if told else {"id": id_, "type": kind, "status": status}
    return {**head, **_REQUIRED.get(kind, {}), **told}


_REQUIRED: dict[str, dict[str, Any]] = {
    "code_interpreter_call": {"code": None, "container_id": "", "outputs": None},
    "file_search_call": {"queries": []},
    "web_search_call": {"action": {"type": "search", "query": ""}},
}
