"""Speaks the endpoints that count a request's tokens where OpenAI's words are spoken: OpenAI, vLLM, llama.cpp."""

from __future__ import annotations

import hashlib

from proxy.demo import chat_read, extras, responses_read
from proxy.demo.base import Ask, Json, RefusedError
from proxy.demo.brain import prompt_tokens

_RESPONSES = frozenset(
    ("conversation", "input", "instructions", "model", "parallel_tool_calls", "personality", "previous_response_id")
) | frozenset(("reasoning", "text", "tool_choice", "tools", "truncation"))
_TOKENIZE = frozenset(("model", "messages", "tools", "add_generation_prompt", "return_token_strs"))


def responses(ask: Ask) -> Json:
    """The answer of OpenAI's ``/v1/responses/input_tokens``, and of llama.cpp's."""
    _only(ask, _RESPONSES)
    _, asked = responses_read.prompt(ask)
    return {"object": "response.input_tokens", "input_tokens": prompt_tokens(asked)}


def chat(ask: Ask) -> Json:
    """The answer of llama.cpp's ``/v1/chat/completions/input_tokens``."""
    _, asked = chat_read.prompts(ask)
    return {"object": "response.input_tokens", "input_tokens": prompt_tokens(asked[0])}


def tokenize(ask: Ask) -> Json:
    """The answer of vLLM's ``/tokenize``: of a text, or of a chat's messages and tools."""
    if "messages" not in ask.body:
        return extras.tokenize(ask)
    _only(ask, _TOKENIZE)
    _, asked = chat_read.prompts(ask)
    count = prompt_tokens(asked[0])
    ids = [int(hashlib.sha256(b"%d" % place).hexdigest()[:4], 16) for place in range(count)]
    return {"count": count, "max_model_len": 131072, "tokens": ids, "token_strs": None}


def _only(ask: Ask, known: frozenset[str]) -> None:
    for name in ask.body:
        if name not in known:
            raise RefusedError(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
