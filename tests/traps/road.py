"""The road of the traps' tests: clients of both APIs, a real Turnout, and a scripted upstream behind every backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from heard import PATHS, heard
from live import Live
from scripted import Upstream, scripted
from told import Told
from vendors import Json, Says, answer

BACKENDS = {
    "claude": ("anthropic_messages", "provider: anthropic, model: claude-sonnet-5, base_url: '{url}/v1'"),
    "gemini": ("google_gemini", "provider: google, model: gemini-3.1-pro, base_url: '{url}/v1beta'"),
    "openai": ("openai_chat", "provider: openai, dialect: openai_chat, model: gpt-5.2, base_url: '{url}/v1'"),
    "vllm": ("openai_chat", "provider: vllm, model: m, base_url: '{url}/v1'"),
    "ollama": ("openai_chat", "provider: ollama, model: m, base_url: '{url}/v1'"),
    "llama": ("openai_chat", "provider: llama_cpp, model: m, base_url: '{url}/v1'"),
    "gpt": ("openai_responses", "provider: openai, dialect: openai_responses, model: gpt-5.6, base_url: '{url}/v1'"),
    "lmstudio": ("openai_responses", "provider: lm_studio, dialect: openai_responses, model: m, base_url: '{url}/v1'"),
}
"""name -> its dialect, and its row in proxy.yaml."""
EXACT = {("openai", "chat"), ("gpt", "responses")}
"""Backend and API whose bytes pass unread."""
APIS = tuple(PATHS)
MODES = (False, True)
FOUR = ("claude", "gemini", "vllm", "gpt")
"""One backend of each dialect."""


def secret(backend: str) -> str:
    """The backend's key."""
    return f"sk-canary-{backend}-0123456789"


def config(url: str, more: str = "", twins: Sequence[str] = ("",)) -> str:
    """A proxy.yaml with every backend of BACKENDS at ``url``, and its name as an alias; ``twins``: once per suffix."""
    pairs = [(name, twin, row.format(url=url)) for name, (_, row) in BACKENDS.items() for twin in twins]
    rows = [f"  {name}{twin}: {{{row}, credential: {secret(name)}}}" for name, twin, row in pairs]
    aliases = [f"  {name}{twin}: {{use: [{name}{twin}]}}" for name, twin, _ in pairs]
    # What fails here fails on purpose, and says nothing of the backend's health.
    head = ["version: 1", "retries: {base: 1ms}", "breaker: {share: 1}"]
    return "\n".join([*head, "backends:", *rows, "aliases:", *aliases, more, ""])


def body(api: str, backend: str, *, stream: bool = False, usage: bool = True, **fields: Any) -> Json:
    """A plain request; ``fields`` add to it or replace."""
    if api == "responses":
        return {"model": backend, "input": "Hi!", "stream": stream, **fields}
    asked = {"stream_options": {"include_usage": True}} if stream and usage else {}
    return {"model": backend, "messages": [{"role": "user", "content": "Hi!"}], "stream": stream, **asked, **fields}


@dataclass(frozen=True)
class Road:
    """All of it, started."""

    live: Live
    upstream: Upstream
    http: httpx2.Client

    def post(self, api: str, asked: Any, **headers: str) -> httpx2.Response:
        """Any body at all, to the endpoint of ``api``."""
        content = {"content": asked} if isinstance(asked, bytes) else {"json": asked}
        return self.http.post(self.live.base_url + PATHS[api], headers=headers, **content)

    def plays(self, backend: str, says: Says, *, stream: bool) -> None:
        """From here on the upstream answers so."""
        self.upstream.script(answer(BACKENDS[backend][0], says, stream_=stream))

    def recovers(self, backend: str) -> None:
        """An answer without fault: five failures in a row would open the backend's breaker."""
        self.plays(backend, Says(("fine",)), stream=False)
        self.ask("chat", backend)

    def ask(self, api: str, backend: str, *, stream: bool = False, **fields: Any) -> httpx2.Response:
        """One request that is answered with 200."""
        got = self.post(api, body(api, backend, stream=stream, **fields))
        assert got.status_code == 200, got.text
        return got

    def hear(self, api: str, backend: str, *, stream: bool = False, **fields: Any) -> Told:
        """What the client makes of it, once types and checker have passed it."""
        # What OpenAI answers its own client passes unread, and the script does not echo.
        asked = None if (backend, api) in EXACT else body(api, backend, stream=stream, **fields)
        return heard(api, self.ask(api, backend, stream=stream, **fields).content, stream=stream, asked=asked)

    def sent(self) -> Json:
        """The last body that the upstream was sent."""
        found: Json = self.upstream.asked[-1].body
        return found


@contextmanager
def build(more: str = "", twins: Sequence[str] = ("",)) -> Iterator[Road]:
    """The road, started and ended. ``more``: further sections of YAML; ``twins`` as in ``config``."""
    with (
        scripted() as upstream,
        Live(config(upstream.url, more, twins)) as live,
        httpx2.Client(timeout=20) as http,
    ):
        yield Road(live, upstream, http)
