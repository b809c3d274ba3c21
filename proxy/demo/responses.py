"""Speaks OpenAI's Responses API: the whole response object, its items, and what it echoes of the request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proxy.demo import responses_wire as wire
from proxy.demo.base import Ask, Json, seal, sse
from proxy.demo.brain import Answer, ToolCall, think
from proxy.demo.responses_read import effort, prompt
from proxy.demo.responses_rules import SEAL
from proxy.demo.responses_stream import events
from proxy.demo.tokens import pieces

_NO_IMAGES = {"image_tokens": 0, "text_tokens": 0}
_TOOL_USAGE = {
    "image_gen": {
        "input_tokens": 0,
        "input_tokens_details": _NO_IMAGES,
        "output_tokens": 0,
        "output_tokens_details": _NO_IMAGES,
        "total_tokens": 0,
    },
    "web_search": {"num_requests": 0},
}
_OVERLOADED = {"code": "server_error", "message": "The model is overloaded. Please try again later."}


def whole(ask: Ask) -> Json:
    """The answer as one ``response`` object."""
    request, asked = prompt(ask)
    answer = think(asked)
    return _finished(ask, request, answer)


def frames(ask: Ask) -> Iterator[bytes]:
    """The answer as Responses events, ``sequence_number`` from 0, and ``[DONE]``."""
    request, asked = prompt(ask)
    return _frames(_opened(ask, request), _finished(ask, request, think(asked)))


def failed(ask: Ask) -> Json:
    """A response that failed on the server, as a whole answer."""
    request, _ = prompt(ask)
    return {**_opened(ask, request), "status": "failed", "error": _OVERLOADED}


def broken(ask: Ask, number: int) -> bytes:
    """The event of a failure: a flat ``error`` as the first event, ``response.failed`` once the response exists."""
    if number == 0:
        event = {"type": "error", **_OVERLOADED, "param": None, "sequence_number": 0}
        return sse(event, "error")
    return sse({"type": "response.failed", "response": failed(ask), "sequence_number": number}, "response.failed")


def _frames(opened: Json, finished: Json) -> Iterator[bytes]:
    for number, event in enumerate(events(opened, finished)):
        yield sse({**event, "sequence_number": number}, event["type"])
    yield b"data: [DONE]\n\n"


def _finished(ask: Ask, request: wire.ResponsesRequest, answer: Answer) -> Json:
    cut = answer.finish == "length"
    status = "incomplete" if cut else "completed"
    return {
        **_opened(ask, request),
        "status": status,
        "completed_at": None if cut else ask.now,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": list(_items(ask, request, answer, status)),
        "service_tier": "default",
        "usage": _usage(answer),
    }


def _opened(ask: Ask, request: wire.ResponsesRequest) -> Json:
    head = {"id": ask.id("resp_"), "object": "response", "created_at": ask.now, "status": "in_progress"}
    empty = dict.fromkeys(("completed_at", "error", "incomplete_details", "usage", "moderation"))
    return {**head, "background": False, **empty, "model": ask.model, "output": [], **_echo(ask, request)}


def _echo(ask: Ask, request: wire.ResponsesRequest) -> Json:
    asked = ask.body
    same = ("instructions", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt_cache_key")
    text: Json = {"format": {"type": "text"}, "verbosity": "medium", **_given(asked.get("text"))}
    return {
        **{name: asked.get(name) for name in (*same, "safety_identifier", "user")},
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "metadata": asked.get("metadata") or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "prompt_cache_retention": asked.get("prompt_cache_retention"),
        "reasoning": _reasoning(ask, request),
        "service_tier": request.service_tier or "auto",
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": text,
        "tool_choice": request.tool_choice or "auto",
        "tool_usage": _TOOL_USAGE,
        "tools": [_tool(tool) for tool in request.tools or ()],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
    }


def _given(value: Any) -> Json:
    return {key: inner for key, inner in (value or {}).items() if inner is not None}


def _reasoning(ask: Ask, request: wire.ResponsesRequest) -> Json:
    options = request.reasoning or wire.ReasoningOptions()
    return {
        "context": "current_turn",
        "effort": effort(request, ask.model) or options.effort,
        "mode": options.mode or "standard",
        "summary": options.summary or options.generate_summary,
    }


def _tool(tool: Json) -> Json:
    if tool["type"] != "function":
        return tool
    return {"description": None, "parameters": None, "output_schema": None, **tool, "strict": tool.get("strict", True)}


def _items(ask: Ask, request: wire.ResponsesRequest, answer: Answer, status: str) -> Iterator[Json]:
    spoken = bool(answer.text or answer.calls) or status == "completed"
    if answer.reasoning:
        yield _thought(ask, request, answer, "completed" if spoken else status)
    if answer.text or (spoken and not answer.calls):
        part = {"type": "output_text", "annotations": [], "logprobs": _logprobs(request, answer), "text": answer.text}
        phase = {"phase": "final_answer"}
        head = {"id": ask.id("msg_"), "type": "message", "status": status, "role": "assistant"}
        yield {**head, "content": [part], **phase}
    for index, call in enumerate(answer.calls):
        yield _call(ask, call, index)


def _thought(ask: Ask, request: wire.ResponsesRequest, answer: Answer, status: str) -> Json:
    options = request.reasoning
    shown = bool(options and (options.summary or options.generate_summary))
    return {
        "id": ask.id("rs_"),
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": answer.reasoning}] if shown else [],
        "encrypted_content": seal(SEAL, answer.reasoning),
        "status": status,
    }


def _call(ask: Ask, call: ToolCall, index: int) -> Json:
    namespace = {"namespace": call.tool.namespace} if call.tool.namespace else {}
    named = {"call_id": ask.id("call_", index), "name": call.tool.name, **namespace}
    if call.tool.custom:
        return {"id": ask.id("ctc_", index), "type": "custom_tool_call", **named, "input": call.text}
    done = {"status": "completed", "arguments": call.text}
    return {"id": ask.id("fc_", index), "type": "function_call", **named, **done}


def _logprobs(request: wire.ResponsesRequest, answer: Answer) -> list[Json]:
    if "message.output_text.logprobs" not in (request.include or ()):
        return []
    return [
        {"token": token, "logprob": -0.125, "bytes": list(token.encode()), "top_logprobs": []}
        for token in pieces(answer.text)
    ]


def _usage(answer: Answer) -> Json:
    tokens = answer.tokens
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.total,
    }
