"""The endpoints whose calls walk the road: path -> what its clients speak."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.catalog import DIALECTS
from adapters.passthrough import Passthrough
from proxy.call import Api

APIS: Mapping[str, Api] = {
    "/v1/chat/completions": Api("chat", DIALECTS["openai_chat"], DIALECTS["openai_chat"]),
    "/v1/responses": Api("responses", DIALECTS["openai_responses"], DIALECTS["openai_responses"]),
    "/v1/embeddings": Api("embeddings", Passthrough("embeddings", "/embeddings"), None),
    "/v1/completions": Api("completions", Passthrough("completions", "/completions", streams=True), None),
}
