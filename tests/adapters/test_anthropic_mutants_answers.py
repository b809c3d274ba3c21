"""Field by field, answers: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.anthropic_messages import DIALECT
from adapters.sse import Frame

ECHO = ir.Echo("00", 0, "shown")
SIGNED = ir.VendorState("anthropic", "signature", "sig")
REDACTED = ir.VendorState("anthropic", "redacted", "dGhl")


def heard(*told: dict[str, Any] | bytes) -> list[ir.Event]:
    reader = DIALECT.reader()
    frames = (one if isinstance(one, bytes) else msgspec.json.encode(one) for one in told)
    return [event for data in frames for event in reader.read(Frame(data))]


def whole(**answer: Any) -> list[ir.Event]:
    return list(DIALECT.read_response(msgspec.json.encode({"type": "message", "content": [], **answer})))


# --- an answer, read ------------------------------------------------------------------------------------------------


BROKEN: list[dict[str, Any]] = [
    *(
        {"type": kind, "index": "x"}
        for kind in [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
            "error",
        ]
    ),
    *(
        {"type": "content_block_delta", "delta": {"type": kind, "text": 3}}
        for kind in ["text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta"]
    ),
]


@pytest.mark.parametrize("event", BROKEN)
def test_a_known_event_in_a_strange_shape_is_a_failure(event: dict[str, Any]) -> None:
    (failed,) = heard(event)
    assert isinstance(failed, ir.Failed)
    assert failed.failure.kind == "bad_response"


@pytest.mark.parametrize("data", [b'{"type":"\xff"}', b'{"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
def test_what_cannot_be_decoded_is_a_failure(data: bytes) -> None:
    assert [type(event) for event in heard(data)] == [ir.Failed]


def test_a_whole_answer_event_by_event() -> None:
    tool = {"type": "tool_use", "id": "i", "name": "f", "input": {"a": 1}}
    server = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    raw = msgspec.Raw(msgspec.json.encode(server))
    told = whole(
        id="msg_1",
        model="claude-x",
        content=[{"type": "text", "text": "a"}, tool, server],
        stop_reason="stop_sequence",
        stop_sequence="END",
    )
    assert told == [
        ir.Started("msg_1", "claude-x"),
        ir.BlockStarted(0, "text", 0),
        ir.Delta(0, "text", "a"),
        ir.BlockEnded(0),
        ir.BlockStarted(1, "tool_call", 1, meta={"id": "i", "name": "f"}),
        ir.Delta(1, "arguments", '{"a":1}'),
        ir.BlockEnded(1),
        ir.BlockStarted(2, "server_tool", 2, meta={"type": "server_tool_use", "family": "anthropic", "raw": raw}),
        ir.BlockEnded(2, raw=raw),
        ir.Finished(0, "tool_calls", "stop_sequence"),
        ir.Ended({"stop_sequence": msgspec.Raw(b'"END"')}),
    ]


def test_a_refusal_is_a_block_of_its_own() -> None:
    told = whole(
        content=[{"type": "text", "text": "a"}], stop_reason="refusal", stop_details={"explanation": "no, never"}
    )
    assert told[4:] == [
        ir.BlockStarted(1, "refusal", 1),
        ir.Delta(1, "text", "no, never"),
        ir.BlockEnded(1),
        ir.Finished(0, "content_filter", "refusal"),
        ir.Ended(),
    ]


def test_a_message_without_its_type_is_none() -> None:
    (failed,) = DIALECT.read_response(b'{"content":[]}')
    assert isinstance(failed, ir.Failed)


START = {"type": "message_start", "message": {"id": "msg_1", "model": "claude-x"}}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}}
SAID = [ir.BlockStarted(0, "text", 0), ir.Delta(0, "text", "a"), ir.BlockEnded(0)]


@pytest.mark.parametrize("again", [START, OPEN, {"type": "message_stop"}])
def test_a_block_is_ended_before_anything_else(again: dict[str, Any]) -> None:
    assert heard(START, OPEN, again)[1:4] == SAID


# --- errors and usage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_every_status_in_the_vendors_words(status: int, word: str) -> None:
    told = msgspec.json.decode(DIALECT.write_error(ir.Failure("k", status, "m")))
    assert told == {"type": "error", "error": {"type": word, "message": "m"}}


def test_the_type_of_an_error_tells_what_its_status_does_not() -> None:
    body = b'{"type":"error","error":{"type":"insufficient_quota","message":"pay"}}'
    assert DIALECT.read_error(429, {}, body).kind == "quota"


@pytest.mark.parametrize("tier", ["standard", "priority", "batch"])
def test_usage_goes_back_as_it_came(tier: str) -> None:
    counts = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
        "service_tier": tier,
        "server_tool_use": {"web_search_requests": 1},
        "inference_geo": "eu",
        "speed": "fast",
    }
    told = DIALECT.write_response(ir.collect(whole(usage=counts)), ECHO)
    assert msgspec.json.decode(told)["usage"] == counts


# --- an answer, written ---------------------------------------------------------------------------------------------


def streamed(*events: ir.Event) -> list[dict[str, Any]]:
    """The events between the first and the last two, which tell of the message."""
    writer = DIALECT.writer(ECHO)
    lines = [line for event in events for line in writer.write(event)]
    told = [msgspec.json.decode(line.split(b"data: ")[1]) for line in lines]
    assert [one["type"] for one in (told[0], *told[-2:])] == ["message_start", "message_delta", "message_stop"]
    return told[1:-2]


@pytest.mark.parametrize(
    ("told", "content", "deltas"),
    [
        (
            [ir.BlockStarted(0, "reasoning", 0), ir.BlockEnded(0, SIGNED)],
            {"type": "thinking", "thinking": "", "signature": ""},
            [{"type": "signature_delta", "signature": "sig"}],
        ),
        (
            [ir.BlockStarted(0, "reasoning", 0), ir.BlockEnded(0, REDACTED)],
            {"type": "redacted_thinking", "data": "dGhl"},
            [],
        ),
        (
            [ir.BlockStarted(0, "tool_call", 0, meta={"id": "i", "name": "f"}), ir.BlockEnded(0)],
            {"type": "tool_use", "id": "i", "name": "f", "input": {}},
            [],
        ),
        (
            [ir.BlockStarted(0, "text", 0), ir.Delta(0, "text", "a")],
            {"type": "text", "text": "", "citations": None},
            [{"type": "text_delta", "text": "a"}],
        ),
    ],
)
def test_a_block_has_a_beginning_and_an_end(
    told: list[ir.Event], content: dict[str, Any], deltas: list[dict[str, Any]]
) -> None:
    assert streamed(*told, ir.Finished(0, "stop"), ir.Ended()) == [
        {"type": "content_block_start", "index": 0, "content_block": content},
        *({"type": "content_block_delta", "index": 0, "delta": one} for one in deltas),
        {"type": "content_block_stop", "index": 0},
    ]


@pytest.mark.parametrize("last", [ir.Ended(), ir.Failed(ir.Failure("k", 500, "m"))])
def test_nothing_follows_the_end(last: ir.Event) -> None:
    writer = DIALECT.writer(ECHO)
    assert writer.write(last)
    assert writer.write(ir.BlockStarted(0, "text", 0)) + writer.write(ir.Delta(0, "text", "late")) == []
    assert writer.write(last) == []
