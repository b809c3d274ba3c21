"""What can be asked for: the model list, one model, and what the SDK makes of both."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from live import Live, demo_upstream
from openai import NotFoundError, OpenAI
from public_door import get


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with (
        demo_upstream() as demo,
        Live(f"""version: 1
backends:
  local:     {{provider: vllm, base_url: "{demo}/v1", model: demo-local}}
  "a/slash": {{provider: vllm, base_url: "{demo}/v1", model: demo-local}}
aliases:
  auto:                {{policy: local_only}}
  openai/gpt-oss-120b: {{use: [local]}}
  hidden:              {{use: [local], listed: false}}
  "gpt-*":             {{policy: local_only}}
  "shown-*":           {{policy: local_only, listed: true}}
""") as made,
    ):
        yield made


@pytest.fixture
def sdk(live: Live) -> Iterator[OpenAI]:
    with OpenAI(base_url=live.base_url, api_key="none", max_retries=0) as client:
        yield client


def test_aliases_are_listed_and_patterns_and_hidden_ones_are_not(live: Live) -> None:
    heard = get(live, "/v1/models")
    assert (heard.status, heard.body["object"]) == (200, "list")
    assert [entry["id"] for entry in heard.body["data"]] == ["auto", "openai/gpt-oss-120b", "shown-*"]


def test_every_entry_has_openais_fields(live: Live) -> None:
    for entry in get(live, "/v1/models").body["data"]:
        assert (entry["object"], entry["owned_by"]) == ("model", "turnout")
        assert abs(entry["created"] - time.time()) < 300


@pytest.mark.parametrize(
    "name", ["auto", "openai/gpt-oss-120b", "hidden", "gpt-5", "gpt-", "backend/local", "backend/a/slash"]
)
def test_whatever_can_be_asked_can_be_retrieved(live: Live, sdk: OpenAI, name: str) -> None:
    found = sdk.models.retrieve(name)
    assert (found.id, found.object) == (name, "model")
    assert sdk.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hi"}]).model == name


@pytest.mark.parametrize(
    ("name", "near"), [("atuo", "auto"), ("backend/nobody", ""), ("openai/gpt-oss", "openai/gpt-")]
)
def test_an_unknown_model_is_a_404_with_near_names(live: Live, name: str, near: str) -> None:
    heard = get(live, f"/v1/models/{name}")
    assert (heard.status, heard.error["code"], heard.error["param"]) == (404, "model_not_found", "model")
    assert near in heard.error["message"]


def test_the_sdk_lists_and_misses(sdk: OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["auto", "openai/gpt-oss-120b", "shown-*"]
    with pytest.raises(NotFoundError):
        sdk.models.retrieve("nobody-has-this")


def test_the_demo_says_that_it_is_one() -> None:
    with Live(None) as live:
        owners = {entry["owned_by"] for entry in get(live, "/v1/models").body["data"]}
        assert owners == {"turnout-demo"}
        assert get(live, "/v1/models/gpt-anything").body["owned_by"] == "turnout-demo"
