"""A hub answer -> a whole Anthropic message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from adapters import ir
from adapters.anthropic_messages import usage
from adapters.anthropic_messages.wire import FAMILY, OBJECT, STOP_REASONS
from adapters.call_ids import legal_id
from adapters.dialect import compact

_WORDS: Mapping[ir.FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def write_response(reply: ir.Reply, echo: ir.Echo) -> bytes:
    """A whole ``message``. Only the first choice can be said; what another vendor ran on its servers cannot."""
    refusal = "".join(block.text for block in reply.blocks if block.kind == "refusal" and block.choice == 0)
    body = {
        **frame(echo),
        "content": [part for block in reply.blocks if block.choice == 0 for part in write_block(block)],
        **stop(reply.finishes.get(0), refusal, reply.ended),
        "usage": usage.write(reply.usage),
    }
    return compact(body)


def frame(echo: ir.Echo) -> dict[str, Any]:
    """What a message is before it has said anything."""
    return {
        "id": f"msg_{echo.seed}",
        "type": "message",
        "role": "assistant",
        "model": echo.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }


def stop(finish: ir.Finished | None, refusal: str, ended: ir.Ended | None) -> dict[str, Any]:
    """``stop_reason`` with its companions; the vendor's own word is kept where it says the same."""
    reason: ir.FinishReason = finish.reason if finish is not None else "stop"
    detail = finish.detail if finish is not None else None
    word = detail if detail is not None and STOP_REASONS.get(detail) == reason else _WORDS[reason]
    word = "refusal" if refusal else word
    details = {"type": "refusal", "category": None, "explanation": refusal or None} if word == "refusal" else None
    sequence = ended.extras.get("stop_sequence") if ended is not None and word == "stop_sequence" else None
    return {"stop_reason": word, "stop_sequence": sequence, "stop_details": details}


def write_block(block: ir.ReplyBlock) -> Iterator[dict[str, Any] | Raw]:
    """One block of a whole answer, or nothing where this vendor has no such block."""
    match block.kind:
        case "text":
            if block.text:
                yield {"type": "text", "text": block.text, "citations": citations(block.annotations) or None}
        case "reasoning":
            yield from _thinking(block)
        case "tool_call" | "custom_tool_call":
            yield {**tool_use(block.meta), "input": _input(block)}
        case "server_tool" | "compaction":
            if block.raw is not None and block.meta.get("family") == FAMILY:
                yield block.raw


def _thinking(block: ir.ReplyBlock) -> Iterator[dict[str, Any]]:
    state = block.state if block.state is not None and block.state.family == FAMILY else None
    if state is not None and state.kind == "redacted":
        yield redacted(state)
        return
    thought = "".join(block.summary) or block.text
    if thought or state is not None:
        yield {"type": "thinking", "thinking": thought, "signature": state.data if state else ""}


def redacted(state: ir.VendorState) -> dict[str, Any]:
    """Thinking that only its vendor can read."""
    return {"type": "redacted_thinking", "data": state.data}


def tool_use(meta: Mapping[str, Any]) -> dict[str, Any]:
    """A call before its input has come."""
    return {"type": "tool_use", "id": legal_id(str(meta.get("id") or "")), "name": meta.get("name") or "", "input": {}}


def _input(block: ir.ReplyBlock) -> Any:
    if block.kind == "custom_tool_call":
        return {"input": block.text}
    try:
        OBJECT.decode(block.text)
    except (msgspec.MsgspecError, RecursionError):
        return {"arguments": block.text} if block.text.strip() else {}
    return Raw(block.text.encode())


def citations(annotations: Iterable[ir.Annotation]) -> list[dict[str, Any]]:
    """Citations in this vendor's shapes: its own as they came, web pages of others as search results."""
    found = (citation(annotation) for annotation in annotations)
    return [body for body in found if body is not None]


def citation(annotation: ir.Annotation) -> dict[str, Any] | None:
    """One citation, or None where this vendor has no shape for it."""
    if "cited_text" in annotation.raw:
        return dict(annotation.raw)
    if annotation.url is None:
        return None
    return {
        "type": "web_search_result_location",
        "cited_text": "",
        "encrypted_index": "",
        "title": annotation.title,
        "url": annotation.url,
    }
