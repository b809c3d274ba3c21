"""Speaks the small endpoints: embeddings, legacy completions, model lists, and a vLLM-like server's /tokenize."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from proxy.demo.base import Ask, Json, RefusedError, sse
from proxy.demo.brain import Answer, Prompt, Said, think
from proxy.demo.openai_rules import misfit_error
from proxy.demo.shape import MisfitError, Wire, fit_loosely
from proxy.demo.tokens import count, pieces

MODELS = ("demo-local", "demo-chat", "demo-openai", "demo-claude", "demo-gemini")
"""The names of the demo's backends. Any other name is answered too."""

_ALIVE = {"created_at": "2026-11-20T00:00:00Z", "lifecycle": "active"}


class EmbeddingsRequest(Wire, frozen=True):
    """The shape of an embeddings request."""

    model: str
    input: str | list[Any]
    dimensions: Annotated[int, Meta(ge=1, le=4096)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


class CompletionsRequest(Wire, frozen=True):
    """The shape of a legacy completions request, as far as the demo listens."""

    model: str
    prompt: str | list[str]
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: Json | None = None


class TokenizeRequest(Wire, frozen=True):
    """The shape of vLLM's tokenize request for plain text."""

    prompt: str
    model: str | None = None
    add_special_tokens: bool | None = None


def embeddings(ask: Ask) -> Json:
    """A vector per input: unit-less, deterministic, ``dimensions`` long (16 unless asked)."""
    request = _fit(ask, EmbeddingsRequest)
    texts = _texts(request.input)
    vectors = [_vector(text, request.dimensions or 16) for text in texts]
    packed = request.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    total = sum(count(text) for text in texts)
    usage = {"prompt_tokens": total, "total_tokens": total}
    return {"object": "list", "data": data, "model": ask.model, "usage": usage}


def completion(ask: Ask) -> Json:
    """The answer as one ``text_completion``."""
    _, answer = _completed(ask)
    return {**_head(ask), "choices": [_choice(answer.text, answer.finish)], "usage": _usage(answer)}


def completion_frames(ask: Ask) -> Iterator[bytes]:
    """The answer as legacy completion chunks."""
    request, answer = _completed(ask)
    return _frames(ask, answer, bool((request.stream_options or {}).get("include_usage")))


def tokenize(ask: Ask) -> Json:
    """Token ids of a text, by the demo's own rule."""
    tokens = pieces(_fit(ask, TokenizeRequest).prompt)
    ids = [int(hashlib.sha256(token.encode()).hexdigest()[:4], 16) for token in tokens]
    return {"count": len(ids), "max_model_len": 131072, "tokens": ids, "token_strs": None}


def models(headers: dict[str, str], names: Sequence[str] = MODELS) -> Json:
    """The model list in the shape of the caller's vendor, known by its headers; else in OpenAI's."""
    if "x-goog-api-key" in headers:
        return gemini_models(names)
    if "anthropic-version" in headers:
        named = [{"type": "model", "id": name, "display_name": name, **_ALIVE} for name in names]
        return {"data": named, "has_more": False, "first_id": names[0], "last_id": names[-1]}
    listed = [{"id": name, "object": "model", "created": 1795132800, "owned_by": "turnout-demo"} for name in names]
    return {"object": "list", "data": listed}


def model(name: str, headers: dict[str, str]) -> Json:
    """One model by its name, whatever that is: the demo answers to any."""
    listed = models(headers, (name,))
    found: Json = (listed.get("data") or listed["models"])[0]
    return found


def gemini_models(names: Sequence[str] = MODELS) -> Json:
    """The model list in Google's shape."""
    limits = {"inputTokenLimit": 1048576, "outputTokenLimit": 65536}
    same = {**limits, "version": "1", "supportedGenerationMethods": ["generateContent", "countTokens"]}
    return {"models": [{"name": f"models/{name}", "displayName": name, **same} for name in names]}


def _fit(ask: Ask, shape: type[Any]) -> Any:
    try:
        return fit_loosely(ask.body, shape)
    except MisfitError as misfit:
        raise misfit_error(misfit) from None


def _texts(given: str | list[Any]) -> list[str]:
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        return [str(given)]
    if not given or "" in given:
        raise RefusedError("'$.input' is invalid. Please check the API reference.", "input")
    return [str(text) for text in given]


def _vector(text: str, length: int) -> list[float]:
    raw = hashlib.shake_128(text.encode()).digest(length * 2)
    return [number / 32768 for number in struct.unpack(f"<{length}h", raw)]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _completed(ask: Ask) -> tuple[CompletionsRequest, Answer]:
    request: CompletionsRequest = _fit(ask, CompletionsRequest)
    text = request.prompt if isinstance(request.prompt, str) else "\n".join(request.prompt)
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    asked = Prompt(said=(Said("user", text),), limit=request.max_tokens, stops=tuple(stops))
    return request, think(asked)


def _frames(ask: Ask, answer: Answer, counted: bool) -> Iterator[bytes]:
    for piece in pieces(answer.text):
        yield sse({**_head(ask), "choices": [_choice(piece, None)]})
    yield sse({**_head(ask), "choices": [_choice("", answer.finish)]})
    if counted:
        yield sse({**_head(ask), "choices": [], "usage": _usage(answer)})
    yield b"data: [DONE]\n\n"


def _head(ask: Ask) -> Json:
    return {"id": ask.id("cmpl-"), "object": "text_completion", "created": ask.now, "model": ask.model}


def _choice(text: str, finish: str | None) -> Json:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}


def _usage(answer: Answer) -> Json:
    tokens = answer.tokens
    return {"prompt_tokens": tokens.prompt, "completion_tokens": tokens.output, "total_tokens": tokens.total}
