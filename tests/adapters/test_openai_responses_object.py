"""The response object: what it echoes, what it counts, what it says of a failure."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from responses_kit import ASKED, ECHO, both, echo, say, strict_events, strict_response, write

from adapters import ir
from adapters.openai_responses import DIALECT


def test_g80_the_request_is_echoed() -> None:
    events = strict_events(write(say(("text", {}, [("text", "x")])), echo("high", **ASKED)), ASKED)
    response = events[-1]["response"]
    assert response["reasoning"] == {"effort": "high", "summary": "auto"}
    assert response["conversation"] == {"id": "conv_1"}
    assert response["tools"][0] == {**ASKED["tools"][0], "description": None, "strict": None}
    for name in ("temperature", "top_p", "text", "service_tier", "user", "truncation", "max_tool_calls", "store"):
        assert response[name] == ASKED[name], name


def test_what_is_not_stored_says_so_from_the_first_event_on() -> None:
    kept = echo("high", **ASKED | {"store": True})
    lost = msgspec.structs.replace(kept, stored=False)
    for told, stored in ((kept, True), (lost, False)):
        events = strict_events(write(say(("text", {}, [("text", "x")])), told), ASKED | {"store": stored})
        assert {event["response"]["store"] for event in events if "response" in event} == {stored}


def test_g80_an_object_without_a_request_has_all_keys(shared: Any) -> None:
    spec = json.loads((shared / "data/specs/open-responses.json").read_text())
    whole = json.loads(DIALECT.write_response(ir.collect(say(("text", {}, []))), ECHO))
    assert set(spec["components"]["schemas"]["ResponseResource"]["required"]) <= set(whole)
    assert "user" not in whole
    assert (whole["id"], whole["created_at"], whole["model"]) == ("resp_5eed", 1_700_000_000, "auto")
    assert (whole["temperature"], whole["tool_choice"], whole["truncation"]) == (1.0, "auto", "disabled")


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (ir.Usage(9, 7, 40, 50, reasoning=8, total=99), (9, 0, 0, 7, 0, 16)),
        (ir.Usage(9, 7), (9, 0, 0, 7, 0, 16)),
        (ir.Usage(9, None), None),
        (None, None),
    ],
)
def test_g82_usage_is_whole_numbers_that_agree_or_null(usage: ir.Usage | None, told: tuple[int, ...] | None) -> None:
    reported = [ir.UsageReported(usage)] if usage else []
    _, whole = both([ir.Started(), *reported, ir.Finished(0, "stop"), ir.Ended()])
    if told is None:
        assert whole["usage"] is None
        return
    read, written = whole["usage"]["input_tokens_details"], whole["usage"]["output_tokens_details"]
    assert told == (
        whole["usage"]["input_tokens"],
        read["cached_tokens"],
        read["cache_write_tokens"],
        whole["usage"]["output_tokens"],
        written["reasoning_tokens"],
        whole["usage"]["total_tokens"],
    )


@pytest.mark.parametrize(("tier", "told"), [("flex", "flex"), ("standard", "default"), (None, "default")])
def test_g72_a_tier_that_openai_does_not_know_is_default(tier: str | None, told: str) -> None:
    _, whole = both([ir.UsageReported(ir.Usage(1, 1, service_tier=tier)), ir.Finished(0, "stop"), ir.Ended()])
    assert whole["service_tier"] == told


def test_g72_a_tier_asked_for_that_openai_does_not_know_is_default() -> None:
    assert (
        both([ir.Finished(0, "stop"), ir.Ended()], echo(service_tier="standard_only"))[1]["service_tier"] == "default"
    )


def test_citations_are_told_only_where_they_are_complete() -> None:
    path = {"type": "file_path", "file_id": "f", "index": 0}
    notes = [ir.Annotation("file_path", raw=path), ir.Annotation("file_path"), ir.Annotation("url_citation")]
    events = [ir.BlockStarted(0, "text", 0), *(ir.Annotated(0, note) for note in notes), ir.BlockEnded(0)]
    _, whole = both([*events, ir.Finished(0, "stop"), ir.Ended()])
    assert whole["output"][0]["content"][0]["annotations"] == [path]


def test_pieces_without_a_place_are_passed_over() -> None:
    stray = [
        ir.Delta(7, "text", "x"),
        ir.BlockStarted(0, "text", 0),
        ir.Delta(0, "state", "x"),
        ir.Delta(0, "text", ""),
    ]
    events = strict_events(
        write([*stray, ir.BlockEnded(0), ir.Finished(0, "stop"), ir.Ended(), ir.Delta(0, "text", "late")])
    )
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == ""


def test_a_completed_response_says_when_and_another_does_not() -> None:
    end = ir.Ended(at=1_700_000_009)
    events, whole = both([ir.Finished(0, "stop"), end])
    assert events[-1]["response"]["completed_at"] == whole["completed_at"] == 1_700_000_009
    events, whole = both([ir.Finished(0, "length"), end])
    assert events[-1]["response"]["completed_at"] is whole["completed_at"] is None
    theirs = ir.Ended({"completed_at": msgspec.Raw(b"7")}, "openai_responses", at=1_700_000_009)
    assert both([ir.Finished(0, "stop"), theirs])[1]["completed_at"] == 7


def test_what_a_responses_upstream_really_used_is_told_and_others_extras_are_not() -> None:
    raw = {
        "temperature": b"0.8",
        "completed_at": b"7.9",
        "moderation": b"null",
        "billing": b'{"payer":"x"}',
        "truncation": b'"auto"',
    }
    extras = {name: msgspec.Raw(value) for name, value in raw.items()}
    _, whole = both([ir.Finished(0, "stop"), ir.Ended(extras, "openai_responses")])
    assert (whole["temperature"], whole["completed_at"], whole["truncation"]) == (0.8, 7, "auto")
    assert whole["billing"] == {"payer": "x"}
    odd = {"temperature": msgspec.Raw(b'"hot"')}
    assert both([ir.Finished(0, "stop"), ir.Ended(odd, "openai_responses")])[1]["temperature"] == 1.0
    foreign = {"system_fingerprint": msgspec.Raw(b'"fp"')}
    assert "system_fingerprint" not in both([ir.Finished(0, "stop"), ir.Ended(foreign)])[1]


# --- failures ------------------------------------------------------------------------------------------------------

BUSY = ir.Failure("overloaded", 503, "busy", "server_error", "upstream_overloaded")


def test_a_failure_before_anything_is_a_flat_error() -> None:
    (event,) = strict_events(write([ir.Failed(BUSY)]))
    assert event == {
        "type": "error",
        "code": "upstream_overloaded",
        "message": "busy",
        "param": None,
        "sequence_number": 0,
    }


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (BUSY, "server_error"),
        (ir.Failure("limited", 429, "slow", code="rate_limit_exceeded"), "rate_limit_exceeded"),
        (ir.Failure("invalid", 400, "bad", code="x"), "invalid_prompt"),
        (ir.Failure("invalid", 400, "bad", code="invalid_image"), "invalid_image"),
    ],
)
def test_g06_a_failure_midway_fails_the_response(failure: ir.Failure, code: str) -> None:
    begun = say(("text", {}, [("text", "x")]), ("text", {}, [("text", "y")]))[:-4]
    events = strict_events(write([*begun, ir.Failed(failure), ir.Finished(0, "stop"), ir.Ended()]), None)
    response = events[-1]["response"]
    assert (response["status"], response["error"]) == ("failed", {"code": code, "message": failure.message})
    assert [item["content"][0]["text"] for item in response["output"]] == ["x"]


def test_a_whole_answer_that_failed_says_so() -> None:
    reply = ir.collect([*say(("text", {}, [("text", "x")]))[:-2], ir.Failed(BUSY)])
    assert strict_response(DIALECT.write_response(reply, ECHO))["error"]["message"] == "busy"
