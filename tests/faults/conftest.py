from collections.abc import Iterator

import pytest
from chaos import PLAYS, Chaos, chaos
from live import Live, demo_upstream, free_port

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
    """A Turnout with two backends for each fault: ``NAME`` (a local server, read and written) and ``NAME-exact`` (its
    bytes pass unread); ``patient-…`` wait as long as a default backend does."""
    lines = []
    for name in [*PLAYS, "refuse"]:
        url = f"http://127.0.0.1:{free_port()}" if name == "refuse" else room.url
        at = f'base_url: "{url}/v1", model: "{name}"'
        exact = f"provider: openai, dialect: openai_chat, credential: sk-chaos, {at}"
        lines += [
            f"  {name}-variant: {{provider: vllm, local: true, {at}, {SHORT}}}",
            f"  {name}-exact: {{{exact}, {SHORT}}}",
            f"  patient-{name}: {{provider: vllm, local: true, {at}}}",
        ]
    text = "\n".join(["version: 1", "retries: {attempts: 1}", "backends:", *lines, "aliases: {any: {use: [ok-variant]}}"])
    with Live(text) as live:
        yield live
