"""What a body must be before it may pass unread, told in words that name the field."""

from __future__ import annotations

import msgspec
import pytest

from adapters import ir, strict
from adapters.catalog import DIALECTS

ROLE = {
    "openai_chat": "messages",
    "anthropic_messages": "messages",
    "openai_responses": "input",
    "google_gemini": "contents",
}
GOOD = {
    "openai_chat": {"messages": [{"role": "user", "content": "Hi!"}], "temperature": 0.5, "new": [1]},
    "anthropic_messages": {"messages": [{"role": "user", "content": "Hi!"}]},
    "openai_responses": {"input": [{"role": "user", "content": "Hi!"}, {"type": "function_call_output", "x": 1}]},
    "google_gemini": {"contents": [{"parts": [{"text": "Hi!"}]}, {"role": "model", "parts": []}]},
}


def failure(dialect: str, body: object) -> ir.Failure:
    with pytest.raises(ir.Invalid) as caught:
        DIALECTS[dialect].glance(strict.fields(msgspec.json.encode(body)))
    return caught.value.failure


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_good_body_passes(dialect: str) -> None:
    DIALECTS[dialect].glance(strict.fields(msgspec.json.encode(GOOD[dialect])))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_turns_must_be_there_and_have_roles_that_there_are(dialect: str) -> None:
    name = ROLE[dialect]
    assert failure(dialect, {}).param == name
    assert (failure(dialect, {name: []}).param, failure(dialect, {name: []}).code) == (name, "empty_array")
    assert failure(dialect, {name: 7}).code == "invalid_type"
    assert failure(dialect, {name: ["Hi!"]}).code == "invalid_type"
    wrong = failure(dialect, {name: [GOOD[dialect][name][0], {"role": "robot"}]})
    assert (wrong.param, wrong.code, wrong.status) == (f"{name}[1].role", "invalid_value", 400)
    assert "'robot'" in wrong.message


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages"])
def test_a_message_needs_a_role(dialect: str) -> None:
    assert failure(dialect, {"messages": [{"content": "Hi!"}]}).param == "messages[0].role"


def test_responses_takes_text_or_a_conversation_without_input() -> None:
    for body in ({"input": "Hi!"}, {"previous_response_id": "resp_1"}, {"prompt": {"id": "p"}}, {"conversation": "c"}):
        DIALECTS["openai_responses"].glance(strict.fields(msgspec.json.encode(body)))


@pytest.mark.parametrize(
    ("dialect", "field", "value"),
    [("openai_chat", "n", "two"), ("openai_chat", "temperature", "hot"), ("openai_responses", "temperature", "hot")],
)
def test_plain_fields_have_their_types(dialect: str, field: str, value: object) -> None:
    assert failure(dialect, {**GOOD[dialect], field: value}).param == field
    DIALECTS[dialect].glance(strict.fields(msgspec.json.encode({**GOOD[dialect], field: None})))
