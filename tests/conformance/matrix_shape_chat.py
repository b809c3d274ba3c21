"""Chat completions as OpenAI, vLLM, Ollama and llama.cpp write them, each with its own ways (protocol.md 2.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from matrix_words import DONE, Call, Json, Says, Sent, data
from scripted import Answer, stream, whole

_CREATED = 1_790_000_000


@dataclass(frozen=True)
class Flavour:
    """How one server's chat differs from the others'."""

    reasoning: str | None
    """The field of reasoning text; None: it is never shown."""
    usage: Callable[[Says], Json]
    whole_calls: bool = False
    """A call comes in one chunk, without an index."""
    many_ids: bool = False
    """Every chunk has an id of its own, and says its role again."""
    running_usage: bool = False
    """Usage so far on every chunk."""
    message: Json | None = None
    """More fields of a whole message."""
    top: Json | None = None
    """More fields of an answer and of a stream's last chunk."""


def _counts(says: Says) -> Json:
    counts = says.counts
    total = counts.input + counts.output
    return {"prompt_tokens": counts.input, "completion_tokens": counts.output, "total_tokens": total}


def _openai_usage(says: Says) -> Json:
    counts = says.counts
    read = {"cached_tokens": counts.cached, "cache_write_tokens": counts.written, "audio_tokens": 0}
    wrote = {"reasoning_tokens": counts.thought, "audio_tokens": 0}
    return {**_counts(says), "prompt_tokens_details": read, "completion_tokens_details": wrote}


def _vllm_usage(says: Says) -> Json:
    wrote = {"reasoning_tokens": says.counts.thought}
    return {**_counts(says), "prompt_tokens_details": None, "completion_tokens_details": wrote}


def _llama_usage(says: Says) -> Json:
    return {**_counts(says), "prompt_tokens_details": {"cached_tokens": says.counts.cached}}


_TIMINGS = {"timings": {"cache_n": 32, "prompt_n": 25, "prompt_ms": 12.5, "predicted_n": 11, "predicted_ms": 80.25}}
OPENAI = Flavour(
    None, _openai_usage, message={"refusal": None, "annotations": []},
    top={"service_tier": "default", "system_fingerprint": "fp_up"},
)  # fmt: skip
VLLM = Flavour(
    "reasoning", _vllm_usage, running_usage=True, message={"refusal": None, "annotations": None, "audio": None},
    top={"prompt_logprobs": None, "kv_transfer_params": None, "system_fingerprint": None},
)  # fmt: skip
OLLAMA = Flavour("reasoning", _counts, whole_calls=True, many_ids=True, top={"system_fingerprint": "fp_ollama"})
LLAMA = Flavour("reasoning_content", _llama_usage, top=_TIMINGS)


def answer(flavour: Flavour) -> Callable[[Json, Says, bool], Answer]:
    """What this server answers to a body, whole or streamed."""

    def reply(body: Json, says: Says, streamed: bool) -> Answer:
        if not streamed:
            return whole(_whole(flavour, body, says))
        counted = flavour.running_usage or (body.get("stream_options") or {}).get("include_usage")
        return stream(*events(flavour, body["model"], says, counted=bool(counted)))

    return reply


# --- whole ---------------------------------------------------------------------------------------------------------


def _whole(flavour: Flavour, body: Json, says: Says) -> Json:
    message: Json = {"role": "assistant", "content": says.text or None, **(flavour.message or {})}
    if says.refusal:
        message["refusal"] = says.refusal
    if flavour.reasoning and says.thoughts:
        message[flavour.reasoning] = "".join(says.thoughts)
    if says.calls:
        message["tool_calls"] = [_call(call) for call in says.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(says)}
    head = {"id": "chatcmpl-up", "object": "chat.completion", "created": _CREATED, "model": body["model"]}
    return {**head, "choices": [choice], "usage": flavour.usage(says), **(flavour.top or {})}


def _call(call: Call) -> Json:
    function = {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": call.id, "type": "function", "function": function}


def finish(says: Says) -> str:
    """``finish_reason``."""
    return "tool_calls" if says.calls else says.end


# --- streamed ------------------------------------------------------------------------------------------------------


def events(flavour: Flavour, model: str, says: Says, *, counted: bool) -> list[bytes]:
    """The events of a stream, ``[DONE]`` last. ``counted``: usage was asked for."""
    deltas = list(_deltas(flavour, says))
    chunks = [_chunk(flavour, model, number, delta) for number, delta in enumerate(deltas)]
    chunks.append(_chunk(flavour, model, len(chunks), {}, finish(says)))
    if flavour.running_usage:
        for number, chunk in enumerate(chunks):
            output = min(number, says.counts.output)
            chunk["usage"] = {**flavour.usage(says), "completion_tokens": output, "completion_tokens_details": None}
            chunk["usage"]["total_tokens"] = says.counts.input + output
    if counted:
        last = _chunk(flavour, model, len(chunks), {})
        chunks.append({**last, "choices": [], "usage": flavour.usage(says), **(flavour.top or {})})
    return [*map(data, chunks), DONE]


def _chunk(flavour: Flavour, model: str, number: int, delta: Json, finished: str | None = None) -> Json:
    ident = f"chatcmpl-{100 + number}" if flavour.many_ids else "chatcmpl-up"
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finished}
    if flavour.many_ids:
        choice["delta"] = {"role": "assistant", "content": "", **delta}
    return {
        "id": ident, "object": "chat.completion.chunk", "created": _CREATED, "model": model, "choices": [choice],
    }  # fmt: skip


def _deltas(flavour: Flavour, says: Says) -> Iterator[Json]:
    if not flavour.many_ids:
        yield {"role": "assistant", "content": ""}
    if flavour.reasoning:
        yield from ({flavour.reasoning: thought} for thought in says.thoughts)
    for piece in says.pieces:
        yield {"content": piece}
    if says.refusal:
        yield {"refusal": says.refusal}
    for index, call in enumerate(says.calls):
        yield from _call_deltas(flavour, index, call)


def _call_deltas(flavour: Flavour, index: int, call: Call) -> Iterator[Json]:
    told = _call(call)
    if flavour.whole_calls:
        yield {"tool_calls": [told]}
        return
    text = told["function"]["arguments"]
    yield {"tool_calls": [{"index": index, **told, "function": {"name": call.name, "arguments": ""}}]}
    for half in (text[:6], text[6:]):
        yield {"tool_calls": [{"index": index, "function": {"arguments": half}}]}


# --- what it was told ----------------------------------------------------------------------------------------------


def sent(body: Json) -> Sent:
    """The turns before, as they reached the server."""
    calls, results = [], []
    for message in body["messages"]:
        for call in message.get("tool_calls") or []:
            function = call["function"]
            calls.append(Call(call["id"], function["name"], json.loads(function["arguments"])))
        if message["role"] == "tool":
            results.append((message["tool_call_id"], _text(message["content"])))
    return Sent(tuple(calls), tuple(results), ())


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def fault(message: str, kind: str, code: Any) -> Json:
    """The body of an error, with a code of the server's kind (a word or a number)."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
