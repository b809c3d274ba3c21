"""The seven upstreams of the matrix: how each is configured, what it answers and tells, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import matrix_shape_chat as chat
import matrix_shape_cloud as cloud
import matrix_shape_responses as responses
from matrix_words import Fault, Json, Says, Sent, data, typed
from scripted import Answer, Asked
from vendor_types import (
    assert_anthropic_request,
    assert_chat_request,
    assert_google_request,
    assert_responses_request,
)


@dataclass(frozen=True)
class Shape:
    """One upstream. ``answer``: its body for a request, an answer and a mode."""

    backend: str
    """Its row in proxy.yaml."""
    tells: frozenset[str]
    """The counts that it tells besides input and output."""
    answer: Callable[[Json, Says, bool], Answer]
    judge: Callable[[Json], None]
    """Raises unless a body is a request of this vendor."""
    sent: Callable[[Json], Sent]
    refused: Fault
    """Its error in HTTP, before the first byte."""
    broken: Fault
    """Its error inside a 200."""
    error_event: Callable[[int, Json], bytes]
    """``broken`` as the event of that number in the stream that answers this body."""
    shows: Callable[[Json], bool] = lambda _: True
    """Does it show its thoughts to this request?"""
    summarises: bool = True
    """What it shows are summaries, not the raw chain."""
    own_ids: bool = True
    """Its calls have ids."""
    states: tuple[str, ...] = ()
    """What it must get back of a turn that thought and called."""
    declines: Callable[[Says], Says] = lambda says: says
    """How it says a refusal."""
    finish: str = "stop"
    """How an answer ends that is a refusal."""


def _in_words(says: Says) -> Says:
    return Says((says.refusal or "",))


def _overloaded(status: int, body: Json) -> Fault:
    return Fault(status, body, 503, "server_error", "upstream_overloaded")


def _server(flavour: chat.Flavour, provider: str, tells: frozenset[str], refused: Fault, broken: Fault) -> Shape:
    return Shape(
        f"provider: {provider}, model: m, local: false, base_url: '{{url}}/v1'",
        tells,
        chat.answer(flavour),
        lambda body: assert_chat_request(body, server=True),
        chat.sent,
        refused,
        broken,
        lambda _number, _body: data(broken.body),
        shows=lambda _: flavour.reasoning is not None,
        summarises=False,
        declines=_in_words if provider in ("ollama", "llama_cpp") else lambda says: says,
    )


def _error(status: int, body: Json) -> Fault:
    return Fault(status, body, 502, "server_error", "upstream_error")


_FULL = "the request exceeds the available context size (8192 tokens), try increasing it"
_LONG = "This model's maximum context length is 4096 tokens. However, you requested 5012 tokens in the messages."
_CRASH = "EngineCore encountered an issue. See stack trace above for the root cause."

SHAPES: Mapping[str, Shape] = {
    "openai_chat": replace(
        _server(
            chat.OPENAI, "openai", frozenset({"cached", "written", "thought"}),
            Fault(429, chat.fault("Rate limit reached.", "requests", "rate_limit_exceeded"), 429, "rate_limit_error", "rate_limit_exceeded"),
            _error(200, chat.fault("The server had an error while processing your request.", "server_error", None)),
        ),
        backend="provider: openai, dialect: openai_chat, model: gpt-5.2, base_url: '{url}/v1', credential: k",
        judge=assert_chat_request,
    ),
    "openai_responses": Shape(
        "provider: openai, dialect: openai_responses, model: gpt-5.6, base_url: '{url}/v1', credential: k",
        frozenset({"cached", "written", "thought"}),
        responses.answer,
        assert_responses_request,
        responses.sent,
        _error(500, chat.fault("The server had an error while processing your request.", "server_error", None)),
        _error(200, {}),
        responses.error_event,
        responses.shows,
        states=(responses.STATE,),
    ),
    "anthropic": Shape(
        "provider: anthropic, model: claude-sonnet-5, base_url: '{url}/v1', credential: k, prompt_cache: off",
        frozenset({"cached", "written", "thought"}),
        cloud.anthropic,
        assert_anthropic_request,
        cloud.anthropic_sent,
        _overloaded(529, cloud.anthropic_error("overloaded_error", "Overloaded")),
        Fault(200, cloud.anthropic_error("overloaded_error", "Overloaded"), 503, "server_error", "overloaded_error"),
        lambda _number, _body: typed(cloud.anthropic_error("overloaded_error", "Overloaded")),
        cloud.shows,
        states=(cloud.SIGNATURE,),
        finish="content_filter",
    ),
    "gemini": Shape(
        "provider: google, model: gemini-3.1-pro, base_url: '{url}/v1beta', credential: k",
        frozenset({"cached", "thought"}),
        cloud.gemini,
        assert_google_request,
        cloud.gemini_sent,
        _overloaded(503, cloud.gemini_error(503, "UNAVAILABLE", "The model is overloaded.")),
        _error(200, cloud.gemini_error(500, "INTERNAL", "An internal error has occurred.")),
        lambda _number, _body: data(cloud.gemini_error(500, "INTERNAL", "An internal error has occurred.")),
        cloud.thinks,
        own_ids=False,
        states=(cloud.THOUGHT_SIGNATURE,),
        declines=lambda says: replace(says, visible=0),
        finish="content_filter",
    ),
    "vllm": _server(
        chat.VLLM, "vllm", frozenset({"thought"}),
        Fault(400, chat.fault(_LONG, "BadRequestError", 400), 400, "invalid_request_error", "context_length_exceeded"),
        _error(200, chat.fault(_CRASH, "InternalServerError", 500)),
    ),
    "ollama": _server(
        chat.OLLAMA, "ollama", frozenset(),
        Fault(404, chat.fault('model "m" not found, try pulling it first', "not_found_error", None), 404, "invalid_request_error", "model_not_found"),
        _error(200, chat.fault("llama runner process has terminated", "api_error", None)),
    ),
    "llama_cpp": _server(
        chat.LLAMA, "llama_cpp", frozenset({"cached"}),
        Fault(503, chat.fault("Loading model", "unavailable_error", 503), 503, "server_error", "upstream_loading"),
        Fault(200, chat.fault(_FULL, "exceed_context_size_error", 400), 400, "invalid_request_error", "context_length_exceeded"),
    ),
}  # fmt: skip


def body_of(asked: Asked) -> Json:
    """The request; Gemini's path tells the model."""
    return {"model": asked.path, **asked.body}
