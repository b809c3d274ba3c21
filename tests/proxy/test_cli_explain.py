"""``turnout explain``: a text, a whole request, a call of the past; for eyes and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from command_line import CONFIG, said, turnout
from live import Live, demo_config, demo_upstream

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
NOBODY = "00000000-0000-7000-8000-000000000000"
KEYS = {
    "class", "score", "gate", "policy", "rule", "reason", "backend", "plan", "skipped", "dropped", "denied", "trace",
    "facts",
}  # fmt: skip
TERSE = 'policies:\n  terse:\n    rules:\n      - {use: [local], reason: "REASON"}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proxy.yaml").write_text(CONFIG)
    return tmp_path


def body(**fields: Any) -> str:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hi!"}], **fields})


@pytest.mark.usefixtures("folder")
class TestText:
    def test_the_whole_decision_as_json(self) -> None:
        found = said(turnout("explain", "Create a FastAPI server", "--json"))
        assert found.keys() >= KEYS
        assert (found["api"], found["policy"], found["class"], found["backend"]) == (
            "chat", "hybrid", "complex", "claude",
        )  # fmt: skip
        assert found["plan"] == ["claude", "oss"]
        assert found["skipped"][0]["backend"] == "gemini"
        assert "no credential" in found["skipped"][0]["why"]
        assert found["facts"]["alias"] == "auto"
        assert found["trace"][-1] == "plan: claude, oss"
        assert found["denied"] is None

    def test_an_easy_one_stays_local(self) -> None:
        found = said(turnout("explain", "--model", "auto", "Hi!", "--json"))
        assert (found["class"], found["rule"], found["backend"]) == ("simple", "hybrid[2]", "oss")

    def test_for_eyes(self) -> None:
        lines = turnout("explain", "Hi!").stdout.splitlines()
        told = {line[:10].strip(): line[10:] for line in lines if line[:10].strip()}
        assert told["asked"] == "auto (chat), proxy.yaml"
        assert told["class"].startswith("simple (P(local is worse) ")
        assert told["backend"] == "oss (gpt-oss), then claude"
        assert told["caller"].startswith("no key: a live call would get 401")
        assert "trace" in told
        assert "facts" in told

    def test_another_api(self) -> None:
        assert said(turnout("explain", "Hi!", "--api", "responses", "--json"))["facts"]["api"] == "responses"

    def test_a_key_and_a_header_are_looked_at(self) -> None:
        asked = ("explain", "Create a FastAPI server", "--model", "night", "--json")
        assert said(turnout(*asked, "--key", "intern-ci"))["rule"] == "night.before[1]"
        denied = said(turnout(*asked, "--header", "X-Turnout-Data-Class: restricted"))
        assert denied["denied"] == {"status": 403, "code": "policy_denied", "reason": "restricted data stays here"}
        assert denied["backend"] is None
        assert denied["rule"] == "night.before[0]"

    def test_a_denial_for_eyes(self) -> None:
        result = turnout("explain", "x", "--model", "night", "--header", "x-turnout-data-class: restricted")
        assert result.exit_code == 0
        assert "denied    403 policy_denied: restricted data stays here" in result.stdout

    def test_an_unknown_key_is_told_with_those_that_there_are(self) -> None:
        result = turnout("explain", "Hi!", "--key", "nobody")
        assert result.exit_code == 2
        assert result.stderr == "turnout explain: there is no key 'nobody' (there are: intern-ci)\n"

    def test_an_unknown_model_is_the_clients_error(self) -> None:
        result = turnout("explain", "Hi!", "--model", "auta")
        assert result.exit_code == 1
        assert result.stderr.startswith("turnout explain: the client would get 404: The model 'auta' does not exist")
        told = turnout("explain", "Hi!", "--model", "auta", "--json")
        assert (told.exit_code, json.loads(told.stdout)["error"]["code"]) == (1, "model_not_found")

    def test_no_secret_is_printed(self) -> None:
        assert "nobody-may-see-this" not in turnout("explain", "Hi!", "--key", "intern-ci", "--json").output


class TestRequest:
    def test_from_a_file(self, folder: Path) -> None:
        (folder / "body.json").write_text(body(tools=[TOOL], seed=1))
        found = said(turnout("explain", "--request", "body.json", "--json"))
        assert (found["rule"], found["backend"], found["dropped"]) == ("hybrid[0]", "claude", ["seed"])

    @pytest.mark.parametrize(
        ("asked", "api"),
        [
            ({"messages": [{"role": "user", "content": "Hi!"}]}, "chat"),
            ({"input": "Hi!"}, "responses"),
            ({"prompt": {"id": "pmpt_1"}}, "responses"),
            ({"prompt": "Once"}, "completions"),
        ],
    )
    @pytest.mark.usefixtures("folder")
    def test_the_api_is_known_by_the_body(self, asked: dict[str, Any], api: str) -> None:
        result = turnout("explain", "--request", "-", "--json", given=json.dumps({"model": "direct", **asked}))
        assert said(result)["api"] == api

    @pytest.mark.usefixtures("folder")
    def test_embeddings_by_name(self) -> None:
        asked = json.dumps({"model": "direct", "input": "Hi!"})
        assert said(turnout("explain", "--request", "-", "--api", "embeddings", "--json", given=asked))["plan"] == [
            "oss"
        ]

    def test_vectors_of_another_model_are_left_out_with_the_reason(self, folder: Path) -> None:
        twin = "  twin: {provider: vllm, base_url: 'http://127.0.0.1:1/v1', model: other, local: true}\n"
        text = CONFIG.replace("backends:\n", f"backends:\n{twin}", 1)
        text = text.replace("aliases:\n", "aliases:\n  vectors: {use: [oss, twin]}\n", 1)
        (folder / "proxy.yaml").write_text(text)
        asked = json.dumps({"model": "vectors", "input": "Hi!"})
        found = said(turnout("explain", "--request", "-", "--api", "embeddings", "--json", given=asked))
        assert (found["plan"], found["trace"][-1]) == (["oss"], "twin left out: its vectors are another model's")
        assert found["skipped"][-1]["backend"] == "twin"

    @pytest.mark.usefixtures("folder")
    def test_another_alias_for_the_same_body(self) -> None:
        found = said(turnout("explain", "--request", "-", "--model", "direct", "--json", given=body()))
        assert (found["facts"]["alias"], found["plan"]) == ("direct", ["oss"])

    @pytest.mark.usefixtures("folder")
    @pytest.mark.parametrize("given", ["{", "[]", "", '{"messages": []}'])
    def test_what_the_client_would_be_told_of_a_bad_body(self, given: str) -> None:
        result = turnout("explain", "--request", "-", given=given)
        assert result.exit_code == 1
        assert result.stderr.startswith("turnout explain: the client would get 400: ")

    @pytest.mark.usefixtures("folder")
    def test_a_file_that_is_not_there(self) -> None:
        result = turnout("explain", "--request", "nope.json")
        assert result.exit_code == 2
        assert "cannot read nope.json (No such file or directory)" in result.stderr


@pytest.fixture(scope="module")
def past() -> Iterator[tuple[Live, str]]:
    """A Turnout that has answered one call, and the id that its client saw."""
    more = "  mine: {policy: terse}\n" + TERSE.replace("REASON", "first")
    with demo_upstream() as url, Live(demo_config(url, more)) as live:
        connection = HTTPConnection("127.0.0.1", live.port, timeout=20)
        connection.request("POST", "/v1/chat/completions", body(model="mine", unheard_of=1))
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 200
        yield live, answer.headers["x-request-id"]


@pytest.fixture
def there(past: tuple[Live, str], monkeypatch: pytest.MonkeyPatch) -> tuple[Live, str]:
    monkeypatch.chdir(past[0].folder)
    return past


class TestPast:
    def test_a_past_call_from_its_row(self, there: tuple[Live, str]) -> None:
        found = said(turnout("explain", there[1], "--json"))
        assert found.keys() >= KEYS
        assert found["request_id"] == there[1]
        assert (found["policy"], found["rule"], found["backend"]) == ("terse", "terse[0]", "local")
        assert (found["reason"], found["policy_since"]) == ("first", "same")
        assert found["facts"]["alias"] == "mine"
        assert any("terse[0] applies" in step for step in found["trace"])

    def test_a_past_call_for_eyes(self, there: tuple[Live, str]) -> None:
        told = turnout("explain", there[1].upper()).stdout
        assert f"call      {there[1]}, " in told
        assert ", the same as now" in told
        assert "attempt   local (demo-local), ok" in told

    def test_a_policy_that_has_changed_since_is_told(self, there: tuple[Live, str], tmp_path: Path) -> None:
        now = there[0].config.read_text()
        ledger = there[0].folder / "turnout.db"
        for text, since in ((now.replace("first", "second"), "changed"), (demo_config("http://127.0.0.1:9"), "gone")):
            other = tmp_path / "other.yaml"
            other.write_text(text)
            found = said(turnout("explain", there[1], "--config", other, "--ledger", ledger, "--json"))
            assert found["policy_since"] == since

    def test_an_unknown_id(self, there: tuple[Live, str]) -> None:
        del there
        result = turnout("explain", NOBODY)
        assert result.exit_code == 1
        assert result.stderr == f"turnout.db knows no call {NOBODY} (to explain it as a text: --model auto)\n"
        assert said(turnout("explain", NOBODY, "--model", "auto", "--json"))["policy"] == "hybrid"

    def test_usage_shows_the_same_call(self, there: tuple[Live, str]) -> None:
        report = turnout("usage", "show", there[1]).stdout
        assert f"request      {there[1]}" in report
        assert "attempt 1    local (demo-local): ok 200" in report
        (row,) = [json.loads(line) for line in turnout("usage", "--rows", "--json").stdout.splitlines()]
        assert (row["request_id"], row["alias"], row["outcome"]) == (there[1], "mine", "ok")
