"""The road of Anthropic's clients: their headers, their keys, and counts with their rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from live import Live, demo_config, demo_upstream
from scripted import Upstream, scripted, whole

HELLO = {"max_tokens": 99, "messages": [{"role": "user", "content": "Hello"}]}
COUNT = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def road() -> Iterator[tuple[Live, list[dict[str, Any]]]]:
    journal: list[dict[str, Any]] = []
    aliases = "  low: {use: [claude], defaults: {top_p: 0.5}}\n"
    with demo_upstream(journal=journal) as url, Live(demo_config(url, aliases)) as live:
        yield live, journal


def _sent(
    road: tuple[Live, list[dict[str, Any]]], model: str, path: str = "/messages", **headers: str
) -> dict[str, Any]:
    live, journal = road
    journal.clear()
    body = HELLO if path.startswith("/messages?") or path == "/messages" else COUNT
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    told = httpx2.post(live.base_url + path, json={"model": model, **body}, headers=named)
    assert told.status_code == 200, told.text
    found: dict[str, Any] = journal[-1]["headers"]
    return found


@pytest.mark.parametrize("path", ["/messages", "/messages?beta=true", "/messages/count_tokens"])
def test_claude_is_told_the_clients_version_and_betas(road: tuple[Live, list[dict[str, Any]]], path: str) -> None:
    sent = _sent(road, "to-claude", path, anthropic_version="2023-01-01", anthropic_beta="a-2025,b-2025")
    assert (sent["anthropic-version"], sent["anthropic-beta"]) == ("2023-01-01", "a-2025,b-2025")


def test_a_changed_request_keeps_its_betas(road: tuple[Live, list[dict[str, Any]]]) -> None:
    assert _sent(road, "low", anthropic_beta="a-2025")["anthropic-beta"] == "a-2025"


@pytest.mark.parametrize("beta", ["", "x" * 3000, "a\tb"])
def test_a_beta_that_is_no_header_stays_behind(road: tuple[Live, list[dict[str, Any]]], beta: str) -> None:
    sent = _sent(road, "to-claude", anthropic_beta=beta)
    assert ("anthropic-beta" in sent, sent["anthropic-version"]) == (False, "2023-06-01")


@pytest.mark.parametrize("model", ["to-gemini", "to-openai", "to-local", "to-chat"])
def test_nobody_else_is_told(road: tuple[Live, list[dict[str, Any]]], model: str) -> None:
    sent = _sent(road, model, anthropic_version="2023-06-01", anthropic_beta="a-2025")
    assert not any(name.startswith("anthropic") for name in sent)


@pytest.mark.parametrize("path", ["/messages", "/messages/count_tokens"])
def test_a_callers_own_key_travels_in_either_header(path: str) -> None:
    journal: list[dict[str, Any]] = []
    keys = "keys:\n  - {name: ada, secret: sk-turnout-ada-0123456789}\n"
    with demo_upstream(journal=journal) as url:
        text = demo_config(url, keys).replace("credential: sk-demo-claude", "credential: from_client")
        with Live(text) as live:
            own = {"x-turnout-key": "sk-turnout-ada-0123456789"}
            for headers in ({"x-api-key": "sk-own"}, {"authorization": "Bearer sk-own"}):
                asked = {"model": "to-claude", **(HELLO if path == "/messages" else COUNT)}
                told = httpx2.post(live.base_url + path, json=asked, headers={**own, **headers})
                assert told.status_code == 200, told.text
            naked = httpx2.post(live.base_url + path, json=asked, headers={"x-api-key": own["x-turnout-key"]})
    assert [entry["headers"]["x-api-key"] for entry in journal] == ["sk-own", "sk-own"]
    assert (naked.status_code, naked.json()["error"]["type"]) == (401, "authentication_error")


def test_a_count_has_a_row_and_costs_nothing(road: tuple[Live, list[dict[str, Any]]]) -> None:
    live, _ = road
    told = httpx2.post(f"{live.base_url}/messages/count_tokens", json={"model": "to-claude", **COUNT})
    (row,) = live.rows_of(told.headers["x-request-id"])
    assert (row.api, row.outcome, row.backend) == ("count_tokens", "ok", "claude")
    assert (row.input_tokens, row.output_tokens, row.cost_nano_usd) == (0, 0, 0)


def test_rules_take_a_count_for_its_request() -> None:
    policy = "policies:\n  p:\n    rules:\n      - {when: {api: messages}, use: [gemini]}\n      - {use: [claude]}\n"
    with demo_upstream() as url:
        text = demo_config(url, policy).replace("aliases:\n", "aliases:\n  asked: {policy: p}\n")
        with Live(text) as live:
            told = httpx2.post(f"{live.base_url}/messages/count_tokens", json={"model": "asked", **COUNT})
    assert told.headers["x-turnout-backend"] == "gemini"


@pytest.fixture(scope="module")
def script() -> Iterator[tuple[Live, Upstream]]:
    with scripted() as upstream:
        row = "{{provider: {}, model: m, base_url: '{}/v1', credential: k}}"
        names = ("anthropic", "vllm", "llama_cpp")
        backends = [f"  {name}: {row.format(name, upstream.url)}" for name in names]
        text = "\n".join(["version: 1", "retries: {base: 1ms}", "backends:", *backends, "aliases:"])
        aliases = "\n  two: {use: [anthropic, llama_cpp]}\n  vllm: {use: [vllm]}\n  llama: {use: [llama_cpp]}\n"
        with Live(text + aliases) as live:
            yield live, upstream


def _count(live: Live, model: str) -> httpx2.Response:
    return httpx2.post(f"{live.base_url}/messages/count_tokens", json={"model": model, **COUNT})


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_the_endpoint_is_estimated_and_in_health(script: tuple[Live, Upstream], status: int) -> None:
    live, upstream = script
    upstream.script(whole({"detail": "Not Found"}, status))
    for _ in range(6):
        told = _count(live, "vllm")
        assert (told.status_code, told.json(), told.headers["x-turnout-estimated"]) == (200, {"input_tokens": 2}, "1")
    assert upstream.asked[-1].path == "/tokenize"


def test_a_failure_moves_on(script: tuple[Live, Upstream]) -> None:
    live, upstream = script
    upstream.script(
        whole({"error": {"message": "x"}}, 500), whole({"error": {"message": "x"}}, 500), whole({"input_tokens": 7})
    )
    told = _count(live, "two")
    assert (told.json(), told.headers["x-turnout-backend"]) == ({"input_tokens": 7}, "llama_cpp")
    assert "x-turnout-estimated" not in told.headers


@pytest.mark.parametrize("answer", [{}, {"input_tokens": None}, b"<html>"])
def test_an_answer_without_a_count_is_an_error(script: tuple[Live, Upstream], answer: Any) -> None:
    live, upstream = script
    upstream.script(whole(answer))
    told = _count(live, "llama")
    assert (told.status_code, told.json()["error"]["type"]) == (502, "api_error")
