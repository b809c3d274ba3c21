"""The translation reference by the public door: a client's body to a backend, and a backend's answer to a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from adapters import ir, providers
from adapters.catalog import DIALECTS
from adapters.fitting import fit
from adapters.relay import StreamRelay, Whole

CHAT, RESPONSES, MESSAGES, GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "google_gemini"
CLIENTS = (CHAT, RESPONSES, MESSAGES)
CONTEXT = ir.Context(seed="0" * 32, now=0)
Json = dict[str, Any]

LEAST: dict[str, Json] = {
    CHAT: {"model": "alias", "messages": [{"role": "user", "content": "Hi!"}]},
    RESPONSES: {"model": "alias", "input": "Hi!"},
    MESSAGES: {"model": "alias", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi!"}]},
}
"""The least that each client may ask."""


def backend(provider: str, model: str, dialect: str | None = None, **can: Any) -> ir.Upstream:
    """A backend as its row and its model's family make it."""
    row = providers.PROVIDERS[provider]
    name = dialect or row.dialect
    found = msgspec.structs.replace(providers.capabilities(provider, model), **can)
    return ir.Upstream(
        provider=provider,
        dialect=name,
        model=model,
        family=providers.FAMILIES[name],
        wire=row.wire,
        capabilities=found,
    )


BACKENDS = {
    "gpt-4.1": backend("openai", "gpt-4.1", CHAT),
    "gpt-5.6": backend("openai", "gpt-5.6", RESPONSES),
    "gpt-4.1 on responses": backend("openai", "gpt-4.1", RESPONSES),
    "claude": backend("anthropic", "claude-sonnet-5"),
    "claude 4.6": backend("anthropic", "claude-sonnet-4-6"),
    "opus 5.5": backend("anthropic", "claude-opus-5-5"),
    "gemini 2.5": backend("google", "gemini-2.5-flash"),
    "gemini": backend("google", "gemini-3.1-pro"),
    "vllm": backend("vllm", "m"),
    "ollama": backend("ollama", "m"),
    "llama.cpp": backend("llama_cpp", "m"),
    "lm studio": backend("lm_studio", "m", RESPONSES),
}


@dataclass(frozen=True)
class Sent:
    """What a backend is sent, and what it is not told: name -> kind."""

    body: Json
    named: dict[str, str]

    def at(self, path: str) -> Any:
        """The value at a dotted path, or None."""
        value: Any = self.body
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value


def told(client: str, fields: Json, to: ir.Upstream) -> Sent:
    """The body of ``client`` with ``fields``, as this backend gets it. Raises ir.Invalid."""
    body = {**LEAST[client], **fields}
    dialect = DIALECTS[to.dialect]
    request = DIALECTS[client].read_request(msgspec.json.encode(body))
    if client == to.dialect and to.wire == "exact":
        raws = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}
        out, named = dialect.patch(raws, to)
        return Sent(msgspec.json.decode(msgspec.json.encode(out)), _kinds(named))
    fitted = fit(request, to)
    named = [*fitted.named, *dialect.refuses(fitted.request, to)]
    contract = any(one.kind == "contract" for one in named)
    written = b"{}" if contract else dialect.write_request(fitted.request, to, CONTEXT).body
    return Sent(msgspec.json.decode(written), _kinds(named))


def _kinds(named: list[ir.Named]) -> dict[str, str]:
    return {one.name: one.kind for one in named}


def echo(client: str, *, stream: bool = False) -> ir.Echo:
    """What the client asked, as its writer must know it."""
    usage = {"stream_options": {"include_usage": True}} if stream and client == CHAT else {}
    asked = {**LEAST[client], "stream": stream, **usage}
    return ir.Echo("0" * 32, 1, "alias", DIALECTS[client].read_request(msgspec.json.encode(asked)))


def heard(source: str, answer: Json, client: str) -> Json | ir.Failure:
    """A whole answer of ``source``, as ``client`` gets it, or why it gets none."""
    whole = Whole(DIALECTS[source], DIALECTS[client], echo(client), msgspec.json.encode(answer), exact=False)
    return whole.failure if whole.failure is not None else msgspec.json.decode(whole.body)


def streamed(source: str, frames: list[bytes], client: str) -> tuple[StreamRelay, bytes]:
    """A stream of ``source``, relayed to its end, and all that ``client`` is sent."""
    relay = StreamRelay(DIALECTS[source], DIALECTS[client], echo(client, stream=True), exact=False)
    out = [line for frame in frames for line in relay.feed(frame)]
    out += [] if relay.done else relay.close()
    return relay, b"".join([*out, *relay.tail])
