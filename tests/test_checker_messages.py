"""The checker of messages catches what it is there to catch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from checker_messages import check_error, check_message, check_message_twins, check_messages

Json = dict[str, Any]
Change = Callable[[list[Json]], object]

USAGE = {"input_tokens": 7, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1}


def stream() -> list[Json]:
    """Thinking, text and two calls."""
    frame = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    rest = {"stop_reason": None, "stop_sequence": None, "stop_details": None}
    call = {"type": "tool_use", "name": "f", "input": {}}
    told = {**USAGE, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    ends = {"stop_reason": "tool_use", "stop_sequence": None, "stop_details": None}
    split = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0}
    return [
        {"type": "message_start", "message": {**frame, **rest, "usage": {**USAGE, "cache_creation": split}}},
        start(0, {"type": "thinking", "thinking": "", "signature": ""}),
        {"type": "ping"},
        delta(0, "thinking_delta", thinking="hm"),
        delta(0, "signature_delta", signature="sig"),
        {"type": "content_block_stop", "index": 0},
        start(1, {"type": "text", "text": "", "citations": None}),
        delta(1, "text_delta", text="Hello"),
        {"type": "content_block_stop", "index": 1},
        start(2, {**call, "id": "toolu_1"}),
        delta(2, "input_json_delta", partial_json='{"a"'),
        delta(2, "input_json_delta", partial_json=": 1}"),
        {"type": "content_block_stop", "index": 2},
        start(3, {**call, "id": "toolu_2"}),
        {"type": "content_block_stop", "index": 3},
        {"type": "message_delta", "delta": ends, "usage": told},
        {"type": "message_stop"},
    ]


def start(index: int, block: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: str) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def put(where: int, *path: str, value: Any) -> Change:
    def change(events: list[Json]) -> None:
        inner: Any = events[where]
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value

    return change


MUTATIONS: dict[str, Change] = {
    "empty": lambda events: events.clear(),
    "no start": lambda events: events.pop(0),
    "two starts": lambda events: events.insert(1, copy.deepcopy(events[0])),
    "ping first": lambda events: events.insert(0, {"type": "ping"}),
    "content at the start": put(0, "message", "content", value=[{"type": "text", "text": "x"}]),
    "stop_reason at the start": put(0, "message", "stop_reason", value="end_turn"),
    "foreign id": put(0, "message", "id", value="chatcmpl-1"),
    "no model": put(0, "message", "model", value=""),
    "input not told": put(0, "message", "usage", "input_tokens", value=None),
    "wrong index": put(6, "index", value=2),
    "delta of another index": put(7, "index", value=0),
    "stop of another index": put(8, "index", value=2),
    "block not stopped": lambda events: events.pop(8),
    "block stopped twice": lambda events: events.insert(9, copy.deepcopy(events[8])),
    "block not started": lambda events: events.pop(6),
    "wrong delta": put(7, "delta", value={"type": "input_json_delta", "partial_json": "{}"}),
    "thinking in text": put(7, "delta", value={"type": "thinking_delta", "thinking": "x"}),
    "thinking after signature": lambda events: events.insert(5, delta(0, "thinking_delta", thinking="x")),
    "text at the block's start": put(6, "content_block", "text", value="Hel"),
    "input at the block's start": put(9, "content_block", "input", value={"a": 1}),
    "empty text": put(7, "delta", "text", value=""),
    "arguments not JSON": lambda events: events.pop(11),
    "arguments no object": lambda events: (put(10, "delta", "partial_json", value="[1")(events), events.pop(11)),
    "two calls with one id": put(13, "content_block", "id", value="toolu_1"),
    "an illegal id": put(13, "content_block", "id", value="functions.f:0"),
    "a call without a name": put(13, "content_block", "name", value=""),
    "unknown stop_reason": put(15, "delta", "stop_reason", value="tool_calls"),
    "end_turn with calls": put(15, "delta", "stop_reason", value="end_turn"),
    "stop_sequence unasked": put(15, "delta", "stop_sequence", value="END"),
    "stop_details unasked": put(15, "delta", "stop_details", value={"type": "refusal"}),
    "stop_reason twice": lambda events: events.insert(15, copy.deepcopy(events[15])),
    "no stop_reason": put(15, "delta", "stop_reason", value=None),
    "usage falls": put(15, "usage", "output_tokens", value=0),
    "cached falls": put(15, "usage", "cache_read_input_tokens", value=0),
    "thinking beyond output": put(15, "usage", "output_tokens_details", value={"thinking_tokens": 10}),
    "cache split": put(0, "message", "usage", "cache_creation", "ephemeral_1h_input_tokens", value=2),
    "no message_delta": lambda events: events.pop(15),
    "message_delta too early": lambda events: events.insert(8, events.pop(15)),
    "no end": lambda events: events.pop(16),
    "after the end": lambda events: events.append({"type": "message_stop"}),
    "an unknown event": lambda events: events.insert(5, {"type": "response.created"}),
    "an error in the midst": lambda events: events.insert(5, {"type": "error", "error": {}}),
}


def test_a_correct_stream_passes_and_adds_up() -> None:
    message = check_messages(stream())
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert message["content"][2]["input"] == {"a": 1}
    assert message["usage"]["output_tokens"] == 9
    check_message(message)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_caught(name: str) -> None:
    events = stream()
    MUTATIONS[name](events)
    with pytest.raises(AssertionError):
        check_messages(events)


def test_a_cut_stream_must_end_with_an_error() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    check_messages([*stream()[:8], error], done=False)
    for broken in (stream()[:8], [*stream(), error], [*stream()[:8], {"type": "error", "error": {}}]):
        with pytest.raises(AssertionError):
            check_messages(broken, done=False)


@pytest.mark.parametrize("error", [{}, {"type": "server_error", "message": "x"}, {"type": "api_error", "message": ""}])
def test_errors_of_other_vendors_are_caught(error: Json) -> None:
    with pytest.raises(AssertionError):
        check_error({"type": "error", "error": error})


def test_twins_must_say_the_same() -> None:
    streamed, whole = check_messages(stream()), check_messages(stream())
    check_message_twins(streamed, {**whole, "id": "msg_2"})
    for change in ({"stop_reason": "end_turn"}, {"content": whole["content"][:2]}, {"usage": USAGE}):
        with pytest.raises(AssertionError):
            check_message_twins(streamed, {**whole, **change})
