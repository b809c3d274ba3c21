"""``turnout doctor``: per backend the cause and the mend, by what its address really does; no secret, no tokens."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import turnout
from live import demo_config, demo_upstream, free_port, serving

KEY = "sk-nobody-may-see-this"
MODELS = {"object": "list", "data": [{"id": "gpt-5.6"}, {"id": "gpt-5.6-mini"}]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def upstream(pages: dict[str, tuple[int, Any]], asked: list[tuple[str, dict[str, str]]] | None = None) -> Iterator[str]:
    """A server with fixed answers by path: status and JSON (or text)."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if asked is not None:
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            asked.append((scope["method"] + " " + scope["path"], headers))
        status, body = pages.get(scope["path"], (404, {"error": "no such page"}))
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": data})

    with serving(app) as url:
        yield url


def diagnosed(url: str, entry: str = "provider: openai, model: gpt-5.6", key: str | None = KEY) -> dict[str, Any]:
    """What the doctor finds of one backend at ``url``; asserts that its exit status fits."""
    credential = f", credential: {key}" if key else ""
    Path("proxy.yaml").write_text(f"backends:\n  one: {{{entry}, base_url: '{url}'{credential}}}\n")
    result = turnout("doctor", "--json")
    told = json.loads(result.stdout)
    (found,) = told["backends"]
    assert KEY not in result.output
    assert result.exit_code == (0 if found["ok"] else 1)
    assert found["ok"] == told["ok"]
    assert found["ok"] or found["mend"]
    return found


def test_all_is_well_with_every_dialect() -> None:
    with demo_upstream(require_keys=True) as url:
        Path("proxy.yaml").write_text(demo_config(url))
        result = turnout("doctor")
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("ok ")] == [
        "local:", "chat:", "openai:", "claude:", "gemini:",
    ]  # fmt: skip
    assert "NOT OK" not in result.stdout
    assert "sk-demo" not in result.output


def test_the_credential_goes_in_the_dialects_header_and_only_lists_are_asked_for() -> None:
    asked: list[tuple[str, dict[str, str]]] = []
    pages = {
        "/v1/models": (200, {"data": [{"id": "claude-sonnet-5"}]}),
        "/v1beta/models": (200, {"models": [{"name": "models/gemini-3.1-pro"}]}),
    }
    with upstream(pages, asked) as url:
        assert diagnosed(f"{url}/v1", "provider: anthropic, model: claude-sonnet-5")["ok"]
        assert diagnosed(f"{url}/v1beta", "provider: google, model: gemini-3.1-pro")["ok"]
    (claude, claude_headers), (gemini, gemini_headers) = asked
    assert (claude, gemini) == ("GET /v1/models", "GET /v1beta/models")
    assert claude_headers["x-api-key"] == gemini_headers["x-goog-api-key"] == KEY
    assert "anthropic-version" in claude_headers
    assert "authorization" not in claude_headers


def test_connection_refused() -> None:
    found = diagnosed(f"http://127.0.0.1:{free_port()}/v1")
    assert (found["cause"], found["mend"].partition(":")[0]) == ("connection refused", "nothing listens there")


def test_http_where_https_is_meant() -> None:
    with upstream({}) as url:
        assert diagnosed(url.replace("http:", "https:") + "/v1")["cause"] == "TLS failed"


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.diagnosis.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = diagnosed(f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
    assert found["cause"] == "timeout: no answer in time"


@pytest.mark.parametrize("status", [401, 403])
def test_the_key_is_refused(status: int) -> None:
    with upstream({"/v1/models": (status, {"error": {"message": f"bad key {KEY}"}})}) as url:
        refused, missing = diagnosed(f"{url}/v1"), diagnosed(f"{url}/v1", "provider: vllm, model: m", key=None)
    assert refused["cause"] == f"the key is refused ({status})"
    assert missing["cause"] == f"a key is required ({status})"
    assert "backends.one.credential" in refused["mend"]


def test_the_model_is_not_known() -> None:
    with upstream({"/v1/models": (200, MODELS)}) as url:
        found = diagnosed(f"{url}/v1", "provider: openai, model: gpt-5.7")
    assert found["cause"] == "the model 'gpt-5.7' is not known there"
    assert "gpt-5.6" in found["mend"]


def test_a_model_that_is_not_in_the_list_but_known_by_name() -> None:
    with upstream({"/v1/models": (200, MODELS), "/v1/models/gpt-5.6-pro": (200, {"id": "gpt-5.6-pro-2026"})}) as url:
        assert diagnosed(f"{url}/v1", "provider: openai, model: gpt-5.6-pro")["ok"]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ((404, "not here"), "reachable, but there is no model list below this URL (404)"),
        ((429, {}), "reachable, but its limit is reached (429)"),
        ((503, {}), "reachable, but not ready (503)"),
        ((500, {}), "the server answers 500"),
        ((200, "<html>hello</html>"), "what answers here lists no models"),
    ],
)
def test_other_answers(answer: tuple[int, Any], cause: str) -> None:
    with upstream({"/v1/models": answer}) as url:
        assert diagnosed(f"{url}/v1")["cause"] == cause


def test_a_backend_without_credential_is_named() -> None:
    Path("proxy.yaml").write_text("backends:\n  one: {provider: openai, model: m, credential: '${NOT_SET}'}\n")
    result = turnout("doctor")
    assert result.exit_code == 1
    assert "left out: no credential: set NOT_SET in the environment" in result.stdout


def test_the_callers_own_key_cannot_be_checked() -> None:
    with upstream({"/v1/models": (401, {})}) as url:
        found = diagnosed(f"{url}/v1", key="from_client")
    assert found["ok"]
    assert "the caller's own key" in found["cause"]


def test_ports_of_local_servers_are_told() -> None:
    with upstream({"/v1/models": (200, MODELS)}) as url:
        Path("proxy.yaml").write_text(f"backends: {{one: {{provider: vllm, model: gpt-5.6, base_url: '{url}/v1'}}}}\n")
        lines = turnout("doctor").stdout.splitlines()
    ports = [line.split()[1] for line in lines if line.startswith("port ")]
    assert ports == ["8000", "11434", "8080", "1234"]


def test_no_backend_at_all() -> None:
    Path("proxy.yaml").write_text("version: 1\n")
    result = turnout("doctor")
    assert result.exit_code == 1
    assert "backends  none: nothing can be answered" in result.stdout
    assert "mend: write backends in proxy.yaml" in result.stdout
