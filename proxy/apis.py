"""The endpoints whose calls walk the road: path -> what its clients speak."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.catalog import DIALECTS
from adapters.passthrough import Passthrough
from proxy.call import Api

_CHAT, _RESPONSES = DIALECTS["openai_chat"], DIALECTS["openai_responses"]

_ALL = (
    Api("chat", "/v1/chat/completions", _CHAT, _CHAT),
    Api("responses", "/v1/responses", _RESPONSES, _RESPONSES),
    Api("embeddings", "/v1/embeddings", Passthrough("embeddings", "/embeddings"), None),
    Api("completions", "/v1/completions", Passthrough("completions", "/completions", streams=True), None),
)
APIS: Mapping[str, Api] = {api.path: api for api in _ALL}
