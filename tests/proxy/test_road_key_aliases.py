"""A key's aliases through the public door: what it may ask for, what it is told, and what it never hears of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from keys_kit import made, status
from live import Live, demo_upstream
from public_door import CHAT, ask, chat, get, post

from proxy.minting import made as drawn


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        demo_upstream() as url,
        Live(f"""version: 1
backends:
  local: {{provider: vllm, base_url: "{url}/v1", model: demo-local}}
  claude: {{provider: anthropic, base_url: "{url}", model: claude-sonnet-5, credential: sk-ours}}
aliases:
  local: {{use: [local]}}
  "gpt-*": {{use: [local]}}
  smart: {{use: [claude]}}
keys:
  - {{name: filed, secret: sk-filed, aliases: [local]}}
""") as running,
    ):
        yield running


@pytest.fixture(scope="module")
def narrow(live: Live) -> str:
    return made(live, "create", "narrow", "--alias", "gpt-4*", "--alias", "gpt-5")


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("gpt-4o", 200),
        ("gpt-5", 200),
        ("gpt-5-mini", 403),
        ("smart", 403),
        ("nothing-like-it", 403),
        ("backend/local", 403),
        ("gpt-", 403),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/v1/embeddings"])
def test_another_model_is_a_403_that_names_what_may_be_asked_for(
    live: Live, narrow: str, model: str, code: int, path: str
) -> None:
    body = {**chat(model, max_tokens=5), "input": "Hi!"} if path != CHAT else chat(model)
    heard = post(live, path, body, narrow)
    assert (heard.status == 403) is (code == 403), heard.raw
    if code == 403:
        message = heard.body["error"]["message"]
        assert f"'{model}': it may ask for gpt-4*, gpt-5." in message
        assert "smart" not in message.replace(f"'{model}'", "")
        [row] = live.rows_of(heard.id)
        assert (row.attempt, row.outcome, row.error_code) == (0, "denied", "model_not_allowed")
        assert (row.policy, row.rule, row.key_id, row.alias) == ("key", "aliases", "narrow", model)
        assert f"key narrow: '{model}' is none of its aliases" in (row.trace or "")
        assert (heard.told("policy"), heard.told("rule")) == ("key", "aliases")


def test_an_allowed_name_that_is_nowhere_tells_no_other_names(live: Live) -> None:
    secret = made(live, "create", "hopeful", "--alias", "smrt", "--alias", "backend/clau*")
    heard = ask(live, "smrt", key=secret)
    assert (heard.status, heard.error["code"]) == (404, "model_not_found")
    assert "smart" not in heard.error["message"]
    assert [status(live, secret, model) for model in ("backend/claude", "backend/local")] == [200, 403]
    heard = ask(live, "backend/claudia", key=secret)
    assert "(there are: claude)" in heard.error["message"]


def test_the_models_are_those_that_it_may_ask_for(live: Live, narrow: str) -> None:
    assert [each["id"] for each in get(live, "/v1/models", narrow).body["data"]] == ["gpt-5"]
    assert get(live, "/v1/models/gpt-5", narrow).status == 200
    for name in ("smart", "gpt-5-mini", "backend/local", "nothing"):
        heard = get(live, f"/v1/models/{name}", narrow)
        assert (heard.status, heard.error["code"]) == (403, "model_not_allowed")
    everything = made(live, "create", "wide")
    assert [each["id"] for each in get(live, "/v1/models", everything).body["data"]] == ["local", "smart"]


def test_openais_sdk(live: Live) -> None:
    narrow = made(live, "create", "sdk-openai", "--alias", "smart")
    with openai.OpenAI(base_url=live.base_url, api_key=narrow, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError) as denied:
            client.chat.completions.create(model="local", messages=[{"role": "user", "content": "Hi"}])
        assert (denied.value.code, denied.value.param) == ("model_not_allowed", "model")
        assert [model.id for model in client.models.list()] == ["smart"]
    with openai.OpenAI(base_url=live.base_url, api_key=drawn(), max_retries=0) as client:
        for call in (
            lambda: client.responses.create(model="local", input="Hi"),
            lambda: client.chat.completions.create(model="local", messages=[{"role": "user", "content": "Hi"}]),
            client.models.list,
        ):
            with pytest.raises(openai.AuthenticationError) as wrong:
                call()
            assert (wrong.value.status_code, wrong.value.code) == (401, "invalid_api_key")


def test_anthropics_sdk(live: Live) -> None:
    narrow = made(live, "create", "sdk-anthropic", "--alias", "smart")
    asked: Any = {"model": "local", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    with anthropic.Anthropic(base_url=live.url, api_key=narrow, max_retries=0) as client:
        with pytest.raises(anthropic.PermissionDeniedError) as denied:
            client.messages.create(**asked)
        assert "it may ask for smart" in str(denied.value)
        assert [model.id for model in client.models.list()] == ["smart"]
        assert client.messages.create(**{**asked, "model": "smart"}).content
    with anthropic.Anthropic(base_url=live.url, api_key=drawn(), max_retries=0) as client:
        for call in (lambda: client.messages.create(**asked), client.models.list):
            with pytest.raises(anthropic.AuthenticationError) as wrong:
                call()
            assert wrong.value.type == "authentication_error"


def test_refusals_are_counted_under_the_keys_own_name(live: Live) -> None:
    assert status(live, "sk-filed", "smart") == 403
    lines = get(live, "/metrics").raw.decode().splitlines()
    assert any(line.startswith("turnout_requests_total") and 'policy="key"' in line for line in lines)
    assert not any(line.startswith("turnout_series_folded_total{") for line in lines)


def test_the_aliases_of_the_files_keys_hold_as_well(live: Live) -> None:
    assert [status(live, "sk-filed", model) for model in ("local", "smart", "backend/local")] == [200, 403, 403]
    assert [each["id"] for each in get(live, "/v1/models", "sk-filed").body["data"]] == ["local"]
