"""A cold model: it has its own time to its first token, and an engine that says it is loading is waited for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from live import Live
from public_door import ask
from scripted import Upstream, scripted, stream, whole

LOADING = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
"""What llama.cpp answers until it is ready."""
OK: dict[str, Any] = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ready"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}  # fmt: skip
FIRST = (
    b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"word"},"finish_reason":null}]}\n\n'
)
LAST = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def text(url: str, timeouts: str) -> str:
    return f"""version: 1
retries: {{base: 10ms, cap: 50ms}}
backends:
  cold:  {{provider: llama_cpp, base_url: "{url}/cold/v1", model: m, timeouts: {timeouts}}}
  other: {{provider: llama_cpp, base_url: "{url}/other/v1", model: m}}
aliases:
  alone: {{use: [cold]}}
  both:  {{policy: both}}
policies:
  both: {{rules: [{{use: [cold, other]}}]}}
"""


@pytest.fixture
def place() -> Iterator[tuple[Upstream, Live]]:
    limits = "{first_byte: 300ms, load: 10s}"
    with scripted() as upstream, Live(text(upstream.url, limits)) as live:
        yield upstream, live


def test_an_engine_that_is_loading_is_waited_for(place: tuple[Upstream, Live]) -> None:
    upstream, live = place
    upstream.script(*[whole(LOADING, 503)] * 8, whole(OK))
    found = ask(live, "alone")
    assert (found.status, found.body["choices"][0]["message"]["content"]) == (200, "ready")
    assert len(upstream.asked) == 9, "more often than any other failure would be tried, and its breaker is closed"


def test_with_another_target_nobody_waits(place: tuple[Upstream, Live]) -> None:
    upstream, live = place
    upstream.reply = lambda asked: whole(LOADING, 503) if asked.path.startswith("/cold") else whole(OK)
    for _ in range(7):
        assert ask(live, "both").told("backend") == "other"
    asked = [each.path.split("/")[1] for each in upstream.asked]
    assert asked == ["cold", "other"] * 7, "to say that it is loading is no fault that opens a breaker"


def test_the_wait_for_a_load_ends() -> None:
    with scripted() as upstream, Live(text(upstream.url, "{load: 400ms}")) as live:
        upstream.script(whole(LOADING, 503))
        found = ask(live, "alone")
        assert (found.status, found.error["code"]) == (503, "upstream_loading")
        assert len(upstream.asked) > 3


def test_a_cold_model_has_its_own_time_and_a_warm_one_has_not(place: tuple[Upstream, Live]) -> None:
    upstream, live = place
    gate = threading.Event()
    upstream.reply = lambda _: stream(b": loading\n\n", gate, FIRST, LAST)
    timer = threading.Timer(1.0, gate.set)
    timer.start()
    found = ask(live, "alone", stream=True)
    assert found.status == 200
    assert b"word" in found.raw
    never = threading.Event()
    upstream.reply = lambda _: stream(b": busy\n\n", never, FIRST)
    late = ask(live, "alone", stream=True)
    never.set()
    assert (late.status, late.error["code"]) == (504, "upstream_timeout")
    assert "0.3 s" in late.error["message"]


def test_without_a_time_of_its_own_first_byte_holds() -> None:
    with scripted() as upstream, Live(text(upstream.url, "{first_byte: 300ms}")) as live:
        gate = threading.Event()
        upstream.reply = lambda _: stream(b": silent\n\n", gate)
        assert ask(live, "alone", stream=True).status == 504
        gate.set()
