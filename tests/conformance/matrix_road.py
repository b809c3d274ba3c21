"""The road of the matrix: three official clients whose bytes are kept, one Turnout, one upstream that plays all shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx2
import openai
from live import Live
from matrix_shapes import SHAPES
from scripted import Upstream, scripted


class Tape(httpx2.BaseTransport):
    """Keeps the bytes of the last answer, and gives the SDK the same."""

    def __init__(self) -> None:
        self._wire = httpx2.HTTPTransport()
        self.answer = httpx2.Response(500)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._wire.handle_request(request)
        content = answer.read()
        answer.close()
        self.answer = httpx2.Response(answer.status_code, headers=answer.headers, content=content)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=content)

    def close(self) -> None:
        self._wire.close()


@dataclass(frozen=True)
class Road:
    """All of it, started. ``told``: what each cell heard, for its twin."""

    live: Live
    upstream: Upstream
    tape: Tape
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    told: dict[Any, Any] = field(default_factory=dict)


def _config(url: str) -> str:
    backends = [f"  {name}: {{{shape.backend.format(url=url)}}}" for name, shape in SHAPES.items()]
    aliases = [f"  {name}: {{use: [{name}]}}" for name in SHAPES]
    return "\n".join(["version: 1", "retries: {attempts: 1}", "backends:", *backends, "aliases:", *aliases, ""])


@contextmanager
def build() -> Iterator[Road]:
    """The road, started and ended."""
    tape = Tape()
    strict: Any = {"_strict_response_validation": True, "max_retries": 0, "api_key": "k", "timeout": 20}
    with scripted() as upstream, Live(_config(upstream.url)) as live, httpx2.Client(transport=tape) as http:
        yield Road(
            live,
            upstream,
            tape,
            openai.OpenAI(base_url=live.base_url, http_client=http, **strict),
            anthropic.Anthropic(base_url=live.url, http_client=http, **strict),
        )
