"""Usage over HTTP: one call for whoever made it and nobody else, and totals for the operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live import Live, demo_upstream
from openai import OpenAI
from public_door import CHAT, RESPONSES, Heard, chat, get, post, responses

ANN, BOB, ADMIN = "sk-test-ann-00000001", "sk-test-bob-00000002", "sk-test-admin-000003"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        demo_upstream() as demo,
        Live(f"""version: 1
server: {{admin_key: {ADMIN}}}
ledger: {{url: "sqlite:///turnout.db", attribution: [feature]}}
backends:
  claude: {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo}}
  away: {{provider: openai_compatible, base_url: "http://127.0.0.1:9/v1", model: x, local: false}}
aliases:
  auto: {{use: [claude], baseline: anthropic/claude-opus-4-8}}
  moves: {{use: [away, claude]}}
teams: {{search: {{}}}}
keys:
  - {{name: ann, team: search, secret: {ANN}}}
  - {{name: bob, secret: {BOB}}}
""") as made,
    ):
        yield made


def report(live: Live, heard: Heard, key: str = ANN) -> Any:
    found = get(live, f"/v1/usage/{heard.id}", key)
    assert found.status == 200, found.raw
    return found.body


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_can_be_asked_for_at_once(live: Live, stream: bool) -> None:
    heard = post(live, CHAT, chat("auto", stream=stream, user="u1", metadata={"feature": "find"}), ANN)
    found = report(live, heard)
    assert (found["object"], found["id"], found["model"], found["backend"]) == ("usage", heard.id, "auto", "claude")
    usage = found["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    if not stream:
        told = heard.body["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (told["prompt_tokens"], told["completion_tokens"])
        assert found["cost_usd"] == heard.told("cost-usd")
    assert found["saved_nano_usd"] == found["baseline_nano_usd"] - found["cost_nano_usd"]
    assert found["tags"] == {"feature": "find"}
    assert len(found["attempts"]) == 1


def test_every_attempt_is_told(live: Live) -> None:
    found = report(live, post(live, CHAT, chat("moves"), ANN))
    assert [leg["outcome"] for leg in found["attempts"]] == ["fallback", "ok"]
    assert found["attempts"][0]["error_code"] == "upstream_unreachable"
    assert found["cost_nano_usd"] == found["attempts"][1]["cost_nano_usd"]


def test_nobody_sees_the_call_of_another(live: Live) -> None:
    heard = post(live, CHAT, chat("auto"), ANN)
    for key, status in ((BOB, 404), (None, 401), ("sk-wrong", 401)):
        found = get(live, f"/v1/usage/{heard.id}", key)
        assert (found.status, found.error["code"]) == (
            status,
            "usage_not_found" if status == 404 else "invalid_api_key",
        )
    assert get(live, "/v1/usage/none-such", ANN).status == 404


def test_the_sdk_reads_it_with_its_own_client(live: Live) -> None:
    client = OpenAI(base_url=live.base_url, api_key=ANN)
    answer = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hi!"}])
    found = client.get(f"/usage/{answer._request_id}", cast_to=object)
    assert isinstance(found, dict)
    assert found["outcome"] == "ok"


def test_totals_for_the_operator(live: Live) -> None:
    post(live, CHAT, chat("auto", metadata={"feature": "sum"}), ANN)
    post(live, RESPONSES, responses("auto"), BOB)
    found = get(live, "/admin/usage?by=team,tag:feature&since=1h", ADMIN).body
    assert found["by"] == ["team", "tag:feature"]
    lines = {(line["team"], line["tag:feature"]): line for line in found["data"]}
    assert lines["search", "sum"]["calls"] >= 1
    assert ("bob", "-") in lines
    assert found["total"]["cost_nano_usd"] == sum(line["cost_nano_usd"] for line in found["data"])
    only = get(live, "/admin/usage?where=team%3Dbob&where=outcome%3Dok", ADMIN).body
    assert only["total"]["calls"] == lines["bob", "-"]["calls"]
    rows = get(live, "/admin/usage?rows=1&limit=1&where=team%3Dbob", ADMIN).body["data"]
    assert [row["tenant"] for row in rows] == ["bob"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("by=colour", "by colour"),
        ("since=soon", "since soon"),
        ("timezone=Mars", "timezone Mars"),
        ("where=alias", "where alias"),
        ("rows=1&limit=0", "'limit'"),
        ("rows=1&limit=x", "'limit'"),
        ("colour=1", "'colour'"),
    ],
)
def test_a_wrong_question_is_told_with_its_mend(live: Live, query: str, said: str) -> None:
    found = get(live, f"/admin/usage?{query}", ADMIN)
    assert found.status == 400
    assert said in found.error["message"]


def test_totals_are_for_the_operator_alone(live: Live) -> None:
    for key in (ANN, None):
        assert get(live, "/admin/usage", key).status == 401
