"""Speaks chat completions: as OpenAI for OpenAI's names, as a vLLM-like server (``reasoning``) for all others."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.demo import chat_wire as wire
from proxy.demo import families
from proxy.demo.base import Ask, Json, sse
from proxy.demo.brain import Answer, Tokens, ToolCall, think
from proxy.demo.chat_read import prompts
from proxy.demo.tokens import fragments, pieces


def whole(ask: Ask) -> Json:
    """The answer as one ``chat.completion``."""
    request, asked = prompts(ask)
    answers = [think(prompt) for prompt in asked]
    choices = [_choice(ask, request, index, answer) for index, answer in enumerate(answers)]
    return {**_head(ask, "chat.completion"), "choices": choices, "usage": usage(ask.model, answers)}


def frames(ask: Ask) -> Iterator[bytes]:
    """The answer as ``chat.completion.chunk`` events; usage only if ``stream_options`` asks for it."""
    request, asked = prompts(ask)
    answers = [think(prompt) for prompt in asked]
    return _frames(ask, request, answers)


def broken(ask: Ask) -> bytes:
    """The event that tells of an error in the midst of a stream."""
    error = {"message": "The server had an error processing your request.", "type": "server_error"}
    return sse({"error": {**error, "param": None, "code": None}})


def _frames(ask: Ask, request: wire.ChatRequest, answers: list[Answer]) -> Iterator[bytes]:
    head = _head(ask, "chat.completion.chunk")
    counted = bool(request.stream_options and request.stream_options.include_usage)
    openai = families.openai_flavour(ask.model)
    extra = {"usage": None} if counted and openai else {}
    for index, answer in enumerate(answers):
        for delta, logprobs, finish in _deltas(ask, request, answer, index):
            choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            yield sse({**head, "choices": [choice], **extra})
    if counted:
        yield sse({**head, "choices": [], "usage": usage(ask.model, answers)})
    yield b"data: [DONE]\n\n"


def _deltas(
    ask: Ask, request: wire.ChatRequest, answer: Answer, choice: int
) -> Iterator[tuple[Json, Json | None, str | None]]:
    refusal = {"refusal": None} if families.openai_flavour(ask.model) else {}
    first = {"role": "assistant", "content": None if answer.calls and refusal else "", **refusal}
    yield first, None, None
    if not families.openai_flavour(ask.model):
        for piece in pieces(answer.reasoning):
            yield {"reasoning": piece}, None, None
    for piece in pieces(answer.text):
        yield {"content": piece}, _logprobs(request, [piece]), None
    for index, call in enumerate(answer.calls):
        yield from (({"tool_calls": [part]}, None, None) for part in _call_parts(ask, call, index, choice))
    yield {}, None, answer.finish


def _call_parts(ask: Ask, call: ToolCall, index: int, choice: int) -> Iterator[Json]:
    key, text = ("custom", "input") if call.tool.custom else ("function", "arguments")
    ident = ask.id("call_", f"{choice}.{index}")
    yield {"index": index, "id": ident, "type": key, key: {"name": call.tool.name, text: ""}}
    for part in fragments(call.text):
        yield {"index": index, key: {text: part}}


def _head(ask: Ask, kind: str) -> Json:
    head: Json = {"id": ask.id("chatcmpl-"), "object": kind, "created": ask.now, "model": ask.model}
    if families.openai_flavour(ask.model):
        head |= {"service_tier": "default", "system_fingerprint": "fp_turnoutdemo"}
    return head


def _choice(ask: Ask, request: wire.ChatRequest, index: int, answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": None if answer.calls else answer.text, "refusal": None}
    if families.openai_flavour(ask.model):
        message["annotations"] = []
    else:
        message["reasoning"] = answer.reasoning or None
    if answer.calls:
        message["tool_calls"] = [_call(ask, call, place, index) for place, call in enumerate(answer.calls)]
    logprobs = _logprobs(request, pieces(answer.text))
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": answer.finish}


def _call(ask: Ask, call: ToolCall, index: int, choice: int) -> Json:
    key, text = ("custom", "input") if call.tool.custom else ("function", "arguments")
    ident = ask.id("call_", f"{choice}.{index}")
    return {"id": ident, "type": key, key: {"name": call.tool.name, text: call.text}}


def _logprobs(request: wire.ChatRequest, tokens: list[str]) -> Json | None:
    if not request.logprobs:
        return None
    wanted = request.top_logprobs or 0
    return {"content": [_logprob(token, wanted) for token in tokens], "refusal": None}


def _logprob(token: str, wanted: int) -> Json:
    entry = {"token": token, "logprob": -0.125, "bytes": list(token.encode())}
    others = [{"token": f"~{rank}", "logprob": -3.0 - rank, "bytes": None} for rank in range(1, wanted)]
    return {**entry, "top_logprobs": [entry, *others] if wanted else []}


def usage(model: str, answers: list[Answer]) -> Json:
    """Usage over all choices, the prompt counted once, in the details that the flavour has."""
    first = answers[0].tokens
    thought = sum(answer.tokens.reasoning for answer in answers)
    output = thought + sum(answer.tokens.visible for answer in answers)
    counted: Json = {"prompt_tokens": first.prompt, "completion_tokens": output, "total_tokens": first.prompt + output}
    if not families.openai_flavour(model):
        return {**counted, "prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": thought}}
    return {**counted, **_openai_details(first, thought)}


def _openai_details(tokens: Tokens, thought: int) -> Json:
    prompt = {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written, "audio_tokens": 0}
    predicted = {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0, **predicted},
    }
