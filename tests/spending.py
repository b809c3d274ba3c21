"""An upstream whose answers are as long as it is told and never longer than it is asked, and who asks it with which key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from live import Live
from scripted import Answer, Asked, Upstream, scripted, stream, whole

PRICE = "price: {input: 3, output: 15}"
"""A thousandth of a cent and a half for each token of an answer."""


class Vendor:
    """``tokens``: how long its answers are where they are not cut. ``gate``: answers wait for it."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.tokens, self.input = 100, 10
        self.usage = True
        self.gate: threading.Event | None = None
        self.obeys = True
        upstream.reply = self._reply

    @property
    def url(self) -> str:
        return self.upstream.url

    @property
    def limits(self) -> list[int | None]:
        """The limit of output tokens of each request so far."""
        return [_limit(asked.body) for asked in self.upstream.asked]

    def _reply(self, asked: Asked) -> Answer:
        if not asked.path.endswith(("/completions", "/embeddings")):
            return whole({"error": {"message": "no such endpoint"}}, 404)
        body = asked.body
        limit = _limit(body)
        tokens = min(self.tokens, limit) if limit is not None and self.obeys else self.tokens
        finish = "length" if tokens < self.tokens else "stop"
        usage = {"prompt_tokens": self.input, "completion_tokens": tokens, "total_tokens": self.input + tokens}
        head = {"id": "chatcmpl-1", "created": 1, "model": body["model"]}
        if body.get("stream"):
            return self._streamed(head, finish, usage)
        choice = {"index": 0, "message": {"role": "assistant", "content": "word " * 5}, "finish_reason": finish}
        told = {"usage": usage} if self.usage else {}
        found = whole({**head, "object": "chat.completion", "choices": [choice], **told})
        return found if self.gate is None else Answer([self.gate, *found.parts], found.status)

    def _streamed(self, head: dict[str, Any], finish: str, usage: dict[str, int]) -> Answer:
        chunks = [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "word"}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            *([{"choices": [], "usage": usage}] if self.usage else []),
        ]
        first, *rest = [event({**head, "object": "chat.completion.chunk", **chunk}) for chunk in chunks]
        gate = [self.gate] if self.gate is not None else []
        return stream(first, *gate, *rest, b"data: [DONE]\n\n")


def event(value: dict[str, Any]) -> bytes:
    import msgspec

    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def _limit(body: dict[str, Any]) -> int | None:
    found = body.get("max_completion_tokens", body.get("max_tokens"))
    return found if isinstance(found, int) else None


def config(url: str, more: str, *, price: str = PRICE, model: str = "gpt-4.1") -> str:
    """``cloud`` has this price, ``home`` is local and has none; ``both`` asks the one, then the other."""
    return f"""version: 1
retries: {{attempts: 1}}
backends:
  cloud: {{provider: openai, dialect: openai_chat, base_url: "{url}/v1", model: {model}, credential: sk-x, {price}}}
  home:  {{provider: vllm, base_url: "{url}/v1", model: demo-local, local: true}}
roles: {{local: home, cloud: cloud}}
aliases:
  cloud: {{use: [cloud]}}
  home:  {{use: [home]}}
  both:  {{use: [cloud, home]}}
  auto:  {{policy: hybrid}}
  paced: {{policy: paced}}
{more}"""


@contextmanager
def vendor() -> Iterator[Vendor]:
    with scripted() as upstream:
        yield Vendor(upstream)


def rounds(live: Live) -> int:
    """How often its purses have told and asked so far."""
    _, text = live.get("/metrics")
    lines = [line for line in str(text).splitlines() if line.startswith("turnout_pots_rounds_total{")]
    return sum(int(line.rpartition(" ")[2]) for line in lines)


def beats(live: Live, count: int) -> None:
    """Wait until so many beats are over in which nobody asked anything."""
    before = rounds(live)
    live.until(lambda: rounds(live) >= before + count, f"{count} beats")


def told(live: Live) -> list[tuple[str, str | None, int | None]]:
    """(outcome, flags, cost) of every row, oldest first."""
    return [(row.outcome, row.flags, row.cost_nano_usd) for row in live.rows()]
