"""U18: a backend that redirects is a backend that failed, on every way that leads to one: nobody goes where it points."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from callers import BACKENDS, KEY, PATHS, Said, body, config, send
from command_line import turnout
from live import Live
from scripted import Answer, Asked, Upstream, scripted, whole

NEWLINE = "\n"
STATUSES = (300, 301, 302, 303, 307, 308)


@pytest.fixture(scope="module")
def away() -> Iterator[Upstream]:
    """Where all redirects point."""
    with scripted() as made:
        yield made


@pytest.fixture(scope="module")
def upstream(away: Upstream) -> Iterator[Upstream]:
    with scripted() as made:
        made.reply = lambda asked: pointing(asked, away, 302)
        yield made


def pointing(asked: Asked, away: Upstream, status: int) -> Answer:
    return Answer([b"moved"], status, "text/plain", {"location": away.url + asked.path, "refresh": f"0;url={away.url}"})


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    more = f"""  busy: {{use: [vllm], ttft_target: 1s}}
  classed: {{policy: by_class}}
policies: {{by_class: {{rules: [{{when: {{class: complex}}, use: [chat]}}, {{use: [chat]}}]}}}}
classifier: {{hook: {{url: '{upstream.url}/class', timeout: 2s}}}}
"""
    with Live(
        config(upstream.url, more).replace("aliases:", f"{NEWLINE.join(fresh(upstream.url))}{NEWLINE}aliases:")
    ) as made:
        yield made


def fresh(url: str) -> list[str]:
    """A backend for each case, so that no breaker is open."""
    entries = {
        "chat": f"provider: openai, dialect: openai_chat, base_url: '{url}/v1', model: gpt-5.6, credential: sk-backend",
        "responses": f"provider: openai, dialect: openai_responses, base_url: '{url}/v1', model: m, credential: sk-back",
        "claude": f"provider: anthropic, base_url: '{url}', model: claude-sonnet-5, credential: sk-backend",
        "gemini": f"provider: google, base_url: '{url}/v1beta', model: gemini-3.1-pro, credential: sk-backend",
        "vllm": f"provider: vllm, base_url: '{url}/v1', model: m, local: true",
    }
    places = [f"{number}-{status}" for number in range(len(PATHS)) for status in (*STATUSES, 200, 500)]
    return [f"  {name}-{place}: {{{entry}}}" for name, entry in entries.items() for place in places]


def ask(live: Live, path: str, asked: dict[str, Any]) -> Said:
    return send(live, "POST", path, msgspec.json.encode(asked), key=KEY)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("path", PATHS)
def test_u18_no_call_follows_a_redirect(live: Live, upstream: Upstream, away: Upstream, path: str, status: int) -> None:
    upstream.reply = lambda asked: pointing(asked, away, status)
    upstream.asked.clear()
    for backend in BACKENDS:
        for more in ({}, {"stream": True}):
            said = ask(live, path, body(path, f"{backend}-{PATHS.index(path)}-{status}", **more))
            assert said.status in (400, 502)
            assert "location" not in said.headers
            assert away.url.encode() not in said.body
    assert upstream.asked != []
    assert away.asked == []


def test_u18_nor_do_the_gauges(live: Live, upstream: Upstream, away: Upstream) -> None:
    upstream.reply = lambda asked: pointing(asked, away, 307)
    upstream.asked.clear()

    def read() -> bool:
        ask(live, "/v1/chat/completions", {**body("/v1/chat/completions", "vllm"), "model": "busy"})
        return any(asked.path == "/metrics" for asked in upstream.asked)

    live.until(read, "its gauges read")
    assert away.asked == []


def test_u18_nor_does_the_hook(live: Live, upstream: Upstream, away: Upstream) -> None:
    upstream.reply = lambda asked: pointing(asked, away, 307)
    upstream.asked.clear()
    ask(live, "/v1/chat/completions", {**body("/v1/chat/completions", "chat"), "model": "classed"})
    assert [asked.path for asked in upstream.asked][:1] == ["/class"]
    assert away.asked == []


@pytest.mark.parametrize("words", [("doctor",), ("probe", "vllm")], ids=" ".join)
def test_u18_nor_do_the_commands_that_ask_backends(
    upstream: Upstream, away: Upstream, tmp_path: Path, words: tuple[str, ...]
) -> None:
    upstream.reply = lambda asked: pointing(asked, away, 302)
    upstream.asked.clear()
    (tmp_path / "proxy.yaml").write_text(config(upstream.url))
    assert turnout(*words, "--config", tmp_path / "proxy.yaml").exit_code != 0
    assert upstream.asked != []
    assert away.asked == []


def test_u18_a_link_that_is_redirected_is_a_new_link(upstream: Upstream, away: Upstream) -> None:
    """Only the operator's own hosts may be asked, and the one that it points to is none of them."""
    port = upstream.url.rpartition(":")[2]
    upstream.reply = lambda asked: pointing(asked, away, 302)
    upstream.asked.clear()
    image = {"type": "image_url", "image_url": {"url": f"{upstream.url}/x.png"}}
    text = config(upstream.url, f"media: {{fetch: true, allow: ['127.0.0.1:{port}']}}")
    with Live(text) as live:
        asked = {"model": "backend/gemini", "messages": [{"role": "user", "content": [image]}]}
        said = ask(live, "/v1/chat/completions", asked)
    assert (said.status, b"redirected" in said.body) == (400, True)
    assert [asked.path for asked in upstream.asked if asked.path != "/metrics"] == ["/x.png"]
    assert away.asked == []


@pytest.mark.parametrize("status", [200, 500])
def test_u15_what_a_backend_sends_is_bounded_after_its_decompression(
    live: Live, upstream: Upstream, status: int
) -> None:
    """As an answer and as an error: a megabyte that would become a quarter of a gigabyte."""
    bomb = gzip.compress(b"[" + b" " * (256 << 20), 1)
    upstream.reply = lambda _: whole(bomb, status, content_encoding="gzip")
    for path in ("/v1/chat/completions", "/v1/messages"):
        said = ask(live, path, body(path, f"vllm-{PATHS.index(path)}-{status}"))
        assert said.status == 502
        assert len(said.body) < 1000
