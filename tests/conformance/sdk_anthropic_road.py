"""The road that the tests of Anthropic's SDK drive: its clients, a real Turnout, and the demo upstream with its journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from live import Live, demo_upstream
from sdk_road import config
from sdk_words import Json


@dataclass
class Road:
    """``journal``: what the upstream saw. ``answers``: what Turnout answered, oldest first."""

    live: Live
    journal: list[Json]
    sdk: anthropic.Anthropic
    async_sdk: anthropic.AsyncAnthropic
    portal: BlockingPortal
    http: httpx2.Client
    answers: list[httpx2.Response]

    def sent(self) -> Json:
        """The one request that has reached the upstream since the last look, judged by its vendor's types."""
        (entry,) = (entry for entry in self.journal if entry["method"] == "POST")
        self.journal.clear()
        return entry


@contextmanager
def build() -> Iterator[Road]:
    """The whole road, started and ended."""
    journal: list[Json] = []
    answers: list[httpx2.Response] = []

    async def anote(response: httpx2.Response) -> None:
        answers.append(response)

    hooks: Any = {"response": [answers.append]}
    with (
        demo_upstream(journal=journal) as url,
        Live(config(url)) as live,
        start_blocking_portal() as portal,
        httpx2.Client(event_hooks=hooks, timeout=20) as http,
    ):
        strict: Json = {"_strict_response_validation": True, "max_retries": 0, "api_key": "k", "timeout": 20}
        client = anthropic.DefaultHttpxClient(event_hooks=hooks)
        aclient = anthropic.DefaultAsyncHttpxClient(event_hooks={"response": [anote]})
        sdk = anthropic.Anthropic(base_url=live.url, http_client=client, **strict)
        async_sdk = anthropic.AsyncAnthropic(base_url=live.url, http_client=aclient, **strict)
        yield Road(live, journal, sdk, async_sdk, portal, http, answers)
        sdk.close()
        portal.call(async_sdk.close)
