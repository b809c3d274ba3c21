"""The endpoints whose calls walk the road: path -> what its clients speak."""

from __future__ import annotations

from collections.abc import Mapping

from adapters import ir, strict
from adapters.catalog import DIALECTS
from adapters.counting import ENDPOINTS, Counter
from adapters.dialect import Passable
from adapters.passthrough import Passthrough
from proxy.call import Api

_CHAT, _RESPONSES, _MESSAGES = (DIALECTS[name] for name in ("openai_chat", "openai_responses", "anthropic_messages"))


def _count(name: str, counts: str) -> Api:
    """The endpoint beside ``counts`` that tells how many tokens a request is."""
    endpoint = ENDPOINTS[counts]
    dialect = DIALECTS[endpoint.dialect]
    return Api(name, f"/v1{endpoint.path}", Counter(dialect, endpoint), dialect, counts)


_ALL = (
    Api("chat", "/v1/chat/completions", _CHAT, _CHAT),
    Api("responses", "/v1/responses", _RESPONSES, _RESPONSES),
    Api("messages", "/v1/messages", _MESSAGES, _MESSAGES),
    Api("embeddings", "/v1/embeddings", Passthrough("embeddings", "/embeddings", generates=False), None),
    Api("completions", "/v1/completions", Passthrough("completions", "/completions"), None),
    _count("count_tokens", "messages"),
    _count("input_tokens", "responses"),
)
APIS: Mapping[str, Api] = {api.path: api for api in _ALL}


def spoken(path: str, headers: Mapping[str, str]) -> Passable:
    """What the client of any other endpoint speaks: Anthropic's SDKs say so with a header, or ask below /messages."""
    anthropic = is_anthropic(headers) or path.startswith("/v1/messages/")
    return _MESSAGES if anthropic else _CHAT


def is_anthropic(headers: Mapping[str, str]) -> bool:
    """Is this a client of Anthropic's API, which must send its version with every request?"""
    return "anthropic-version" in headers


def guessed(body: bytes) -> str:
    """The name of the API that a request is for, by the fields in which its question stands; chat where that tells
    nothing."""
    try:
        top = strict.fields(body)
    except ir.Invalid:
        return "chat"
    if "messages" in top:
        return "messages" if "system" in top else "chat"
    # In Responses "prompt" is an object; the legacy one is a text or a list of texts.
    legacy = "prompt" in top and bytes(top["prompt"]).lstrip()[:1] in (b'"', b"[")
    return "completions" if legacy and "input" not in top else "responses"
