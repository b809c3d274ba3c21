"""Every effort on every family of models: what the strict demo accepts, and what is told to the client as effective."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from live import Live, demo_upstream

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
CLAUDE, GOOGLE = "{url}/v1", "{url}/v1beta"
TABLE = {
    ("openai", "gpt-4o"): "none none none none none none none",
    ("openai", "o3"): "low low low medium high high high",
    ("openai", "gpt-5"): "minimal minimal low medium high high high",
    ("openai", "gpt-5.1"): "none low low medium high high high",
    ("openai", "gpt-5.6"): "none low low medium high xhigh xhigh",
    ("openai", "gpt-6-astra"): "low low low medium high xhigh max",
    ("openai", "gpt-7"): "none low low medium high xhigh max",
    ("anthropic", "claude-3-5-sonnet-latest"): "none none none none none none none",
    ("anthropic", "claude-3-7-sonnet-latest"): "none minimal low medium high xhigh xhigh",
    ("anthropic", "claude-haiku-4-5"): "none minimal low medium high xhigh xhigh",
    ("anthropic", "claude-sonnet-4-6"): "none low low medium high high max",
    ("anthropic", "claude-opus-4-7"): "none low low medium high xhigh max",
    ("anthropic", "claude-sonnet-5"): "none low low medium high xhigh max",
    ("anthropic", "claude-sonnet-5-5"): "none low low medium high xhigh max",
    ("anthropic", "claude-opus-5"): "none low low medium high xhigh max",
    ("anthropic", "claude-haiku-5-5"): "none low low medium high xhigh max",
    ("anthropic", "claude-opus-5-5"): "low low low medium high xhigh max",
    ("anthropic", "claude-fable-5-1"): "low low low medium high xhigh max",
    ("google", "gemini-2.0-flash"): "none none none none none none none",
    ("google", "gemini-2.5-flash"): "none minimal low medium high high high",
    ("google", "gemini-2.5-pro"): "minimal minimal low medium high xhigh xhigh",
    ("google", "gemini-3-pro-preview"): "low low low low high high high",
    ("google", "gemini-3.1-pro"): "low low low medium high high high",
    ("google", "gemini-3-flash-preview"): "minimal minimal low medium high high high",
    ("google", "gemini-4-argon"): "low low low medium high high high",
    ("vllm", "demo-local"): "none minimal low medium high xhigh max",
    ("vllm", "openai/gpt-oss-120b"): "low low low medium high high high",
    ("ollama", "qwen3:8b"): "none minimal low medium high xhigh max",
    ("ollama", "llama3.1"): "none none none none none none none",
    ("llama_cpp", "qwen"): "none minimal low medium high xhigh max",
    ("lm_studio", "any"): "none none none none none none none",
    ("openai_compatible", "demo-plain"): "none minimal low medium high xhigh max",
}
"""(provider, model) -> the effective effort for each of EFFORTS, in this order."""
NAMES = {key: f"m{number}" for number, key in enumerate(TABLE)}


@dataclass(frozen=True)
class Road:
    base_url: str
    http: httpx2.Client
    journal: list[dict[str, Any]]

    def ask(self, path: str, **body: Any) -> httpx2.Response:
        return self.http.post(self.base_url + path, json=body)


def config(url: str) -> str:
    """Every model of the table, a rejecting policy beside each alias."""
    rows = ["version: 1", "backends:"]
    for (provider, model), name in NAMES.items():
        base = f"{url}/v1beta" if provider == "google" else f"{url}/v1"
        rows.append(f"  {name}: {{provider: {provider}, model: '{model}', base_url: '{base}', credential: k}}")
    rows += [
        "policies:",
        *(f"  p{name}: {{unsupported: reject, rules: [{{use: [{name}]}}]}}" for name in NAMES.values()),
    ]
    rows += ["aliases:", *(f"  {name}: {{use: [{name}]}}" for name in NAMES.values())]
    return "\n".join([*rows, *(f"  s{name}: {{policy: p{name}}}" for name in NAMES.values()), ""])


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    journal: list[dict[str, Any]] = []
    with demo_upstream(journal=journal) as url, Live(config(url)) as live, httpx2.Client(timeout=20) as http:
        yield Road(live.base_url, http, journal)


def chat(road: Road, name: str, effort: str) -> httpx2.Response:
    return road.ask(
        "/chat/completions", model=name, messages=[{"role": "user", "content": "Hi!"}], reasoning_effort=effort
    )


def responses(road: Road, name: str, effort: str) -> httpx2.Response:
    return road.ask("/responses", model=name, input="Hi!", reasoning={"effort": effort})


@pytest.mark.parametrize("key", TABLE, ids=lambda key: key[1])
def test_every_effort_is_said_as_the_model_takes_it(road: Road, key: tuple[str, str]) -> None:
    """The demo refuses what the real API refuses, so 200 says that it was said right."""
    for effort, effective in zip(EFFORTS, TABLE[key].split(), strict=True):
        for ask in (chat, responses):
            got = ask(road, NAMES[key], effort)
            assert got.status_code == 200, (effort, got.text)
            assert got.headers["x-turnout-effort"] == effective, (ask.__name__, effort)
        # What passes unread is OpenAI's own echo: of a model that does not reason, nothing.
        silent = key == ("openai", "gpt-4o")
        assert got.json()["reasoning"]["effort"] == (None if silent else effective), effort


@pytest.mark.parametrize("key", TABLE, ids=lambda key: key[1])
def test_what_is_clamped_is_named(road: Road, key: tuple[str, str]) -> None:
    for effort, effective in zip(EFFORTS, TABLE[key].split(), strict=True):
        told = chat(road, NAMES[key], effort).headers.get("x-turnout-dropped", "")
        same = effort == effective or (key[0] == "anthropic" and (effort, effective) == ("minimal", "low"))
        assert ("reasoning_effort" in told) is not same, (effort, told)


@pytest.mark.parametrize(
    "key", [("anthropic", "claude-opus-5-5"), ("google", "gemini-3.1-pro"), ("openai", "gpt-6-astra")]
)
def test_none_on_a_model_that_always_thinks(road: Road, key: tuple[str, str]) -> None:
    """The lowest level, flagged; a policy that rejects says which value cannot be."""
    for ask, param in ((chat, "reasoning_effort"), (responses, "reasoning")):
        got = ask(road, NAMES[key], "none")
        assert (got.status_code, got.headers["x-turnout-effort"]) == (200, "low")
        assert param in got.headers["x-turnout-dropped"]
        refused = ask(road, "s" + NAMES[key], "none")
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (400, "unsupported_value")
        assert error["param"].startswith("reasoning")


def test_nothing_asked_is_nothing_said(road: Road) -> None:
    road.journal.clear()
    for name in NAMES.values():
        got = road.ask("/chat/completions", model=name, messages=[{"role": "user", "content": "Hi!"}])
        assert "x-turnout-effort" not in got.headers
    for entry in road.journal:
        body = entry["body"]
        assert not {"reasoning_effort", "reasoning", "thinking", "output_config"} & body.keys()
        assert "thinkingConfig" not in body.get("generationConfig", {})
