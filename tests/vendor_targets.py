"""The backends that any request must be sayable to, in their own SDK's types, or be refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

from msgspec import Struct
from vendor_types import assert_anthropic_request, assert_chat_request, assert_google_request, assert_responses_request

from adapters import ir, states
from adapters.catalog import DIALECTS
from adapters.fitting import fit
from adapters.providers import FAMILIES, PROVIDERS, capabilities
from proxy.demo import chat, gemini, messages, responses
from proxy.demo.base import Ask, RefusedError

_MEDIA = {
    "image": ir.Media("image", data="QQ==", media_type="image/png"),
    "audio": ir.Media("audio", data="QQ==", media_type="audio/mpeg"),
    "file": ir.Media("file", data="QQ==", media_type="application/pdf"),
}
"""What a link leads to, where the backend must be given the bytes."""
CONTEXT = ir.Context("5eed", 1_700_000_000)


class Target(Struct, frozen=True):
    """A backend, and what its vendor takes."""

    dialect: str
    provider: str
    model: str
    check: Callable[[Mapping[str, Any]], None]

    @property
    def upstream(self) -> ir.Upstream:
        return upstream_of(self.dialect, self.provider, self.model)


def upstream_of(dialect: str, provider: str, model: str) -> ir.Upstream:
    """The backend as its row describes it."""
    return ir.Upstream(
        provider=provider,
        dialect=dialect,
        model=model,
        family=FAMILIES[dialect],
        wire=PROVIDERS[provider].wire,
        capabilities=capabilities(provider, model),
    )


def refusal(sent: ir.UpstreamRequest, target: Target) -> str | None:
    """Why the demo, which refuses what this vendor refuses, does not answer; None where it does, or where OpenAI would
    tell its own clients the same."""
    ask = Ask(model=target.model, body=json.loads(sent.body), headers=dict(sent.headers), now=0)
    try:
        _DEMO[target.dialect](ask)
    except RefusedError as error:
        own = target.upstream.family == "openai" and any(fault in error.message for fault in _OWN_FAULTS)
        return None if own else error.message
    return None


_OWN_FAULTS = ("the word 'json'", "No tool output found", "must be followed by tool messages")
"""Conversations go to OpenAI as they are."""
_DEMO = {
    "openai_chat": chat.whole,
    "openai_responses": responses.whole,
    "anthropic_messages": messages.whole,
    "google_gemini": gemini.whole,
}


def without(body: Mapping[str, Any], names: Set[str]) -> dict[str, Any]:
    return {field: value for field, value in body.items() if field not in names}


def _server(body: Mapping[str, Any]) -> None:
    assert_chat_request(without(body, {"top_k"}), server=True)


def _old_claude(body: Mapping[str, Any]) -> None:
    assert_anthropic_request(body, sampling=True)


TARGETS = {
    "chat": Target("openai_chat", "openai", "gpt-5.2", assert_chat_request),
    "responses": Target("openai_responses", "openai", "gpt-5.6", assert_responses_request),
    "claude": Target("anthropic_messages", "anthropic", "claude-opus-5-5", assert_anthropic_request),
    "old claude": Target("anthropic_messages", "anthropic", "claude-sonnet-4-5", _old_claude),
    "gemini": Target("google_gemini", "google", "gemini-3.1-pro", assert_google_request),
    "old gemini": Target("google_gemini", "google", "gemini-2.5-flash", assert_google_request),
    "vllm": Target("openai_chat", "vllm", "qwen3", _server),
}


def told(request: ir.Request, target: Target) -> ir.UpstreamRequest | list[ir.Named]:
    """What this backend is sent, or why it cannot be told the request."""
    writer, upstream = DIALECTS[target.dialect], target.upstream
    try:
        fitted = fit(request, upstream)
    except ir.Invalid as error:
        return [ir.Named(error.failure.param or "", error.failure.message, "contract")]
    request, removed = states.give_back(fitted.request, upstream, {}, lambda _: None)
    named = [*fitted.named, *states.named(removed), *writer.refuses(request, upstream)]
    refused = [one for one in named if one.kind == "contract"]
    if refused:
        return refused
    links = {media.url: _MEDIA[media.kind] for media in _media(request)}
    fetched = {need: links[need.key] for need in writer.needs(request, upstream)}
    context = ir.Context(CONTEXT.seed, CONTEXT.now, fetched)
    try:
        return writer.write_request(request, upstream, context)
    except ir.Invalid as error:
        return [ir.Named(error.failure.param or "", error.failure.message, "contract")]


def _media(request: ir.Request) -> Iterator[ir.Media]:
    for block in (block for message in request.messages for block in message.blocks):
        inner = block.content if isinstance(block, ir.ToolResult) else (block,)
        yield from (media for media in inner if isinstance(media, ir.Media))
