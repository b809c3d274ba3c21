from collections.abc import Iterator

import pytest
from chaos import PLAYS, Chaos, chaos
from live import Live, demo_upstream, free_port
from talk import APIS, at

SHORT = "timeouts: {connect: 300ms, first_byte: 300ms, idle: 300ms, total: 300ms}"
"""Every timer of a backend at a hundredth or less of its default (decision D28)."""


@pytest.fixture(scope="session")
def room() -> Iterator[Chaos]:
    with chaos() as made:
        yield made


@pytest.fixture(scope="session")
def demo() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture(scope="session")
def broken(room: Chaos) -> Iterator[Live]:
    """A Turnout with a backend for each fault and each way of asking (``talk.at``), so that no breaker opens: ``variant``
    is a local server, read and written; the bytes of ``exact`` pass unread; ``patient`` has the default timers."""
    lines = []
    for fault in [*PLAYS, "refuse"]:
        url = f"http://127.0.0.1:{free_port()}" if fault == "refuse" else room.url
        address = f'base_url: "{url}/v1", model: "{fault}"'
        exact = f"provider: openai, dialect: openai_chat, credential: sk-chaos, {address}"
        for api in APIS:
            for stream in (False, True):
                lines += [
                    f"  {at(fault, 'variant', api, stream)}: {{provider: vllm, local: true, {address}, {SHORT}}}",
                    f"  {at(fault, 'exact', api, stream)}: {{{exact}, {SHORT}}}",
                    f"  {at(fault, 'patient', api, stream)}: {{provider: vllm, local: true, {address}}}",
                ]
    text = [
        "version: 1",
        "retries: {attempts: 1}",
        "backends:",
        *lines,
        "aliases: {any: {use: [ok-variant-chat-whole]}}",
    ]
    with Live("\n".join(text)) as live:
        yield live
