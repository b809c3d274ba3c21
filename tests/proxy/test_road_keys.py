"""Keys, teams, pins and guards through the public door: who may ask whom, and what never leaves the house."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from live import Live, demo_upstream, free_port
from public_door import CHAT, EMBEDDINGS, RESPONSES, ask, chat, get, post

FILE, HASHED, PLAIN, WARD, NARROW, LOCALS = (
    "sk-from-a-file", "sk-kept-as-a-hash", "sk-in-the-clear", "sk-ward-7", "sk-narrow", "sk-locals",
)  # fmt: skip


@pytest.fixture(scope="module")
def cloud() -> list[dict[str, Any]]:
    """What the cloud was asked."""
    return []


@pytest.fixture(scope="module")
def live(cloud: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("keys")
    (folder / "file-key").write_text(f"{FILE}\n")
    with demo_upstream() as local, demo_upstream(journal=cloud) as away, locked(local, away, folder) as made:
        yield made


def locked(local: str, away: str, folder: Path) -> Live:
    text = f"""version: 1
retries: {{attempts: 1}}
backends:
  oss:    {{provider: vllm, base_url: "{local}/v1", model: demo-local}}
  gone:   {{provider: vllm, base_url: "http://127.0.0.1:{free_port()}/v1", model: demo-local}}
  claude: {{provider: anthropic, base_url: "{away}", model: claude-sonnet-5, credential: sk-ours}}
  gpt:    {{provider: openai, base_url: "{away}/v1", model: gpt-5.6, credential: sk-ours}}
pools: {{homes: [oss, gone]}}
roles: {{local: homes, cloud: claude, claude: claude}}
guards:
  - {{when: {{data_class: restricted}}, only: {{local: true}}, reason: "restricted data stays here"}}
  - {{when: {{caller: blocked}}, deny: "ask the operator"}}
aliases:
  auto:     {{policy: hybrid}}
  smart:    {{policy: claude_only}}
  homely:   {{policy: local_fallback}}
  both:     {{use: [claude, oss]}}
  gone:     {{use: [gone, claude]}}
  embed:    {{use: [oss]}}
policies:
  thrifty: {{rules: [{{use: [oss]}}]}}
  lavish:  {{rules: [{{use: [gpt]}}]}}
teams:
  interns:  {{policy: {{smart: lavish, default: thrifty}}, pin: false}}
  ward:     {{data_class: restricted}}
  locals:   {{pin: local}}
  blocked:  {{}}
keys:
  - {{name: file, secret_file: file-key}}
  - {{name: hashed, team: interns, sha256: {sha256(HASHED.encode()).hexdigest()}}}
  - {{name: plain, team: blocked, secret: {PLAIN}}}
  - {{name: ward-7, team: ward, secret: {WARD}}}
  - {{name: narrow, secret: {NARROW}}}
  - {{name: locals, team: locals, secret: {LOCALS}}}
"""
    return Live(text, folder=folder)


def trace(live: Live, call: str) -> str:
    return live.rows_of(call)[0].trace or ""


@pytest.mark.parametrize("path", [CHAT, RESPONSES, EMBEDDINGS])
@pytest.mark.parametrize("key", [None, "sk-nobody-has-this", "_"])
def test_without_a_good_key_nobody_is_served(live: Live, path: str, key: str | None) -> None:
    heard = post(live, path, chat("auto"), key)
    assert (heard.status, heard.error["code"]) == (401, "invalid_api_key")
    assert "sk-nobody" not in heard.error["message"]
    assert live.rows_of(heard.id) == []


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/auto"])
def test_the_models_are_told_to_key_holders_only(live: Live, path: str) -> None:
    assert [get(live, path, key).status for key in (None, "sk-no", NARROW)] == [401, 401, 200]


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
def test_probes_need_no_key(live: Live, path: str) -> None:
    assert get(live, path).status == 200


@pytest.mark.parametrize(("key", "tenant", "name"), [(FILE, "file", "file"), (HASHED, "interns", "hashed")])
def test_a_key_names_its_tenant(live: Live, key: str, tenant: str, name: str) -> None:
    heard = ask(live, "auto", key=key)
    assert heard.status == 200
    [row] = live.rows_of(heard.id)
    assert (row.tenant, row.key_id) == (tenant, name)


@pytest.mark.parametrize(
    ("key", "alias", "policy", "backend", "source"),
    [
        (NARROW, "smart", "claude_only", "claude", "the alias's"),
        (HASHED, "smart", "lavish", "gpt", "the team's for this alias"),
        (HASHED, "auto", "thrifty", "oss", "the team's default"),
        (HASHED, "both", "alias:both", "claude", "the alias names its backends"),
    ],
)
def test_whose_policy_it_is(live: Live, key: str, alias: str, policy: str, backend: str, source: str) -> None:
    heard = ask(live, alias, key=key)
    assert (heard.told("policy"), heard.told("backend")) == (policy, backend)
    assert f"policy {policy}: {source}" in trace(live, heard.id)


@pytest.mark.parametrize(
    ("key", "backend", "status"),
    [
        (NARROW, "claude", 200),
        (NARROW, "oss", 200),
        (LOCALS, "oss", 200),
        (LOCALS, "claude", 403),
        (HASHED, "oss", 403),
    ],
)
def test_who_may_pin_what(live: Live, cloud: list[dict[str, Any]], key: str, backend: str, status: int) -> None:
    before = len(cloud)
    heard = ask(live, f"backend/{backend}", key=key)
    assert heard.status == status
    if status == 403:
        assert (heard.error["code"], heard.error["param"]) == ("policy_denied", "model")
        assert len(cloud) == before
        assert [row.outcome for row in live.rows_of(heard.id)] == ["denied"]


@pytest.mark.parametrize(
    ("model", "status"),
    [
        ("backend/claude", 403),
        ("backend/gpt", 403),
        ("smart", 403),
        ("both", 200),
        ("auto", 200),
        ("homely", 200),
        ("gone", 502),
        ("backend/gone", 502),
    ],
)
@pytest.mark.parametrize("who", ["by key", "by header"])
def test_restricted_data_never_reaches_a_cloud(
    live: Live, cloud: list[dict[str, Any]], who: str, model: str, status: int
) -> None:
    """Not by a pin, not because home is down, and a caller cannot talk the class down."""
    before = len(cloud)
    key, label = (WARD, "public") if who == "by key" else (NARROW, "restricted")
    heard = post(live, CHAT, chat(model, "Create a FastAPI server"), key, x_turnout_data_class=label)
    assert heard.status == status
    assert heard.told("backend") == {200: "oss", 403: None, 502: "gone"}[status]
    if status == 403:
        assert "must be local" in heard.error["message"]
    assert cloud[before:] == []
    facts = live.rows_of(heard.id)[0].facts or ""
    assert '"data_class":"restricted"' in facts


def test_a_guard_denies_with_its_reason(live: Live) -> None:
    heard = ask(live, "backend/oss", key=PLAIN)
    assert (heard.status, heard.error["message"], heard.told("rule")) == (403, "ask the operator", "guards[1]")
    [row] = live.rows_of(heard.id)
    assert (row.attempt, row.outcome, row.tenant, row.backend) == (0, "denied", "blocked", None)


def test_our_keys_stay_with_us(live: Live, cloud: list[dict[str, Any]]) -> None:
    before = len(cloud)
    assert ask(live, "smart", key=FILE).status == 200
    assert ask(live, "backend/gpt", key=NARROW).status == 200
    assert [(e["headers"].get("x-api-key"), e["headers"].get("authorization")) for e in cloud[before:]] == [
        ("sk-ours", None), (None, "Bearer sk-ours"),
    ]  # fmt: skip
    assert FILE not in repr(cloud)
    assert NARROW not in repr(cloud)
