"""Values of single parameters that one vendor knows and another would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from adapters import ir
from adapters.fitting.fitted import Fitted
from adapters.providers import CHAT, RESPONSES

MAX_USER = 64
"""Characters that OpenAI takes of ``user``; Anthropic takes more, and its clients send JSON there."""
_TIERS: Mapping[str | None, str] = {"standard_only": "default"}
"""Anthropic's word -> the hub's."""
_LONG = ir.Named("user", f"longer than {MAX_USER} characters: its SHA-256 is sent instead", "tuning")
_PREWARM = ir.Named("max_tokens", "only Anthropic warms its cache without an answer: ask for at least 1", "contract")


def fit(request: ir.Request, upstream: ir.Upstream) -> Fitted:
    """The request with each such value in the upstream's own words; what no word stands for is named."""
    request = _counted(_stored_here(request, upstream), upstream)
    if request.family == upstream.family:
        return Fitted(request)
    request = _shown(request)
    named: list[ir.Named] = []
    changes: dict[str, Any] = {}
    if request.service_tier in _TIERS:
        changes["service_tier"] = _TIERS[request.service_tier]
    if upstream.family == "openai" and len(request.user or "") > MAX_USER:
        changes["user"] = sha256((request.user or "").encode("utf-8", "surrogatepass")).hexdigest()
        named.append(_LONG)
    if request.max_output_tokens == 0 and request.family == "anthropic":
        named.append(_PREWARM)
    return Fitted(msgspec.structs.replace(request, **changes) if changes else request, named=tuple(named))


def _shown(request: ir.Request) -> ir.Request:
    """Chat has no switch for summaries: whoever asks for reasoning there is shown it. Where there is one, it counts."""
    if request.dialect != CHAT or request.effort in (None, "none") or request.reasoning_summary is not None:
        return request
    return msgspec.structs.replace(request, reasoning_summary="auto")


def _counted(request: ir.Request, upstream: ir.Upstream) -> ir.Request:
    """Alternatives of each token are asked for by their number alone too; chat's servers and Google's want it said."""
    if not request.top_logprobs or request.logprobs or not upstream.capabilities.logprobs:
        return request
    return msgspec.structs.replace(request, logprobs=True)


def _stored_here(request: ir.Request, upstream: ir.Upstream) -> ir.Request:
    """Nothing is lost where ``store`` is not told: the turns of a Responses client are kept by this proxy, and who
    keeps none need not be asked to keep none. OpenAI keeps them too, so it is told what its client wishes."""
    told = upstream.dialect == RESPONSES or (upstream.family == "openai" and upstream.wire == "exact")
    lost = bool(request.store) and request.dialect != RESPONSES
    if told or lost or request.store is None:
        return request
    return msgspec.structs.replace(request, store=None)
