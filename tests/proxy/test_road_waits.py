"""Protocol.md 3.8 over the road: how long a client is told to wait, and that its SDK is not to try in our place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live import Live
from public_door import CHAT, RESPONSES, chat, post, responses
from scripted import Upstream, whole

MESSAGES = "/v1/messages"
INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
FULL: dict[str, Any] = {
    "gemini": {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [INFO]}},
    "quota": {"error": {"message": "no credit", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}},
}  # fmt: skip
TYPES = {"gemini": ("rate_limit_error", "rate_limit_exceeded", "rate_limit_error"),
         "quota": ("insufficient_quota", "insufficient_quota", "billing_error")}  # fmt: skip
"""backend -> type and code for OpenAI's clients, type for Anthropic's."""


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    rows, aliases = [], []
    for path in (CHAT, RESPONSES, MESSAGES):
        for stream in (False, True):  # each call its own backend: limits take a backend away for a while
            name = _name(path, stream=stream)
            rows += [f"  gemini-{name}: {{provider: google, model: gemini-3.1-pro, base_url: '{upstream.url}/v1beta', credential: k}}",
                     f"  quota-{name}: {{provider: openai, dialect: openai_chat, model: gpt-4.1, base_url: '{upstream.url}/v1', credential: k}}"]  # fmt: skip
            aliases += [f"  {kind}-{name}: {{use: [{kind}-{name}]}}" for kind in FULL]
    with Live("\n".join(["version: 1", "backends:", *rows, "aliases:", *aliases, ""])) as made:
        yield made


def _name(path: str, *, stream: bool) -> str:
    return f"{path.rpartition('/')[2]}-{'stream' if stream else 'whole'}"


def body(path: str, model: str, *, stream: bool) -> dict[str, Any]:
    if path == RESPONSES:
        return responses(model, stream=stream)
    limit = {"max_tokens": 50} if path == MESSAGES else {}
    return chat(model, stream=stream, **limit)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("kind", FULL)
def test_a_limit_says_how_long_and_whether_to_ask_again(
    live: Live, upstream: Upstream, kind: str, path: str, *, stream: bool
) -> None:
    upstream.script(whole(FULL[kind], 429))
    before = len(upstream.asked)
    told = post(live, path, body(path, f"{kind}-{_name(path, stream=stream)}", stream=stream))
    # 34.5 s are too long for us and not for a client; an account that is empty stays so.
    assert (told.status, told.headers.get("x-should-retry")) == (429, None if kind == "gemini" else "false")
    waits = (told.headers.get("retry-after"), told.headers.get("retry-after-ms"))
    assert waits == (("35", "34500") if kind == "gemini" else (None, None))
    error = told.body["error"]
    if path == MESSAGES:
        assert error["type"] == TYPES[kind][2]
    else:
        assert (error["type"], error["code"]) == TYPES[kind][:2]
    assert len(upstream.asked) == before + 1, "neither so long a wait nor an empty account is worth another try"
