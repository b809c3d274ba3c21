"""Protocol.md 3.5: every word with which a vendor ends an answer, in every client's words, whole and streamed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from reference_answers import answer, frames
from reference_kit import CHAT, CLIENTS, GEMINI, MESSAGES, RESPONSES, Json, heard, streamed

from adapters import ir

STOP, LENGTH, FILTERED = "stop", "length", "content_filter"
WORDS: Mapping[str, Mapping[str, str]] = {
    MESSAGES: {
        "end_turn": STOP, "stop_sequence": STOP, "tool_use": STOP, "max_tokens": LENGTH,
        "model_context_window_exceeded": LENGTH, "refusal": FILTERED, "brand_new": STOP,
    },
    GEMINI: {
        "STOP": STOP, "MAX_TOKENS": LENGTH, "LANGUAGE": STOP, "OTHER": STOP, "NO_IMAGE": STOP, "ESCALATION": STOP,
        "PUP_LIMITED_DISABLED": STOP, "BRAND_NEW": STOP,
        **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"), FILTERED),
        **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "IMAGE_RECITATION"), FILTERED),
    },
    CHAT: {
        "stop": STOP, "length": LENGTH, "content_filter": FILTERED, "tool_calls": STOP, "function_call": STOP, "eos": STOP,
        "brand_new": STOP,
    },
    RESPONSES: {
        "completed": STOP, "max_output_tokens": LENGTH, "content_filter": FILTERED, "max_messages": LENGTH,
        "steered": LENGTH, "brand_new": LENGTH,
    },
}  # fmt: skip
"""vendor -> its word -> what a chat client is told. Calls are told by themselves, so that without any it is a stop."""
FAILURES: Mapping[str, Mapping[str, int]] = {
    GEMINI: dict.fromkeys(
        ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE",
         "TOO_MANY_TOOL_CALLS", "CONTINUATION"), 502),
    CHAT: {"error": 502, "abort": 502, "insufficient_system_resource": 503},
    RESPONSES: {"failed": 502, "cancelled": 502},
}  # fmt: skip
OWN = {
    STOP: {RESPONSES: ("completed", None), MESSAGES: "end_turn"},
    LENGTH: {RESPONSES: ("incomplete", "max_output_tokens"), MESSAGES: "max_tokens"},
    FILTERED: {RESPONSES: ("incomplete", "content_filter"), MESSAGES: "refusal"},
}
KEPT = {
    MESSAGES: {"stop_sequence": "stop_sequence", "model_context_window_exceeded": "model_context_window_exceeded"},
    RESPONSES: {name: ("incomplete", name) for name in ("max_messages", "steered")},
}
"""A vendor's own client keeps its vendor's own word where that says the same."""
CELLS = [(source, word, reason, client) for source, words in WORDS.items() for word, reason in words.items() for client in CLIENTS]  # fmt: skip


def meant(source: str, word: str, reason: str, client: str) -> Any:
    if client == CHAT:
        return reason
    return (KEPT[source].get(word) if client == source else None) or OWN[reason][client]


def ending(client: str, told: Json) -> Any:
    """How a whole answer says that it ended."""
    if client == CHAT:
        return told["choices"][0]["finish_reason"]
    if client == MESSAGES:
        return told["stop_reason"]
    return told["status"], (told["incomplete_details"] or {}).get("reason")


def last(client: str, raw: bytes) -> Any:
    """How a stream says it: once."""
    events = [json.loads(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: {")]
    if client == RESPONSES:
        (ended,) = [
            event["response"] for event in events if event["type"] in ("response.completed", "response.incomplete")
        ]
        return ending(client, ended)
    if client == MESSAGES:
        (delta,) = [event["delta"] for event in events if event["type"] == "message_delta"]
        return delta["stop_reason"]
    (reason,) = [c["finish_reason"] for event in events for c in event["choices"] if c["finish_reason"]]
    return reason


@pytest.mark.parametrize(("source", "word", "reason", "client"), CELLS)
def test_each_word_ends_an_answer_as_the_client_knows_it(source: str, word: str, reason: str, client: str) -> None:
    whole = heard(source, answer(source, word), client)
    assert not isinstance(whole, ir.Failure)
    assert ending(client, whole) == meant(source, word, reason, client)
    relay, raw = streamed(source, frames(source, word), client)
    assert relay.failure is None
    assert last(client, raw) == meant(source, word, reason, client)
    assert relay.finishes[0].known is not word.lower().startswith("brand_new"), "others are logged by their name"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("source", "word", "status"),
    [(source, word, status) for source, words in FAILURES.items() for word, status in words.items()],
)
def test_an_answer_that_could_not_be_given_is_a_failure(source: str, word: str, status: int, client: str) -> None:
    failure = heard(source, answer(source, word), client)
    assert isinstance(failure, ir.Failure)
    assert (failure.status, failure.type) == (status, "server_error")
    relay, raw = streamed(source, frames(source, word), client)
    assert relay.failure is not None
    assert relay.failure.status == status
    assert broken(client, raw)


def broken(client: str, raw: bytes) -> bool:
    """Does the stream end in the client's own error, and in no end besides?"""
    if client == RESPONSES:
        return b"event: response.failed" in raw and b"event: response.completed" not in raw
    if client == MESSAGES:
        return b"event: error" in raw and b"message_stop" not in raw
    return b'data: {"error":' in raw and b'"finish_reason":"' not in raw


@pytest.mark.parametrize("client", CLIENTS)
def test_a_pause_is_an_end_for_the_vendors_own_client_alone(client: str) -> None:
    told = heard(MESSAGES, answer(MESSAGES, "pause_turn"), client)
    relay, _ = streamed(MESSAGES, frames(MESSAGES, "pause_turn"), client)
    if client == MESSAGES:
        assert not isinstance(told, ir.Failure)
        assert (told["stop_reason"], relay.failure) == ("pause_turn", None)
    else:
        assert isinstance(told, ir.Failure)
        assert (told.status, relay.failure and relay.failure.status) == (502, 502)


CALLING = {
    MESSAGES: ("tool_use", "end_turn"),
    GEMINI: ("STOP",),
    CHAT: ("tool_calls", "stop"),
    RESPONSES: ("completed",),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("source", "word"), [(source, word) for source, words in CALLING.items() for word in words])
def test_an_answer_with_calls_ends_with_tool_calls(source: str, word: str, client: str) -> None:
    """Whatever the vendor's word, a forced tool's ``stop`` included."""
    told = heard(source, answer(source, word, call=True), client)
    assert not isinstance(told, ir.Failure)
    assert ending(client, told) == {CHAT: "tool_calls", MESSAGES: "tool_use", RESPONSES: ("completed", None)}[client]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refusal_says_why(client: str) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "because"}
    told = heard(MESSAGES, answer(MESSAGES, "refusal", stop_details=details), client)
    assert not isinstance(told, ir.Failure)
    words = {
        CHAT: lambda: told["choices"][0]["message"]["refusal"],
        RESPONSES: lambda: told["output"][-1]["content"][0]["refusal"],
        MESSAGES: lambda: told["stop_details"]["explanation"],
    }
    assert words[client]() == "because"
    assert b"because" in streamed(MESSAGES, frames(MESSAGES, "refusal", details=details), client)[1]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK", "NEW"]
)
def test_a_blocked_prompt_is_filtered_and_empty(reason: str, client: str) -> None:
    body = {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}}
    told = heard(GEMINI, body, client)
    assert not isinstance(told, ir.Failure)
    assert ending(client, told) == meant(GEMINI, reason, FILTERED, client)
    content = {
        CHAT: lambda: told["choices"][0]["message"]["content"],
        RESPONSES: lambda: told["output"],
        MESSAGES: lambda: told["content"],
    }
    assert not content[client]()


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("source", [MESSAGES, GEMINI, CHAT, RESPONSES])
def test_a_stream_that_tells_no_end_has_none(source: str, client: str) -> None:
    begun = frames(source, "brand_new")[: 1 if source == GEMINI else 2]
    relay, raw = streamed(source, begun, client)
    assert relay.failure is not None
    assert relay.failure.kind == "interrupted"
    assert broken(client, raw)


def test_the_last_item_of_a_cut_answer_is_incomplete() -> None:
    for source, word in ((MESSAGES, "max_tokens"), (GEMINI, "MAX_TOKENS"), (CHAT, "length")):
        told = heard(source, answer(source, word), RESPONSES)
        assert not isinstance(told, ir.Failure)
        assert [item["status"] for item in told["output"]] == ["incomplete"]
        assert b"event: response.incomplete" in streamed(source, frames(source, word), RESPONSES)[1]
