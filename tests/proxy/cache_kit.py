"""What the tests of the response cache share: backends of every dialect behind rules that cache, and how to ask them."""

from __future__ import annotations

import json
from typing import Any

from live import Live
from public_door import Heard, post
from scripted import Answer, stream, whole

from proxy.ledger.record import UsageRecord

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
BACKENDS = {
    "gpt": "provider: openai, dialect: openai_chat, model: gpt-4.1, base_url: '{url}/v1', credential: k",
    "responses": "provider: openai, dialect: openai_responses, model: gpt-5.6, base_url: '{url}/v1', credential: k",
    "oss": "provider: vllm, model: demo-local, base_url: '{url}/v1'",
    "claude": "provider: anthropic, model: claude-sonnet-5, base_url: '{url}/v1', credential: k",
    "gemini": "provider: google, model: gemini-3.1-pro, base_url: '{url}/v1beta', credential: k",
}
"""name -> its row: two whose bytes pass unread to clients of their own dialect, three that are read and written."""


def config(url: str, *, cache: str = "{ttl: 1h}", more: str = "", names: tuple[str, ...] = tuple(BACKENDS)) -> str:
    """A proxy.yaml in which every backend has an alias of its name, whose answers are kept."""
    backends = [f"  {name}: {{{BACKENDS[name].format(url=url)}}}" for name in names]
    aliases = [f"  {name}: {{policy: {name}-kept}}" for name in names]
    rules = [f"  {name}-kept: {{rules: [{{set: {{cache: {cache}}}, use: [{name}]}}]}}" for name in names]
    return "\n".join(
        [
            "version: 1",
            "retries: {attempts: 1}",
            "backends:",
            *backends,
            "aliases:",
            *aliases,
            "policies:",
            *rules,
            more,
        ]
    )


def question(api: str, model: str, text: str = "Hi!", **more: Any) -> dict[str, Any]:
    """The plainest question whose answer may be kept."""
    if api == "responses":
        return {"model": model, "input": text, "store": False, **more}
    limit = {"max_tokens": 999} if api == "messages" else {}
    return {"model": model, "messages": [{"role": "user", "content": text}], **limit, **more}


def put(live: Live, api: str, model: str, text: str = "Hi!", *, key: str | None = None, **more: Any) -> Heard:
    """Ask it. What begins with ``h_`` is a header."""
    headers = {name.removeprefix("h_"): more.pop(name) for name in [*more] if name.startswith("h_")}
    return post(live, PATHS[api], question(api, model, text, **more), key, **headers)


def cache_of(heard: Heard) -> str | None:
    """hit | miss | bypass; REASON."""
    told = heard.told("cache")
    return "hit" if told is not None and told.startswith("hit; age=") else told


def rows_of(live: Live, heard: Heard) -> list[UsageRecord]:
    return live.rows_of(heard.id)


def completion(text: str = "Hello.", finish: str = "stop", **more: Any) -> dict[str, Any]:
    """A whole chat answer."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish, "logprobs": None}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    head = {"id": "chatcmpl-up", "object": "chat.completion", "created": 1, "model": "up"}
    return {**head, "choices": [choice], "usage": usage, **more}


def answered(text: str = "Hello.", finish: str = "stop", **more: Any) -> Answer:
    return whole(completion(text, finish, **more))


def chunks(text: str = "Hello.", finish: str | None = "stop") -> list[bytes]:
    """The same as a stream, in two halves; ``finish`` None: it breaks off."""
    said = [{"role": "assistant", "content": ""}, {"content": text[:3]}, {"content": text[3:]}]
    told = [_chunk({"index": 0, "delta": delta, "finish_reason": None}) for delta in said]
    if finish is None:
        return told
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return [*told, _chunk({"index": 0, "delta": {}, "finish_reason": finish}), _chunk(usage=usage), b"data: [DONE]\n\n"]


def streamed(text: str = "Hello.", finish: str | None = "stop") -> Answer:
    return stream(*chunks(text, finish))


def _chunk(*choices: dict[str, Any], **more: Any) -> bytes:
    head = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    return b"data: " + json.dumps({**head, "choices": list(choices), **more}).encode() + b"\n\n"
