"""The road that the SDK tests drive: the official clients, a real Turnout, and the demo upstream with its journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from live import Live, demo_upstream
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI
from vendor_types import (
    assert_anthropic_request,
    assert_chat_request,
    assert_google_request,
    assert_responses_request,
)

BACKENDS = {
    "local": "provider: vllm, model: demo-local, base_url: '{url}/v1'",
    "chat": "provider: openai_compatible, model: demo-chat, base_url: '{url}/v1'",
    "openai-chat": "provider: openai, model: gpt-5.2, dialect: openai_chat, base_url: '{url}/v1', credential: k",
    "openai-responses": "provider: openai, model: gpt-5.6, dialect: openai_responses, base_url: '{url}/v1', credential: k",
    "openai-both": "provider: openai, model: gpt-5.6, base_url: '{url}/v1', credential: k",
    "claude": "provider: anthropic, model: claude-sonnet-5, base_url: '{url}/v1', credential: k",
    "gemini": "provider: google, model: gemini-3.1-pro, base_url: '{url}/v1beta', credential: k",
}
"""name -> YAML. Each has an alias ``to-NAME`` that moves on to ``spare`` if NAME is refused: no test may see that."""

SERVERS = ("demo-local", "demo-spare", "demo-ollama", "demo-llama")
"""Models of servers that take back reasoning text."""


def config(url: str) -> str:
    """A proxy.yaml with every backend of BACKENDS at the demo upstream ``url``."""
    backends = [f"  {name}: {{{row.format(url=url)}}}" for name, row in BACKENDS.items()]
    spare = f"  spare: {{provider: vllm, model: demo-spare, base_url: '{url}/v1'}}"
    aliases = [f"  to-{name}: {{use: [{name}, spare]}}" for name in BACKENDS]
    return "\n".join(["version: 1", "backends:", *backends, spare, "aliases:", *aliases, ""])


@dataclass
class Road:
    """``journal``: what the upstream saw. ``answers``: the headers of what Turnout answered, oldest first."""

    live: Live
    url: str
    journal: list[dict[str, Any]]
    sdk: OpenAI
    async_sdk: AsyncOpenAI
    portal: BlockingPortal
    http: httpx2.Client
    answers: list[httpx2.Headers] = field(default_factory=list)

    def sent(self) -> list[dict[str, Any]]:
        """What has reached the upstream since the last look, each judged by its vendor's types."""
        entries = [entry for entry in self.journal if entry["method"] == "POST"]
        self.journal.clear()
        for entry in entries:
            assert_request(entry)
        return entries


def assert_request(entry: dict[str, Any]) -> None:
    """Raise unless this journal entry is a request that its vendor's SDK could have sent."""
    path, body = entry["path"], entry["body"]
    if path == "/v1/chat/completions":
        assert_chat_request(body, server=body["model"] in SERVERS)
    elif path == "/v1/responses":
        assert_responses_request(body)
    elif path == "/v1/messages":
        assert_anthropic_request(body)
    else:
        assert path.startswith("/v1beta/models/"), path
        assert_google_request(body)


@contextmanager
def build() -> Iterator[Road]:
    """The whole road, started and ended."""
    journal: list[dict[str, Any]] = []
    answers: list[httpx2.Headers] = []

    def note(response: httpx2.Response) -> None:
        answers.append(response.headers)

    async def anote(response: httpx2.Response) -> None:
        answers.append(response.headers)

    with (
        demo_upstream(journal=journal) as url,
        Live(config(url)) as live,
        start_blocking_portal() as portal,
        httpx2.Client(event_hooks={"response": [note]}, timeout=20) as http,
    ):
        strict: dict[str, Any] = {"_strict_response_validation": True, "max_retries": 0, "api_key": "k", "timeout": 20}
        hooked = DefaultHttpxClient(event_hooks={"response": [note]})
        ahooked = DefaultAsyncHttpxClient(event_hooks={"response": [anote]})
        sdk = OpenAI(base_url=live.base_url, http_client=hooked, **strict)
        async_sdk = AsyncOpenAI(base_url=live.base_url, http_client=ahooked, **strict)
        yield Road(live, url, journal, sdk, async_sdk, portal, http, answers)
        sdk.close()
        portal.call(async_sdk.close)
