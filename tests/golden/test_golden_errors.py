"""Recorded errors, and recorded answers that break off, in the words of each client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cassettes import in_scope
from checker import check_chat, check_responses, parse_sse
from checker_messages import check_error, check_messages
from excluded import listed
from heard import CLIENTS, heard
from playing import DIALECT_OF, ERRORS, Recorded, echo, name, relay, tell, undo
from recordings import SHARED

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.relay import Whole

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
KINDS = {400: "invalid", 404: "not_found", 429: "limited"}
TYPES = {
    400: ("invalid_request_error", "invalid_request_error"),
    404: ("invalid_request_error", "not_found_error"),
    429: ("rate_limit_error", "rate_limit_error"),
}
"""status -> the error's type in OpenAI's words, and in Anthropic's."""


def failure(found: Recorded) -> ir.Failure:
    return DIALECTS[found.dialect or ""].read_error(found.status, {}, found.body)


@pytest.mark.parametrize("found", ERRORS, ids=name)
def test_a_recorded_error_becomes_the_mapped_failure(found: Recorded) -> None:
    got, said = failure(found), json.loads(found.body)["error"]
    assert (got.status, got.kind) == (found.status, KINDS[found.status])
    assert got.message == said["message"]


@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("found", ERRORS, ids=name)
def test_a_recorded_error_reaches_the_client_in_its_own_words(found: Recorded, api: str) -> None:
    got = failure(found)
    body = json.loads(DIALECTS[DIALECT_OF[api]].write_error(got, "req_1"))
    openais, anthropics = TYPES[found.status]
    assert body["error"]["message"] == got.message
    if api == "messages":
        check_error(body)
        assert (body["error"]["type"], body["request_id"]) == (anthropics, "req_1")
        return
    said = json.loads(found.body)["error"]
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert body["error"]["type"] == openais
    assert body["error"]["param"] == said.get("param")


def recorded(reason: str) -> Recorded:
    """The one that is listed for it."""
    (wanted,) = [found for found, why in listed("answers").items() if reason in why]
    return next(found for found in in_scope() if found.name == wanted)


@pytest.mark.parametrize("api", CLIENTS)
def test_an_error_in_a_recorded_stream_is_told_in_the_stream(api: str) -> None:
    found = recorded("an error after the finish")
    events = parse_sse(tell(found, api, stream=True), done=api == "responses")
    check: Any = {"chat": _check_chat, "responses": _check_responses, "messages": _check_messages}[api]
    check(events)
    machine = relay(found, api)
    machine.feed(found.body)
    assert machine.failure is not None
    assert machine.failure.message in json.dumps(events[-1])


def _check_chat(events: list[Any]) -> None:
    """The upstream has told a finish before it failed, and so do we."""
    ends = [event for event in events if any(choice["finish_reason"] for choice in event.get("choices", ()))]
    assert events[-2:-1] == ends
    check_chat([event for event in events if event not in ends], include_usage=False, done=False)


def _check_responses(events: list[Any]) -> None:
    check_responses(events, {})
    assert events[-1]["type"] == "response.failed"


def _check_messages(events: list[Any]) -> None:
    check_messages(events, done=False)


@pytest.mark.parametrize("api", CLIENTS)
def test_a_recorded_answer_that_is_no_json_is_a_bad_response(api: str) -> None:
    found = recorded("plain text in the place of JSON")
    source, target = DIALECTS[found.dialect or ""], DIALECTS[DIALECT_OF[api]]
    whole = Whole(source, target, echo(stream=False), found.body, exact=False, undo=undo(found, api))
    assert whole.failure is not None
    assert (whole.failure.kind, whole.failure.status) == ("bad_response", 502)
    assert found.body.decode() not in whole.failure.message


@pytest.mark.parametrize("api", CLIENTS)
def test_reasoning_that_was_counted_as_none_beside_its_text_is_unknown(api: str) -> None:
    found = recorded("reasoning_tokens 0")
    for stream in (False, True):
        got = heard(api, tell(found, api, stream=stream), stream=stream)
        assert got.text == found.said.text
        assert (got.usage["input"], got.usage["output"]) == (found.said.usage["input"], found.said.usage["output"])
        assert got.usage.get("reasoning", 0) == 0
