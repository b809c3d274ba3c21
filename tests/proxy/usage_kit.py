"""Shapes of usage through the public door: every class has a rate of its own, so that a token in the wrong one shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from heard import CLIENTS, heard, question
from live import Live
from public_door import Heard, post
from scripted import Upstream, scripted
from told import Told
from usage_answers import ANSWERS, Json

from proxy.ledger.record import UsageRecord

RATES = {
    "input": "1", "cached": "0.1", "cache_write": "1.25", "cache_write_1h": "2", "cache_write_12h": "3", "output": "10",
    "input_audio": "32", "cached_audio": "4", "input_image": "5", "cached_image": "0.5", "input_video": "7",
    "output_audio": "64", "output_image": "30", "output_video": "70",
}  # fmt: skip
"""USD per million tokens: all different, so that thousandths of a cent tell the classes apart."""
CALLS = {
    "web_search": "10", "file_search": "2.5", "code_interpreter": "30", "image_generation": "40", "maps": "25",
    "x_search": "5", "live_search": "24",
}  # fmt: skip
"""USD per thousand calls."""
_TIERS = ("flex", "priority", "fast", "batch", "offpeak", "provisioned", "us", "priority_us")
_SPREAD = ", ".join(f"{name}: {rate}" for name, rate in RATES.items())
PRICE = f"{{{_SPREAD}, calls: {{{', '.join(f'{k}: {v}' for k, v in CALLS.items())}}}, tiers: {{{', '.join(f'{t}: 1' for t in _TIERS)}}}}}"
BACKENDS = {
    "openai": ("chat", "provider: openai, dialect: openai_chat, model: gpt-4o, base_url: '{url}/v1', credential: sk-canary-1"),
    "gpt": ("responses", "provider: openai, dialect: openai_responses, model: gpt-5.6, base_url: '{url}/v1', credential: sk-canary-2"),
    "claude": ("claude", "provider: anthropic, model: claude-sonnet-5, base_url: '{url}/v1', credential: sk-canary-3"),
    "gemini": ("gemini", "provider: google, model: gemini-3.1-pro, base_url: '{url}/v1beta', credential: sk-canary-4"),
    "vllm": ("chat", "provider: vllm, model: m, base_url: '{url}/v1', tokenizer: 'off'"),
    "vllm-responses": ("responses", "provider: vllm, dialect: openai_responses, model: m, base_url: '{url}/v1'"),
    "vllm-messages": ("claude", "provider: vllm, dialect: anthropic_messages, model: m, base_url: '{url}/v1'"),
    "llama": ("chat", "provider: llama_cpp, model: m, base_url: '{url}/v1'"),
    "ollama": ("chat", "provider: ollama, model: m, base_url: '{url}/v1'"),
    "other": ("chat", "provider: openai_compatible, model: m, local: false, base_url: '{url}/v1'"),
    "other-responses": ("responses", "provider: openai_compatible, dialect: openai_responses, model: m, local: false, base_url: '{url}/v1'"),
}  # fmt: skip
"""name -> how it answers, and its row in proxy.yaml."""
EXACT = {("openai", "chat"), ("gpt", "responses"), ("claude", "messages")}
"""Backend and client whose bytes pass unread: what the client sees is the vendor's own."""
COLUMNS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
TOLD = (*COLUMNS, "reasoning_source", "cost_nano_usd", "parts", "service_tier", "flags")
"""What a row has of its usage."""


def nano(calls: Mapping[str, int] | None = None, **tokens: int) -> int:
    """What so many tokens of each class cost, and so many calls: in thousandths, summed by hand here."""
    cost = sum(count * round(float(RATES[name]) * 1000) for name, count in tokens.items())
    return cost + sum(times * round(float(CALLS[name]) * 1_000_000) for name, times in (calls or {}).items())


@dataclass(frozen=True)
class Shape:
    """What an upstream tells, and the row that it must give: ``row`` the five counts of COLUMNS."""

    name: str
    backend: str
    usage: Any
    row: tuple[int | None, int | None, int | None, int | None, int | None]
    cost: int | None
    parts: Json = field(default_factory=dict)
    tier: str | None = None
    flags: str | None = None
    more: Json = field(default_factory=dict)
    """Of the answer besides its usage."""
    clients: tuple[str, ...] = tuple(CLIENTS)

    def __str__(self) -> str:
        return self.name


class Road:
    """A Turnout before a scripted upstream that stands for every vendor."""

    def __init__(self, live: Live, upstream: Upstream) -> None:
        self.live = live
        self.upstream = upstream

    def play(self, shape: Shape, *, streamed: bool) -> None:
        """From here on the upstream answers so."""
        answer = ANSWERS[BACKENDS[shape.backend][0]]
        self.upstream.script(answer(shape.usage, streamed=streamed, **shape.more))

    def ask(self, shape: Shape, client: str, *, streamed: bool) -> Heard:
        self.play(shape, streamed=streamed)
        got = post(self.live, f"/v1{CLIENTS[client]}", question(client, shape.backend, stream=streamed))
        assert got.status == 200, got.raw
        return got

    def row(self, got: Heard) -> UsageRecord:
        (found,) = self.live.rows_of(got.id)
        return found


def expected(shape: Shape) -> Json:
    """The row's part that is the usage's."""
    source = None if shape.row[4] is None else "reported"
    told = {**dict(zip(COLUMNS, shape.row, strict=True)), "reasoning_source": source, "cost_nano_usd": shape.cost}
    return told | {"parts": shape.parts, "service_tier": shape.tier, "flags": shape.flags}


def told_of(row: UsageRecord) -> Json:
    """The same of a row."""
    parts = {} if row.parts is None else msgspec.json.decode(row.parts)
    return {**{name: getattr(row, name) for name in TOLD}, "parts": parts}


def seen(got: Heard, client: str, shape: Shape, *, streamed: bool) -> Told:
    """What the client makes of it, once the SDK's strict types and the invariant checker have passed it."""
    return heard(client, got.raw, stream=streamed, asked=question(client, shape.backend, stream=streamed))


@contextmanager
def build(more: str = "") -> Iterator[Road]:
    """The road, started and ended. ``more``: further sections of YAML."""
    with scripted() as upstream:
        rows = [f"  {name}: {{{row.format(url=upstream.url)}, price: {PRICE}}}" for name, (_, row) in BACKENDS.items()]
        aliases = [f"  {name}: {{use: [{name}]}}" for name in BACKENDS]
        text = "\n".join(
            [
                "version: 1",
                "retries: {attempts: 1}",
                "breaker: {share: 1}",
                "backends:",
                *rows,
                "aliases:",
                *aliases,
                more,
                "",
            ]
        )
        with Live(text) as live:
            yield Road(live, upstream)
