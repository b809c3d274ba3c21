"""What Anthropic's SDK makes of every refusal and failure: its own error classes, and Anthropic's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from checker import parse_sse
from checker_messages import check_error, check_messages
from live import Live, demo_upstream
from sdk_anthropic_road import Road, build
from sdk_road import BACKENDS, config
from sdk_words import Json


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def _refused(road: Road, call: Callable[[], Any]) -> anthropic.APIStatusError:
    with pytest.raises(anthropic.APIStatusError) as caught:
        call()
    body: Any = caught.value.body
    check_error(body)
    assert body["request_id"] == caught.value.request_id == road.answers[-1].headers["x-request-id"]
    return caught.value


HELLO: Any = [{"role": "user", "content": "Hello"}]


def test_errors_are_the_sdks_own(road: Road) -> None:
    ask = road.sdk.messages.create
    unknown = _refused(road, lambda: ask(model="nobody", max_tokens=9, messages=HELLO))
    assert isinstance(unknown, anthropic.NotFoundError)
    empty = _refused(road, lambda: ask(model="to-gemini", max_tokens=9, messages=[]))
    assert isinstance(empty, anthropic.BadRequestError)
    model = _refused(road, lambda: road.sdk.models.retrieve("nobody"))
    assert isinstance(model, anthropic.NotFoundError)
    nowhere = _refused(road, lambda: road.sdk.messages.batches.list().data)
    assert "There is no GET /v1/messages/batches here" in str(nowhere)
    method = road.http.put(f"{road.live.base_url}/messages", json={})
    check_error(method.json())
    assert (method.status_code, method.headers["allow"]) == (405, "POST")


@pytest.fixture(scope="module")
def alone() -> Iterator[Live]:
    """Every backend without a spare one behind it."""
    with demo_upstream() as url, Live(config(url).replace(", spare]", "]")) as live:
        yield live


SERVER_TOOL: Any = {"type": "web_search_20250305", "name": "web_search"}


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "claude"])
@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("tools", {"tools": [SERVER_TOOL]}),
        ("mcp_servers", {"extra_body": {"mcp_servers": [{"type": "url", "url": "https://x.test", "name": "x"}]}}),
        ("container", {"extra_body": {"container": "c_1"}}),
    ],
)
def test_what_anthropic_runs_is_refused_elsewhere(alone: Live, backend: str, field: str, asked: Json) -> None:
    sdk = anthropic.Anthropic(base_url=alone.url, api_key="k", max_retries=0)
    with sdk, pytest.raises(anthropic.BadRequestError) as caught:
        sdk.messages.create(model=f"to-{backend}", max_tokens=99, messages=HELLO, **asked)
    assert field in str(caught.value)


FAULTS = {
    "overloaded": (503, "overloaded_error"),
    "500": (502, "api_error"),
    "429": (429, "rate_limit_error"),
    "401": (502, "api_error"),
    "context": (400, "invalid_request_error"),
    "html": (502, "api_error"),
}
MODELS = {"vllm": "demo", "openai": "gpt-5.6", "anthropic": "claude-sonnet-5", "google": "gemini-3.1-pro"}


@pytest.fixture(scope="module")
def faulty() -> Iterator[Live]:
    """Every fault at every dialect, under the alias PROVIDER-FAULT, and once more for streams: failures open a
    backend's breaker."""
    with demo_upstream() as url:
        rows, aliases = [], []
        for provider, model in MODELS.items():
            base = f"{url}/v1beta" if provider == "google" else f"{url}/v1"
            for fault in (*FAULTS, "error-event", "cut", "error-first"):
                for twin in ("", "-stream"):
                    name = f"{provider}-{fault}{twin}"
                    row = f"provider: {provider}, model: {model}-fault-{fault}, base_url: '{base}', credential: k"
                    rows.append(f"  {name}: {{{row}}}")
                    aliases.append(f"  {name}: {{use: [{name}]}}")
        text = "\n".join(["version: 1", "retries: {attempts: 1}", "backends:", *rows, "aliases:", *aliases, ""])
        with Live(text) as live:
            yield live


def _post(live: Live, **more: Any) -> httpx2.Response:
    return httpx2.post(f"{live.base_url}/messages", json={"max_tokens": 99, "messages": HELLO, **more}, timeout=20)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("fault", FAULTS)
def test_failures_before_the_first_byte(faulty: Live, provider: str, fault: str, *, stream: bool) -> None:
    told = _post(faulty, model=f"{provider}-{fault}{'-stream' if stream else ''}", stream=stream)
    check_error(told.json())
    assert (told.status_code, told.json()["error"]["type"]) == FAULTS[fault]
    assert told.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("provider", MODELS)
def test_an_error_first_is_a_status_still(faulty: Live, provider: str) -> None:
    told = _post(faulty, model=f"{provider}-error-first", stream=True)
    check_error(told.json())
    assert told.status_code in (500, 502, 503)


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("fault", ["error-event", "cut"])
def test_failures_within_the_stream(faulty: Live, provider: str, fault: str) -> None:
    told = _post(faulty, model=f"{provider}-{fault}", stream=True)
    assert told.status_code == 200
    check_messages(parse_sse(told.content, done=False), done=False)
    sdk = anthropic.Anthropic(base_url=faulty.url, api_key="k", max_retries=0)
    with sdk, pytest.raises(anthropic.APIStatusError):
        list(sdk.messages.create(model=f"{provider}-{fault}", max_tokens=99, messages=HELLO, stream=True))


KEYS = "keys:\n  - {name: ada, secret: sk-turnout-ada-0123456789}\n"


@pytest.mark.parametrize("how", [{"api_key": "sk-turnout-ada-0123456789"}, {"auth_token": "sk-turnout-ada-0123456789"}])
def test_keys_are_taken_from_either_header_and_go_no_further(how: Json) -> None:
    journal: list[Json] = []
    with demo_upstream(journal=journal) as url, Live(config(url) + KEYS) as live:
        with anthropic.Anthropic(base_url=live.url, max_retries=0, **how) as sdk:
            sdk.messages.create(model="to-claude", max_tokens=99, messages=HELLO)
            sdk.messages.create(model="to-gemini", max_tokens=99, messages=HELLO)
        assert [row.key_id for row in live.rows()] == ["ada", "ada"]
        with anthropic.Anthropic(base_url=live.url, max_retries=0, api_key="sk-other") as stranger:
            with pytest.raises(anthropic.AuthenticationError) as caught:
                stranger.messages.create(model="to-claude", max_tokens=99, messages=HELLO)
            check_error(caught.value.body)  # type: ignore[arg-type]
    assert "sk-turnout-ada" not in repr(journal)
