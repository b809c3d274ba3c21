"""The official OpenAI SDK through a real Turnout: 2 APIs, whole and streamed, sync and async, every upstream dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import sdk_chat
import sdk_responses
from checker import check_chat, check_twins, parse_sse
from pydantic import BaseModel
from sdk_features import FEATURES, Ask, Told, stop
from sdk_road import BACKENDS, Road, build
from sdk_words import WEATHER, Answer, Json, Question, user

APIS = {"chat": sdk_chat, "responses": sdk_responses}


def _bytes(road: Road, api: Any, asked: Json, question: Question) -> Any:
    body = api.body(asked, question)
    body |= body.pop("extra_body", {})
    answered = road.http.post(road.live.base_url + api.PATH, json=_plain(body))
    assert answered.status_code == 200, answered.text
    return api.read(answered.content, asked, question)


def _plain(value: Any) -> Any:
    """What the SDK's own answers look like as they go back over the wire."""
    if isinstance(value, BaseModel):
        return _plain(value.to_dict(mode="json"))
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if name not in ("parsed", "parsed_arguments")}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


MODES: dict[str, Callable[[Road, Any, Json, Question], Any]] = {
    "whole": lambda road, api, asked, question: api.whole(road.sdk, asked, question),
    "async whole": lambda road, api, asked, question: road.portal.call(api.whole, road.async_sdk, asked, question),
    "stream": lambda road, api, asked, question: api.streamed(road.sdk, asked, question),
    "async stream": lambda road, api, asked, question: road.portal.call(api.astreamed, road.async_sdk, asked, question),
    "iterated": lambda road, api, asked, question: api.iterated(road.sdk, asked, question),
    "bytes": _bytes,
}


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def asker(road: Road, api: ModuleType, backend: str, mode: str, *, tuned: bool) -> Ask:
    """Questions in, answers out, by this API, backend and mode; every one with its tests of the road itself."""

    def ask(question: Question) -> Answer:
        asked = {"model": f"to-{backend}", **api.spell(question), **(api.TUNING if tuned else {})}
        road.journal.clear()
        told = MODES[mode](road, api, asked, question)
        headers = road.answers[-1]
        dropped = tuple(headers.get("x-turnout-dropped", "").split(", "))
        assert headers["x-turnout-backend"] == backend
        (sent,) = road.sent()
        if tuned:
            _assert_told_or_sent(sent, dropped)
        return replace(api.answer(told), dropped=dropped)

    return ask


_PLACES = {
    "temperature": (("temperature",), ("generationConfig", "temperature")),
    "top_p": (("top_p",), ("generationConfig", "topP")),
    "seed": (("seed",), ("generationConfig", "seed")),
    "user": (("user",), ("metadata", "user_id")),
}


def _assert_told_or_sent(sent: Json, dropped: tuple[str, ...]) -> None:
    """Each tuning parameter has reached the upstream, or is named as dropped: one of them, never neither or both."""
    for name, places in _PLACES.items():
        assert (name in dropped) != any(_has(sent["body"], place) for place in places), (name, dropped, sent["body"])


def _has(body: Any, place: tuple[str, ...]) -> bool:
    for step in place:
        if not isinstance(body, dict) or step not in body:
            return False
        body = body[step]
    return True


CELLS = [
    pytest.param(api, backend, feature, id=f"{api}-{backend}-{feature.__name__}")
    for api in APIS
    for backend in BACKENDS
    for feature in FEATURES
    if api == "chat" or feature is not stop  # Responses has no stop sequences
]


@pytest.mark.parametrize("tuned", [False, True], ids=["plain", "tuned"])
@pytest.mark.parametrize(("api", "backend", "feature"), CELLS)
def test_cell(road: Road, api: str, backend: str, feature: Callable[[Ask], Told], *, tuned: bool) -> None:
    told = {mode: feature(asker(road, APIS[api], backend, mode, tuned=tuned)) for mode in MODES}
    for mode, answers in told.items():
        assert answers == told["whole"], mode


SILENT = {("chat", "openai-responses"), ("chat", "openai-both")}
"""A chat client cannot ask OpenAI for a summary."""


@pytest.mark.parametrize("mode", ["whole", "bytes"])
@pytest.mark.parametrize("backend", ["local", "openai-responses", "openai-both", "claude", "gemini"])
@pytest.mark.parametrize("api", APIS)
def test_reasoning_text_reaches_the_client(road: Road, api: str, backend: str, mode: str) -> None:
    told = asker(road, APIS[api], backend, mode, tuned=False)(Question((user("Why?"),), effort="high"))
    assert ("The user asks “Why?”" in told.reasoning) == ((api, backend) not in SILENT)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_usage_chunk_unless_asked(road: Road, backend: str) -> None:
    asked = {"model": f"to-{backend}", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    streamed = road.http.post(f"{road.live.base_url}/chat/completions", json=asked)
    check_chat(parse_sse(streamed.content), include_usage=False)


@pytest.mark.parametrize("more", [{"tools": (WEATHER,)}, {"limit": 16}], ids=["tools", "limit"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_streamed_response_ends_as_the_whole_one(road: Road, backend: str, more: Json) -> None:
    question = Question((user("Weather in Oslo"),), effort="high", **more)
    asked = {"model": f"to-{backend}", "instructions": "Be brief.", "metadata": {"a": "b"}}
    asked |= sdk_responses.spell(question)
    whole = road.http.post(f"{road.live.base_url}/responses", json=asked)
    streamed = road.http.post(f"{road.live.base_url}/responses", json={**asked, "stream": True})
    check_twins(parse_sse(streamed.content)[-1]["response"], whole.json())
