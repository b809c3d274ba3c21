"""One answer in the words of each vendor, whole and streamed: what the scripted upstream plays in the traps' tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripted import Answer, stream, whole

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool call. ``id`` None: the vendor gives none (Gemini 2.5)."""

    name: str
    arguments: Json
    id: str | None = None


@dataclass(frozen=True)
class Says:
    """What the model answers: text in pieces, then calls. Counts are by OpenAI's rules: parts of ``input``, ``output``."""

    pieces: Sequence[str] = ()
    calls: Sequence[Call] = ()
    input: int = 7
    output: int = 5
    id: str = "resp-up"
    """Gemini's responseId, which no two answers share."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def data(value: Any, event: str | None = None) -> bytes:
    """One event of a stream."""
    named = b"" if event is None else b"event: %b\n" % event.encode()
    return named + b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"

# --- Anthropic -----------------------------------------------------------------------------------------------------


def typed(value: Json) -> bytes:
    """An event that is named by its type, as Anthropic's and OpenAI's Responses are."""
    return data(value, value["type"])


def claude_start(**usage: int) -> bytes:
    counts = {"input_tokens": 7, "output_tokens": 1, **usage}
    message = {"id": "msg_up", "type": "message", "role": "assistant", "model": "claude-up", "content": []}
    return typed({"type": "message_start", "message": {**message, "stop_reason": None, "usage": counts}})


def claude_block(index: int, block: Json, *deltas: Json) -> list[bytes]:
    told = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    start = {"type": "content_block_start", "index": index, "content_block": block}
    return [typed(event) for event in (start, *told, {"type": "content_block_stop", "index": index})]


def claude_end(reason: str = "end_turn", **usage: int) -> list[bytes]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    end = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5, **usage}}
    return [typed(end), typed({"type": "message_stop"})]


def _claude_stream(says: Says) -> Iterator[bytes]:
    yield claude_start(input_tokens=says.input)
    if says.pieces:
        deltas = [{"type": "text_delta", "text": piece} for piece in says.pieces]
        yield from claude_block(0, {"type": "text", "text": ""}, *deltas)
    for index, call in enumerate(says.calls, start=bool(says.pieces)):
        text = json.dumps(call.arguments, ensure_ascii=False) if call.arguments else ""
        halves = [{"type": "input_json_delta", "partial_json": half} for half in ("", text[:3], text[3:])]
        block = {"type": "tool_use", "id": call.id or f"toolu_{index}", "name": call.name, "input": {}}
        yield from claude_block(index, block, *halves)
    yield from claude_end("tool_use" if says.calls else "end_turn", output_tokens=says.output)


def _claude(says: Says) -> Json:
    blocks: list[Json] = [{"type": "text", "text": says.text}] if says.pieces else []
    for index, call in enumerate(says.calls, start=len(blocks)):
        blocks.append(
            {"type": "tool_use", "id": call.id or f"toolu_{index}", "name": call.name, "input": call.arguments}
        )
    usage = {"input_tokens": says.input, "output_tokens": says.output}
    reason = "tool_use" if says.calls else "end_turn"
    head = {"id": "msg_up", "type": "message", "role": "assistant", "model": "claude-up", "stop_reason": reason}
    return {**head, "stop_sequence": None, "content": blocks, "usage": usage}


# --- Gemini --------------------------------------------------------------------------------------------------------


def gemini(parts: Sequence[Json], finish: str | None = None, id_: str = "resp-up", **usage: int) -> Json:
    """One object of a Gemini answer; the whole of it is such an object, too."""
    ended = {} if finish is None else {"finishReason": finish}
    counted = {"usageMetadata": usage} if usage else {}
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **ended}
    return {"candidates": [candidate], **counted, "modelVersion": "gemini-up", "responseId": id_}


def _gemini_parts(says: Says) -> Iterator[Json]:
    for piece in says.pieces:
        yield {"text": piece}
    for call in says.calls:
        yield {"functionCall": {"name": call.name, "args": call.arguments, **({"id": call.id} if call.id else {})}}


def _gemini_usage(says: Says) -> dict[str, int]:
    total = says.input + says.output
    return {"promptTokenCount": says.input, "candidatesTokenCount": says.output, "totalTokenCount": total}


def _gemini(says: Says) -> Json:
    return gemini(list(_gemini_parts(says)), "STOP", says.id, **_gemini_usage(says))


def _gemini_stream(says: Says) -> Iterator[bytes]:
    for part in _gemini_parts(says):
        yield data(gemini([part], id_=says.id))
    yield data(gemini([{"text": ""}], "STOP", says.id, **_gemini_usage(says)))


# --- OpenAI chat ---------------------------------------------------------------------------------------------------


def chunk(delta: Json, finish: str | None = None, **top: Any) -> Json:
    """One chunk of a streamed completion."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "chat-up"}
    return {**head, "choices": [choice], **top}


def _chat_usage(says: Says) -> Json:
    return {
        "prompt_tokens": says.input,
        "completion_tokens": says.output,
        "total_tokens": says.input + says.output,
    }


def _chat_call(index: int, call: Call) -> Json:
    text = json.dumps(call.arguments, ensure_ascii=False)
    return {"id": call.id or f"call_{index}", "type": "function", "function": {"name": call.name, "arguments": text}}


def _chat_stream(says: Says) -> Iterator[bytes]:
    yield data(chunk({"role": "assistant", "content": ""}))
    for piece in says.pieces:
        yield data(chunk({"content": piece}))
    for index, call in enumerate(says.calls):
        whole_call = _chat_call(index, call)
        text = whole_call["function"].pop("arguments")
        named = {**whole_call, "function": {**whole_call["function"], "arguments": ""}}
        yield data(chunk({"tool_calls": [{"index": index, **named}]}))
        for half in (text[:3], text[3:]):
            yield data(chunk({"tool_calls": [{"index": index, "function": {"arguments": half}}]}))
    yield data(chunk({}, "tool_calls" if says.calls else "stop"))
    yield data({**chunk({}), "choices": [], "usage": _chat_usage(says)})
    yield DONE


def _chat(says: Says) -> Json:
    calls = [_chat_call(index, call) for index, call in enumerate(says.calls)]
    message = {"role": "assistant", "content": says.text or None, "refusal": None}
    message |= {"tool_calls": calls} if calls else {}
    finish = "tool_calls" if calls else "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-up", "object": "chat.completion", "created": 1_790_000_000, "model": "chat-up"}
    return {**head, "choices": [choice], "usage": _chat_usage(says)}


# --- OpenAI Responses ----------------------------------------------------------------------------------------------


def _item(index: int, call: Call | None, says: Says) -> Json:
    if call is None:
        part = {"type": "output_text", "text": says.text, "annotations": [], "logprobs": []}
        return {"id": "msg_up", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    text = json.dumps(call.arguments, ensure_ascii=False)
    named = {"call_id": call.id or f"call_{index}", "name": call.name, "arguments": text}
    return {"id": f"fc_up{index}", "type": "function_call", "status": "completed", **named}


def _items(says: Says) -> list[tuple[Json, Sequence[str]]]:
    """Items, each with the pieces in which it streams."""
    told: list[tuple[Json, Sequence[str]]] = [(_item(0, None, says), says.pieces)] if says.pieces else []
    for call in says.calls:
        item = _item(len(told), call, says)
        told.append((item, (item["arguments"][:3], item["arguments"][3:])))
    return told


def response(status: str, output: Sequence[Json], **more: Any) -> Json:
    """A response object with all that OpenAI's own has."""
    head = {"id": "resp_up", "object": "response", "created_at": 1_790_000_000, "status": status, "model": "gpt-up"}
    tools = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "text": {"format": {"type": "text"}}}
    rest = {"error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "usage": None}
    return {**head, **tools, **rest, "temperature": 1.0, "top_p": 1.0, "output": list(output), **more}


def _responses_usage(says: Says) -> Json:
    details = {"input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}}
    details |= {"output_tokens_details": {"reasoning_tokens": 0}}
    total = says.input + says.output
    return {"input_tokens": says.input, "output_tokens": says.output, "total_tokens": total, **details}


def _responses(says: Says) -> Json:
    return response("completed", [item for item, _ in _items(says)], usage=_responses_usage(says))


def _responses_events(says: Says) -> Iterator[Json]:
    for kind in ("response.created", "response.in_progress"):
        yield {"type": kind, "response": response("in_progress", [])}
    for index, (item, pieces) in enumerate(_items(says)):
        yield from _item_events(index, item, pieces)
    yield {"type": "response.completed", "response": _responses(says)}


def _item_events(index: int, item: Json, pieces: Sequence[str]) -> Iterator[Json]:
    place = {"item_id": item["id"], "output_index": index}
    if item["type"] == "message":
        fresh: Json = {**item, "status": "in_progress", "content": []}
        place |= {"content_index": 0}
        part = item["content"][0]
        kind, field, logprobs = "response.output_text", "text", {"logprobs": []}
    else:
        fresh, part = {**item, "status": "in_progress", "arguments": ""}, None
        kind, field, logprobs = "response.function_call_arguments", "arguments", {}
    yield {"type": "response.output_item.added", "output_index": index, "item": fresh}
    if part:
        yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for piece in pieces:
        yield {"type": f"{kind}.delta", **place, "delta": piece, **logprobs}
    yield {"type": f"{kind}.done", **place, field: "".join(pieces), **logprobs}
    if part:
        yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _responses_stream(says: Says) -> Iterator[bytes]:
    for number, event in enumerate(_responses_events(says)):
        yield typed({**event, "sequence_number": number})


# --- all -----------------------------------------------------------------------------------------------------------

WHOLE: Mapping[str, Callable[[Says], Json]] = {
    "anthropic_messages": _claude, "google_gemini": _gemini, "openai_chat": _chat, "openai_responses": _responses,
}  # fmt: skip
STREAM: Mapping[str, Callable[[Says], Iterator[bytes]]] = {
    "anthropic_messages": _claude_stream,
    "google_gemini": _gemini_stream,
    "openai_chat": _chat_stream,
    "openai_responses": _responses_stream,
}


def events(dialect: str, says: Says) -> list[bytes]:
    """A streamed answer, one event each."""
    return list(STREAM[dialect](says))


def answer(dialect: str, says: Says, *, stream_: bool) -> Answer:
    """An answer as this vendor sends it."""
    return stream(*events(dialect, says)) if stream_ else whole(WHOLE[dialect](says))
