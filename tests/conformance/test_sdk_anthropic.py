"""Anthropic's SDK through a real Turnout, whole and streamed, sync and async, in front of every upstream dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import sdk_messages as api
from checker_messages import check_message
from sdk_anthropic_road import Road, build
from sdk_features import FEATURES, Ask, Told, json_object
from sdk_road import BACKENDS, assert_request
from sdk_words import PIXEL, WEATHER, Answer, Json, Question, user


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def _bytes(road: Road, asked: Json, question: Question) -> Any:
    body = {**asked, "stream": True}
    body |= body.pop("extra_body", {})
    answered = road.http.post(road.live.base_url + api.PATH, json=body)
    assert answered.status_code == 200, answered.text
    return api.read(answered.content)


MODES: dict[str, Callable[[Road, Json, Question], Any]] = {
    "whole": lambda road, asked, question: api.whole(road.sdk, asked, question),
    "async whole": lambda road, asked, question: road.portal.call(api.whole, road.async_sdk, asked, question),
    "stream": lambda road, asked, question: api.streamed(road.sdk, asked, question),
    "async stream": lambda road, asked, question: road.portal.call(api.astreamed, road.async_sdk, asked, question),
    "iterated": lambda road, asked, question: api.iterated(road.sdk, asked, question),
    "bytes": _bytes,
}


def asker(road: Road, backend: str, mode: str, *, tuned: bool = False) -> Ask:
    """Questions in, answers out, by this backend and mode; every one with its tests of the road itself."""

    def ask(question: Question) -> Answer:
        asked = {"model": f"to-{backend}", **api.spell(question), **(api.TUNING if tuned else {})}
        road.journal.clear()
        told = MODES[mode](road, asked, question)
        check_message(told.to_dict(mode="json"))
        headers = road.answers[-1].headers
        assert headers["x-turnout-backend"] == backend
        assert headers["request-id"] == headers["x-request-id"]
        assert_request(road.sent())
        dropped = tuple(headers.get("x-turnout-dropped", "").split(", "))
        return replace(api.answer(told, question), dropped=dropped)

    return ask


@pytest.mark.parametrize("tuned", [False, True], ids=["plain", "tuned"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("feature", [feature for feature in FEATURES if feature is not json_object])
def test_cell(road: Road, backend: str, feature: Callable[[Ask], Told], *, tuned: bool) -> None:
    told = {mode: feature(asker(road, backend, mode, tuned=tuned)) for mode in MODES}
    for mode, answers in told.items():
        assert answers == told["whole"], mode


@pytest.mark.parametrize("mode", ["whole", "bytes"])
@pytest.mark.parametrize("backend", ["local", "openai-responses", "openai-both", "claude", "gemini"])
def test_reasoning_becomes_thinking(road: Road, backend: str, mode: str) -> None:
    told = asker(road, backend, mode)(Question((user("Why?"),), effort="high"))
    assert "The user asks “Why?”" in told.reasoning
    assert told.back[0]["type"] == "thinking"


COUNTS = {
    "local": "/tokenize",
    "openai-chat": "/v1/responses/input_tokens",
    "openai-responses": "/v1/responses/input_tokens",
    "claude": "/v1/messages/count_tokens",
    "gemini": "/v1beta/models/gemini-3.1-pro:countTokens",
}


@pytest.mark.parametrize("backend", COUNTS)
def test_a_count_is_the_backends_own(road: Road, backend: str) -> None:
    asked = api.spell(Question((user("What is this?", PIXEL),), tools=(WEATHER,)))
    del asked["max_tokens"]
    road.journal.clear()
    told = road.sdk.messages.count_tokens(model=f"to-{backend}", system="Be brief.", **asked)
    assert road.sent()["path"] == COUNTS[backend]
    assert "x-turnout-estimated" not in road.answers[-1].headers
    spent = road.sdk.messages.create(model=f"to-{backend}", system="Be brief.", max_tokens=2000, **asked).usage
    assert told.input_tokens == spent.input_tokens > 85


def test_a_backend_that_cannot_count_is_estimated_unasked(road: Road) -> None:
    road.journal.clear()
    told = road.sdk.messages.count_tokens(model="to-chat", messages=[{"role": "user", "content": "Hello, world"}])
    assert (told.input_tokens, road.answers[-1].headers["x-turnout-estimated"]) == (3, "1")
    assert road.journal == []


@pytest.mark.parametrize("backend", COUNTS)
def test_responses_are_counted_too(road: Road, backend: str) -> None:
    asked = {"model": f"to-{backend}", "input": "Hello there, how are you?", "instructions": "Be brief."}
    counted = road.http.post(f"{road.live.base_url}/responses/input_tokens", json=asked).json()
    assert counted == {"object": "response.input_tokens", "input_tokens": 10}


def test_models_in_anthropics_shape(road: Road) -> None:
    page = road.sdk.models.list()
    names = [model.id for model in page]
    assert names == [f"to-{name}" for name in BACKENDS]
    assert (page.first_id, page.last_id, page.has_more) == (names[0], names[-1], False)
    assert road.sdk.models.retrieve("to-claude").display_name == "to-claude"
