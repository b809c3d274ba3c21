"""Keys that the command line makes, through the public door of a running Turnout: at once, and not a second too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from keys_kit import keys, made, status, told, within_a_second
from live import Live, demo_upstream
from public_door import CHAT, ask, chat, get, post, responses

from proxy.minting import made as drawn

HEAD = """version: 1
server: {{admin_key: sk-admin}}
backends:
  local: {{provider: vllm, base_url: "{url}/v1", model: demo-local}}
  claude: {{provider: anthropic, base_url: "{url}", model: claude-sonnet-5, credential: sk-ours}}
aliases:
  local: {{use: [local]}}
  "gpt-*": {{use: [local]}}
  smart: {{use: [claude]}}
teams:
  interns: {{data_class: internal, pin: false}}
"""


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with demo_upstream() as url:
        yield url


@pytest.fixture(scope="module")
def live(demo: str) -> Iterator[Live]:
    with Live(HEAD.format(url=demo)) as running:
        made(running, "create", "first")
        yield running


def test_the_first_key_ends_trust_in_this_machine(demo: str) -> None:
    with Live(HEAD.format(url=demo).replace("server: {admin_key: sk-admin}\n", "")) as live:
        assert status(live, None) == 200
        secret = made(live, "create", "ann")
        assert status(live, secret) == 200
        within_a_second(lambda: status(live, None) == 401)
        keys(live, "revoke", "ann")
        within_a_second(lambda: status(live, secret) == 401)
        assert status(live, None) == 401


def test_a_new_key_works_at_once_and_names_its_rows(live: Live) -> None:
    for number in range(5):
        secret = made(live, "create", f"quick-{number}", "--team", "interns")
        heard = ask(live, "local", key=secret)
        assert heard.status == 200
        [row] = live.rows_of(heard.id)
        assert (row.key_id, row.tenant) == (f"quick-{number}", "interns")
        assert '"data_class":"internal"' in (row.facts or "")


def test_a_revocation_holds_within_a_second(live: Live) -> None:
    secret = made(live, "create", "leaver", "--owner", "leaver@x.org")
    assert status(live, secret) == 200
    assert keys(live, "revoke", "leaver").exit_code == 0
    within_a_second(lambda: status(live, secret) == 401)
    heard = ask(live, "local", key=secret)
    assert heard.error["code"] == "invalid_api_key"
    assert "was revoked on " in heard.error["message"]
    assert live.rows_of(heard.id) == []
    assert "Incorrect API key" in ask(live, "local", key=drawn()).error["message"]


def test_a_replaced_secret_works_until_its_grace_is_over(live: Live) -> None:
    first = made(live, "create", "turning")
    second = made(live, "rotate", "turning", "--grace", "1h")
    assert [status(live, each) for each in (first, second)] == [200, 200]
    third = made(live, "rotate", "turning", "--grace", "0s")
    within_a_second(lambda: status(live, second) == 401)
    assert [status(live, each) for each in (first, third)] == [401, 200]
    assert "was replaced and ended on " in ask(live, "local", key=first).error["message"]
    heard = ask(live, "local", key=third)
    assert live.rows_of(heard.id)[0].key_id == "turning"


def test_an_expired_key_is_told_its_day_and_can_be_renewed(live: Live) -> None:
    secret = made(live, "create", "brief", "--expires", "2999-01-01")
    assert status(live, secret) == 200
    with live.config.open("a") as file:
        file.write("keys:\n  - {name: old, secret: sk-old, expires: 2020-02-03}\n")
    live.call("POST", "/admin/config/reload", headers={"authorization": "Bearer sk-admin"})
    heard = ask(live, "local", key="sk-old")
    assert (heard.status, "expired on 2020-02-03 (UTC)" in heard.error["message"]) == (401, True)
    assert live.rows_of(heard.id) == []


def test_a_key_of_a_team_that_is_gone_is_refused_until_it_is_back(demo: str) -> None:
    text = HEAD.format(url=demo).replace("server: {admin_key: sk-admin}\n", "")
    with Live(text) as live:
        secret = made(live, "create", "bob", "--team", "interns")
        assert status(live, secret) == 200
        live.write(text.replace("interns:", "others:"))
        live.until(lambda: status(live, secret) == 403, "refused")
        heard = ask(live, "local", key=secret)
        assert heard.error["code"] == "team_not_found"
        assert "The team 'interns'" in heard.error["message"]
        live.write(text)
        live.until(lambda: status(live, secret) == 200, "taken again")


def test_a_name_in_both_is_the_files_and_nothing_crashes(demo: str) -> None:
    text = HEAD.format(url=demo)
    with Live(text) as live:
        stored = made(live, "create", "ann")
        live.write(f"{text}keys: [{{name: ann, secret: sk-of-the-file}}]\n")
        live.until(lambda: status(live, "sk-of-the-file") == 200, "the file's")
        assert status(live, stored) == 401
        assert live.log().count('"keys.shadowed"') == 1
        live.write(text)
        live.until(lambda: status(live, stored) == 200, "the store's again")


def test_every_quiet_endpoint_knows_the_stores_keys(live: Live) -> None:
    secret = made(live, "create", "quiet")
    heard = post(live, "/v1/responses", responses("local"), secret)
    stored = heard.body["id"]
    assert get(live, f"/v1/responses/{stored}", secret).status == 200
    other = made(live, "create", "other")
    assert get(live, f"/v1/responses/{stored}", other).status == 404
    new = made(live, "create", "brand-new")
    assert get(live, "/v1/models", new).status == 200
    assert [get(live, "/v1/models", key).status for key in (None, "sk-no", drawn())] == [401, 401, 401]


def test_a_from_client_backend_never_gets_a_turnout_key(demo: str) -> None:
    journal: list[dict[str, Any]] = []
    with demo_upstream(journal=journal) as url:
        text = f"""version: 1
backends: {{codex: {{provider: openai, base_url: "{url}/v1", model: gpt-5.6, credential: from_client}}}}
aliases: {{codex: {{use: [codex]}}}}
"""
        with Live(text) as live:
            secret = made(live, "create", "ann")
            assert status(live, secret, "codex") == 401
            heard = post(live, CHAT, chat("codex"), "sk-the-callers-own", x_turnout_key=secret)
            assert heard.status == 200
    assert [each["headers"]["authorization"] for each in journal] == ["Bearer sk-the-callers-own"]


def test_nor_does_it_where_no_key_is_needed() -> None:
    journal: list[dict[str, Any]] = []
    with demo_upstream(journal=journal) as url, Live(f"""version: 1
backends: {{codex: {{provider: openai, base_url: "{url}/v1", model: gpt-5.6, credential: from_client}}}}
aliases: {{codex: {{use: [codex]}}}}
""") as live:  # fmt: skip
        stale = drawn()
        for headers in ({"authorization": f"Bearer {stale}"}, {"x-api-key": stale}):
            heard = post(live, CHAT, chat("codex"), **headers)
            assert (heard.status, heard.error["code"]) == (401, "missing_api_key")
        assert status(live, "sk-the-callers-own", "codex") == 200
    assert len(journal) == 1


def refused(live: Live) -> dict[str, int]:
    """The metric, by reason."""
    lines = get(live, "/metrics").raw.decode().splitlines()
    found = [line for line in lines if line.startswith("turnout_unauthorized_total{")]
    return {line.split('"')[1]: int(line.rpartition(" ")[2]) for line in found}


def test_refusals_are_counted_by_reason_and_logged_seldom(demo: str) -> None:
    with Live(f"{HEAD.format(url=demo)}keys: [{{name: old, secret: sk-old, expires: 2020-02-03}}]\n") as live:
        gone = made(live, "create", "gone")
        keys(live, "revoke", "gone")
        live.until(lambda: status(live, gone) == 401, "revoked")
        before = refused(live)
        assert set(before) <= {"revoked"}
        wrong = drawn()
        for key in (None, None, wrong, "sk-old", gone, *([wrong] * 30)):
            assert status(live, key) == 401
        after = refused(live)
        grown = {reason: count - before.get(reason, 0) for reason, count in after.items()}
        assert grown == {"missing": 2, "unknown": 31, "expired": 1, "revoked": 1}
        lines = [line for line in live.log().splitlines() if "key.refused" in line]
        assert 4 <= len(lines) < 12
        assert any('"reason":"revoked"' in line and '"key":"gone"' in line for line in lines)
        assert not any(secret in live.log() for secret in (wrong, gone, "sk-old", wrong[11:20]))
        assert live.rows() == []


def test_the_secret_stands_nowhere_once_it_was_told(live: Live) -> None:
    first = made(live, "create", "canary", "--alias", "local", "--tag", "a=b")
    assert ask(live, "local", f"say {first}", key=first).status == 200
    post(live, "/v1/responses", {"model": "smart", "input": "Hi"}, first)
    ask(live, "nothing", key=first)
    second = made(live, "rotate", "canary", "--grace", "0s")
    assert status(live, second) == 200
    live.until(lambda: status(live, first) == 401, "replaced")
    ask(live, "local", key=f"{second[:-1]}!")
    admin = {"authorization": "Bearer sk-admin"}
    shown = [repr(live.get(path, admin)) for path in ("/admin/keys", "/admin/config", "/metrics", "/health/ready")]
    shown += [keys(live, *words).output for words in (("list", "--all", "--json"), ("show", "canary"))]
    shown += [str(told(live, "list"))]
    for secret in (first, second):
        parts = (secret, secret.removeprefix("sk-turnout-"), secret[11:31])
        assert not any(part in each for part in parts for each in shown)
        for file in live.folder.rglob("*"):
            if file.is_file():
                read = file.read_bytes()
                assert not any(part.encode() in read for part in parts), file
