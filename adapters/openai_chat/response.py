"""A whole chat answer, read into events and written from a folded reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters import failures, ir
from adapters.openai_chat import usage, wire
from adapters.openai_chat.stream import Reader

PARAGRAPH = "\n\n"
"""Stands between two blocks of reasoning, which chat shows as one text."""


def read_response(body: bytes) -> Sequence[ir.Event]:
    """A body with status 200. An error in it, or no answer in it, becomes ir.Failed."""
    try:
        told = wire.CHUNK.decode(body)
    except wire.GARBAGE:
        return (ir.Failed(failures.bad_response("a body that is not a chat completion")),)
    reader = Reader()
    for choice in told.choices or ():
        _number_calls(choice)
        choice.finish_reason = choice.finish_reason or "stop"
    events = list(reader.chunk(told))
    if not told.choices and not any(isinstance(event, ir.Failed) for event in events):
        return (*events, ir.Failed(failures.bad_response("an answer without choices")))
    return (*events, *reader.end())


def _number_calls(choice: wire.Choice) -> None:
    """In a whole answer each entry is a call of its own, whatever its index and id say."""
    message = choice.message or choice.delta
    for index, call in enumerate((message.tool_calls if message else None) or ()):
        call.index = index


def write_response(reply: ir.Reply, echo: ir.Echo) -> bytes:
    """OpenAI's ``chat.completion`` object."""
    answer: dict[str, Any] = {
        "id": answer_id(reply.started, echo),
        "object": "chat.completion",
        "created": echo.created,
        "model": echo.model,
        "choices": [_choice(index, reply, echo) for index in _indexes(reply)],
    }
    told = usage.write(reply.usage)
    if told is not None:
        answer["usage"] = told
    if reply.usage is not None and reply.usage.service_tier in usage.SERVICE_TIERS:
        answer["service_tier"] = reply.usage.service_tier
    if (build := reply.started.extras.get("system_fingerprint")) is not None:
        answer["system_fingerprint"] = build
    return msgspec.json.encode(answer)


def answer_id(started: ir.Started, echo: ir.Echo) -> str:
    """The upstream's own id where it is OpenAI's kind, else one of ours."""
    return started.id if started.id and started.id.startswith("chatcmpl-") else f"chatcmpl-{echo.seed}"


def is_legacy(echo: ir.Echo) -> bool:
    """Did the client ask with ``functions``? It is told of its call in the words of their time."""
    return echo.request is not None and echo.request.legacy_functions


def finish_reason(reason: ir.FinishReason, *, calls: bool, legacy: bool = False) -> str:
    """``tool_calls`` if and only if there are calls (G22, G25)."""
    if reason in ("stop", "tool_calls"):
        called = "function_call" if legacy else "tool_calls"
        return called if calls else "stop"
    return reason


def annotation(told: ir.Annotation, offset: int) -> dict[str, Any] | None:
    """Chat knows citations of URLs only; ``offset`` is what stands before the block's own text."""
    if told.type != "url_citation" or not told.url:
        return None
    start, end = offset + (told.start or 0), offset + (told.end or 0)
    cited = {"start_index": start, "end_index": end, "title": told.title or told.url, "url": told.url}
    return {"type": "url_citation", "url_citation": cited}


def call_id(meta: Any, echo: ir.Echo, block: int) -> str:
    """The call's own id, or one of ours."""
    return str(meta.get("id") or f"call_{echo.seed}{block}")


def _indexes(reply: ir.Reply) -> list[int]:
    return sorted({block.choice for block in reply.blocks} | reply.finishes.keys()) or [0]


def _choice(index: int, reply: ir.Reply, echo: ir.Echo) -> dict[str, Any]:
    blocks = [block for block in reply.blocks if block.choice == index]
    legacy = is_legacy(echo)
    message = _message(blocks, echo)
    calls = "tool_calls" in message
    if calls and legacy:
        message["function_call"] = message.pop("tool_calls")[0]["function"]
    finished = reply.finishes.get(index)
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(blocks),
        "finish_reason": finish_reason(finished.reason if finished else "stop", calls=calls, legacy=legacy),
    }


def _message(blocks: Sequence[ir.ReplyBlock], echo: ir.Echo) -> dict[str, Any]:
    calls = [
        _call(block, call_id(block.meta, echo, number))
        for number, block in enumerate(block for block in blocks if block.kind in ir.CALLS)
    ]
    text, citations = _text(blocks)
    refusal = "".join(block.text for block in blocks if block.kind == "refusal")
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text if text or not (calls or refusal) else None,
        "refusal": refusal or None,
    }
    thoughts = (block.text or PARAGRAPH.join(block.summary) for block in blocks if block.kind == "reasoning")
    if reasoning := PARAGRAPH.join(thought for thought in thoughts if thought):
        message[echo.reasoning_field] = reasoning
    if calls:
        message["tool_calls"] = calls
    if citations:
        message["annotations"] = citations
    return message


def _text(blocks: Sequence[ir.ReplyBlock]) -> tuple[str, list[dict[str, Any]]]:
    text = ""
    citations = []
    for block in blocks:
        if block.kind == "text":
            citations += [shown for one in block.annotations if (shown := annotation(one, len(text)))]
            text += block.text
    return text, citations


def _call(block: ir.ReplyBlock, call: str) -> dict[str, Any]:
    name = str(block.meta.get("name", ""))
    if block.kind == "custom_tool_call":
        return {"id": call, "type": "custom", "custom": {"name": name, "input": block.text}}
    return {"id": call, "type": "function", "function": {"name": name, "arguments": block.text or "{}"}}


def _logprobs(blocks: Sequence[ir.ReplyBlock]) -> dict[str, Any] | None:
    """None unless a block has token log probabilities."""
    content = [token for block in blocks if block.kind == "text" for token in block.logprobs]
    refusal = [token for block in blocks if block.kind == "refusal" for token in block.logprobs]
    return {"content": content or None, "refusal": refusal or None} if content or refusal else None
