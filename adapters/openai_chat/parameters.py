"""Which parameters a chat backend takes: one table for the writer, for what it refuses, and for exact relays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from adapters import breakpoints, efforts, ir, stream_options, strict
from adapters.openai_chat import thoughts
from adapters.openai_chat.wire import NAME

RESPONSES_ONLY = frozenset(
    {
        "access_programs",
        "background",
        "context_management",
        "conversation",
        "image",
        "max_tool_calls",
        "previous_response_id",
        "prompt",
        "reasoning",
        "text",
        "truncation",
    }
)
"""Fields of OpenAI's other dialect that arrive as extras of the same family, whole or in part; chat has no word for
them."""

NOT_CHAT = RESPONSES_ONLY | {breakpoints.CACHE_CONTROL}
_OPENAIS = frozenset({"moderation"})
"""Fields of both dialects that OpenAI alone serves."""


def _given(value: Any) -> bool:
    return value is not None


def _own(upstream: ir.Upstream) -> bool:
    """Advice to OpenAI's own service; other servers ignore it or refuse it."""
    return upstream.wire == "exact"


def _samples_k(upstream: ir.Upstream) -> bool:
    """OpenAI has no such field; of the others nearly all take it."""
    return upstream.wire == "variant" and upstream.capabilities.sampling and upstream.capabilities.top_k


def _asks_tier(tier: Any) -> bool:
    """The tier that every server has need not be asked for."""
    return tier not in (None, "auto", "default")


class Rule(Struct, frozen=True):
    """One parameter: who takes it, and when leaving it out must be told."""

    name: str
    taken: Callable[[ir.Upstream], bool]
    contract: bool = False
    asks: Callable[[Any], bool] = _given
    """True for values that ask for something; other values may be left out without a word."""

    def named(self) -> ir.Named:
        """What to say where the backend does not take it."""
        return ir.Named(self.name, f"this backend does not take {self.name}", "contract" if self.contract else "tuning")


RULES: tuple[Rule, ...] = (
    Rule("temperature", lambda upstream: upstream.capabilities.sampling),
    Rule("top_p", lambda upstream: upstream.capabilities.sampling),
    Rule("top_k", _samples_k),
    Rule("presence_penalty", lambda upstream: upstream.capabilities.penalties, asks=bool),
    Rule("frequency_penalty", lambda upstream: upstream.capabilities.penalties, asks=bool),
    Rule("seed", lambda upstream: upstream.capabilities.seed),
    Rule("n", lambda upstream: upstream.capabilities.choices, contract=True, asks=lambda n: n not in (None, 1)),
    Rule("logprobs", lambda upstream: upstream.capabilities.logprobs, contract=True, asks=bool),
    Rule("top_logprobs", lambda upstream: upstream.capabilities.logprobs, contract=True, asks=bool),
    Rule("logit_bias", lambda upstream: upstream.capabilities.logit_bias, contract=True, asks=bool),
    Rule("modalities", _own, contract=True, asks=lambda modes: bool(modes) and list(modes) != ["text"]),
    Rule("verbosity", lambda upstream: upstream.capabilities.verbosity),
    Rule("service_tier", lambda upstream: upstream.capabilities.service_tiers, asks=_asks_tier),
    Rule("user", _own),
    Rule("safety_identifier", _own),
    Rule("prompt_cache_key", _own),
    Rule("store", _own, asks=bool),
    Rule("metadata", _own, asks=bool),
)


def untaken(upstream: ir.Upstream) -> frozenset[str]:
    """Parameters that this backend does not take, also where another dialect's client sends them as unknown (G81)."""
    names = [rule.name for rule in RULES if not rule.taken(upstream)]
    return frozenset(names if upstream.capabilities.max_stop != 0 else [*names, "stop"])


def not_chat(upstream: ir.Upstream) -> frozenset[str]:
    """Unknown fields of a Responses client that mean nothing to this backend's chat endpoint."""
    return NOT_CHAT if _own(upstream) else NOT_CHAT | _OPENAIS


def is_own(request: ir.Request) -> bool:
    """The client spoke chat too, so that extras of messages, parts and tools are chat's own words."""
    return request.dialect == NAME


def effort(request: ir.Request, upstream: ir.Upstream) -> str | None:
    """The word to send, the nearest that the backend knows; None where it can be told none."""
    asked = asked_effort(request)
    if asked is None or (request.tools and asked != "none" and not upstream.capabilities.chat_tools_with_effort):
        return None
    return efforts.clamp(asked, upstream.capabilities)


def asked_effort(request: ir.Request) -> str | None:
    """The client's word, or the word for its token budget."""
    if request.effort is None and request.thinking_budget is not None:
        return efforts.of_budget(request.thinking_budget)
    return request.effort


def reasoning_field(upstream: ir.Upstream, *, own: bool) -> str | None:
    """Where reasoning of earlier answers goes, of a client that spoke chat (``own``) or not; OpenAI takes none back."""
    can = upstream.capabilities
    return can.reasoning_field if upstream.wire == "variant" and (own or can.foreign_reasoning) else None


def temperature(asked: float, capabilities: ir.Capabilities) -> float:
    """No higher than the backend takes."""
    return min(asked, capabilities.max_temperature)


def patch(fields: ir.Extras, upstream: ir.Upstream) -> tuple[ir.Extras, list[ir.Named]]:
    """Exact relays: the top level as this upstream must have it; all that is not touched stays byte for byte."""
    refused = {rule.name: rule for rule in RULES if rule.name in fields and not rule.taken(upstream)}
    dropped = [rule.named() for name, rule in refused.items() if rule.asks(strict.value(fields, name, Any))]
    out = {name: raw for name, raw in fields.items() if name not in refused}
    _patch_limit(out, upstream)
    dropped += [*_patch_effort(out, upstream), *_patch_stop(out, upstream.capabilities)]
    if strict.head(fields).stream:
        out["stream_options"] = stream_options.with_usage(out)
    dropped += [*thoughts.strip(out), *breakpoints.strip(out)]
    out |= {name: _raw(value) for name, value in upstream.options.items()}
    out["model"] = _raw(upstream.model)
    return out, dropped


def _patch_limit(out: ir.Extras, upstream: ir.Upstream) -> None:
    """One limit under the name that the backend knows; ``max_completion_tokens`` wins (G50)."""
    limits = [raw for name in ("max_completion_tokens", "max_tokens") if (raw := out.pop(name, None)) is not None]
    told = [raw for raw in limits if bytes(raw) != b"null"]
    if told:
        out[upstream.capabilities.max_tokens_field] = told[0]


def _patch_effort(out: ir.Extras, upstream: ir.Upstream) -> list[ir.Named]:
    asked = strict.value(out, "reasoning_effort", str | None) if "reasoning_effort" in out else None
    if not isinstance(asked, str):
        return []
    refused = asked != "none" and not upstream.capabilities.chat_tools_with_effort and "tools" in out
    sent = None if refused else efforts.clamp(asked, upstream.capabilities)
    if sent == asked:
        return []
    if sent is None:
        del out["reasoning_effort"]
    else:
        out["reasoning_effort"] = _raw(sent)
    return named_effort(asked, sent)


def _patch_stop(out: ir.Extras, can: ir.Capabilities) -> list[ir.Named]:
    told = strict.value(out, "stop", str | list[str] | None) if "stop" in out else None
    if can.max_stop == 0:
        out.pop("stop", None)
    return stops((told,) if isinstance(told, str) else tuple(told or ()), can)


def stops(asked: tuple[str, ...], can: ir.Capabilities) -> list[ir.Named]:
    """What is broken where there are more stop sequences than the backend takes. A model that takes none at all loses
    them, so that a client's fixed ``stop`` does not lock it out (G81); a part of them would change what was asked."""
    if can.max_stop is None or len(asked) <= can.max_stop:
        return []
    if can.max_stop == 0:
        return [ir.Named("stop", "this backend takes no stop sequences", "tuning")]
    return [ir.Named("stop", f"this backend takes at most {can.max_stop} stop sequences", "contract")]


def named_effort(asked: str | None, sent: str | None) -> list[ir.Named]:
    """What became of the effort, where it is not what was asked for."""
    if asked == sent or asked is None or (asked == "none" and sent is None):
        return []
    why = f"sent as {sent}" if sent else "this backend takes no effort here"
    return [efforts.named("reasoning_effort", why, sent)]


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
