"""The demo counts a question as it bills it, wherever OpenAI's words are spoken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from live import serving

from proxy.demo import create_app

CHAT: dict[str, Any] = {"model": "demo-local", "messages": [{"role": "user", "content": "Hello there, world"}]}
RESPONSES: dict[str, Any] = {"model": "gpt-5.6", "input": "Hello there, world"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(create_app()) as found:
        yield found


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/tokenize", CHAT, "count"),
        ("/v1/chat/completions/input_tokens", CHAT, "input_tokens"),
        ("/v1/responses/input_tokens", RESPONSES, "input_tokens"),
    ],
)
def test_a_count_equals_the_bill(url: str, path: str, body: dict[str, Any], field: str) -> None:
    counted = httpx2.post(url + path, json=body).json()[field]
    asked = "/v1/responses" if "input" in body else "/v1/chat/completions"
    usage = httpx2.post(url + asked, json=body).json()["usage"]
    assert counted == usage.get("prompt_tokens", usage.get("input_tokens")) == 4


def test_tokens_are_as_many_as_counted(url: str) -> None:
    told = httpx2.post(f"{url}/tokenize", json=CHAT).json()
    assert len(told["tokens"]) == told["count"]
    assert httpx2.post(f"{url}/tokenize", json={"prompt": "Hello there"}).json()["count"] == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {**CHAT, "max_tokens": 9}),
        ("/v1/responses/input_tokens", {**RESPONSES, "max_output_tokens": 99}),
        ("/v1/responses/input_tokens", {**RESPONSES, "stream": True}),
    ],
)
def test_what_only_an_answer_needs_is_refused(url: str, path: str, body: dict[str, Any]) -> None:
    assert httpx2.post(url + path, json=body).status_code == 400
