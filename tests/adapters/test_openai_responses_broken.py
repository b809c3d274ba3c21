"""A Responses upstream that fails, stops or sends nonsense: always a Failure, never an exception."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from responses_kit import completed, frame, read

from adapters import ir
from adapters.openai_responses import DIALECT

CREATED = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "m", "created_at": 5.0, "status": "queued"},
}


def end() -> dict[str, Any]:
    return {"type": "response.completed", "response": completed([])}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


FLAT = {"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (FLAT, "limited"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "overloaded"),
        ({"error": {"message": "boom", "code": 500}}, "upstream_error"),
        (
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "server_error", "message": "x"}},
            },
            "upstream_error",
        ),
        ({"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "x"}}}, "invalid"),
        ({"type": "response.completed", "response": {"status": "cancelled"}}, "cancelled"),
        ({"choices": []}, "bad_response"),
        ("<html>", "bad_response"),
        ("[]", "bad_response"),
        (
            '{"type":"response.completed","response":{"output":[{"type":"mess\xe9"}],"usage":' + "[" * 5000,
            "bad_response",
        ),
    ],
)
def test_g06_a_failure_within_the_stream_is_a_failure(told: dict[str, Any] | str, kind: str) -> None:
    events = read(event("output_text.delta", delta="He"), told, end())
    last = events[-1]
    assert isinstance(last, ir.Failed)
    assert last.failure.kind == kind
    assert not any(isinstance(said, ir.Finished | ir.Ended) for said in events)


@pytest.mark.parametrize("last", ["[DONE]", None])
def test_g48_bytes_that_stop_before_the_end_are_an_interruption(last: str | None) -> None:
    events = read(CREATED, event("output_text.delta", delta="He"), *([last] if last else []), end=True)
    assert isinstance(events[-1], ir.Failed)
    assert events[-1].failure.kind == "interrupted"


def test_after_the_end_nothing_more_is_said() -> None:
    reader = DIALECT.reader()
    list(reader.read(frame(end())))
    assert [*reader.read(frame("[DONE]")), *reader.read(frame(FLAT)), *reader.end()] == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "bad_response"),
        (b"<html>", "bad_response"),
        (b"[]", "bad_response"),
        (b'{"choices":[]}', "bad_response"),
        (b'{"error":"Unexpected endpoint"}', "upstream_error"),
        (
            b'{"object":"response","status":"failed","error":{"code":"server_error","message":"x"},"output":[]}',
            "upstream_error",
        ),
    ],
)
def test_a_body_that_is_no_answer_is_a_failure(body: bytes, kind: str) -> None:
    reply = ir.collect(DIALECT.read_response(body))
    assert reply.failure is not None
    assert reply.failure.kind == kind


def test_odd_values_never_raise() -> None:
    odd: list[Any] = [None, 5, "x", [], {}, [1], {"a": 1}]
    kinds = [
        "output_text.delta",
        "refusal.done",
        "reasoning_text.delta",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    for kind in [
        *kinds,
        "function_call_arguments.delta",
        "output_text.annotation.added",
        "output_item.added",
        "created",
    ]:
        for value in odd:
            names = (
                "item_id",
                "output_index",
                "content_index",
                "delta",
                "text",
                "part",
                "item",
                "response",
                "annotation",
            )
            read({"type": f"response.{kind}", **dict.fromkeys(names, value)}, end=True)
    for value in odd:
        DIALECT.read_response(
            msgspec.json.encode(completed([{"type": "message", "content": value}, value], usage=value))
        )
