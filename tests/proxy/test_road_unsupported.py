"""What a backend cannot be told: another one takes the call, or the client is told which parameter is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live import Live, demo_upstream
from public_door import CHAT, RESPONSES, ask, chat, post, responses

CONTRACTS: dict[str, dict[str, Any]] = {
    "n": {"n": 2},
    "logprobs": {"logprobs": True},
    "logit_bias": {"logit_bias": {"1": 5}},
}
TUNING = {"seed": 7, "user": "u", "frequency_penalty": 0.5}


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def live(journal: list[dict[str, Any]]) -> Iterator[Live]:
    with (
        demo_upstream(journal=journal) as demo,
        Live(f"""version: 1
backends:
  claude: {{provider: anthropic, base_url: "{demo}", model: claude-sonnet-5, credential: sk-demo}}
  gemini: {{provider: google, base_url: "{demo}/v1beta", model: gemini-3.1-pro, credential: sk-demo}}
  chat:   {{provider: openai_compatible, base_url: "{demo}/v1", model: demo-chat}}
aliases:
  claude:  {{use: [claude]}}
  first:   {{use: [claude, chat]}}
  lenient: {{policy: lenient}}
  strict:  {{policy: strict}}
  alone:   {{policy: alone}}
policies:
  lenient: {{rules: [{{use: [claude, chat]}}]}}
  strict:  {{unsupported: reject, rules: [{{use: [claude, chat]}}]}}
  alone:   {{unsupported: reject, rules: [{{use: [claude]}}]}}
""") as made,
    ):
        yield made


@pytest.fixture
def sent(journal: list[dict[str, Any]]) -> list[dict[str, Any]]:
    journal.clear()
    return journal


@pytest.mark.parametrize("name", CONTRACTS)
def test_another_target_that_can_takes_the_call(live: Live, sent: list[dict[str, Any]], name: str) -> None:
    heard = ask(live, "first", **CONTRACTS[name])
    assert (heard.status, heard.told("backend"), heard.told("attempts")) == (200, "chat", "1")
    assert [entry["path"] for entry in sent] == ["/v1/chat/completions"]
    assert sent[0]["body"][name] == CONTRACTS[name][name]
    [row] = live.rows_of(heard.id)
    assert f"claude left out: cannot take {name}" in (row.trace or "")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", CONTRACTS)
def test_with_no_other_target_the_parameter_is_named(
    live: Live, sent: list[dict[str, Any]], name: str, stream: bool
) -> None:
    heard = ask(live, "claude", **CONTRACTS[name], stream=stream)
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "unsupported_parameter", name)
    assert heard.error["type"] == "invalid_request_error"
    assert (name in heard.error["message"], "claude" in heard.error["message"]) == (True, True)
    assert sent == []
    assert [(row.outcome, row.status) for row in live.rows_of(heard.id)] == [("denied", 400)]


def test_a_pin_does_not_force_what_cannot_be_said(live: Live, sent: list[dict[str, Any]]) -> None:
    heard = ask(live, "backend/claude", n=2)
    assert (heard.status, heard.error["param"], sent) == (400, "n", [])


def test_logprobs_of_responses_are_a_contract_too(live: Live, sent: list[dict[str, Any]]) -> None:
    asked = responses("claude", include=["message.output_text.logprobs"])
    heard = post(live, RESPONSES, asked)
    assert (heard.status, heard.error["code"], sent) == (400, "unsupported_parameter", [])


@pytest.mark.parametrize("alias", ["claude", "first", "lenient", "backend/claude"])
def test_tuning_never_decides_the_target(live: Live, sent: list[dict[str, Any]], alias: str) -> None:
    heard = ask(live, alias, **TUNING)
    assert (heard.status, heard.told("backend")) == (200, "claude")
    assert {"seed", "frequency_penalty"} <= set((heard.told("dropped") or "").split(", "))
    assert "seed" not in sent[0]["body"]
    [row] = live.rows_of(heard.id)
    assert row.dropped == heard.told("dropped")


def test_reject_makes_tuning_a_contract(live: Live, sent: list[dict[str, Any]]) -> None:
    heard = ask(live, "strict", seed=7)
    assert (heard.status, heard.told("backend"), heard.told("dropped")) == (200, "chat", None)
    assert sent[0]["body"]["seed"] == 7


def test_reject_with_no_other_target_names_it(live: Live, sent: list[dict[str, Any]]) -> None:
    heard = ask(live, "alone", seed=7)
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "unsupported_parameter", "seed")
    assert sent == []
    assert ask(live, "alone").status == 200


def test_unknown_fields_pass_within_the_family_and_are_named_beyond(live: Live, sent: list[dict[str, Any]]) -> None:
    own = {"prompt_cache_retention": "24h"}
    near, far = (post(live, CHAT, chat(f"backend/{name}", **own)) for name in ("chat", "claude"))
    assert (near.status, near.told("dropped"), far.status, far.told("dropped")) == (200, None, 200, *own)
    assert sent[0]["body"].items() >= own.items()
    assert sent[1]["body"].keys().isdisjoint(own)


@pytest.mark.parametrize("backend", ["claude", "gemini", "chat"])
def test_the_usual_parameters_are_never_refused(live: Live, backend: str) -> None:
    for body, path in ((chat, CHAT), (responses, RESPONSES)):
        plain = post(live, path, body(f"backend/{backend}"))
        tuned = post(live, path, body(f"backend/{backend}", temperature=0, top_p=1, user="u"))
        assert (plain.status, tuned.status) == (200, 200)
        assert tuned.told("backend") == plain.told("backend")
