"""A Responses client's stream and whole answer, written from hub events of any upstream."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from responses_kit import both, say, strict_events, write

from adapters import ir


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_g56_events_come_in_their_order() -> None:
    events, whole = both(say(("text", {}, [("text", "H"), ("text", "é!")])))
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert whole["output"][0]["id"] == "msg_5eed_0"
    assert whole["output"][0]["content"][0]["text"] == "Hé!"


def test_each_event_is_written_whole_and_done_is_last() -> None:
    lines = write(say(("text", {}, [("text", "x")])))
    assert all(line.startswith(b"event: ") and line.endswith(b"\n\n") for line in lines[:-1])
    assert lines[-1] == b"data: [DONE]\n\n"
    assert b"".join(lines).count(b"\n\n") == len(lines)


def test_g75_thought_comes_first_with_a_summary_list() -> None:
    events, whole = both(say(("reasoning", {}, [("summary", "h"), ("summary", "m")]), ("text", {}, [("text", "x")])))
    assert [item["type"] for item in whole["output"]] == ["reasoning", "message"]
    assert whole["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert kinds(events)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]
    assert whole["output"][1]["content"][0]["text"] == "x"


def test_a_raw_chain_is_reasoning_text() -> None:
    events, whole = both(say(("reasoning", {}, [("text", "hm")]), ("text", {}, [("text", "x")])))
    assert whole["output"][0]["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert whole["output"][0]["summary"] == []
    assert kinds(events)[3:7] == [
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
    ]


def test_blocks_of_one_item_are_its_parts() -> None:
    sealed = ir.VendorState("openai", "encrypted_content", "E")
    events = [
        ir.BlockStarted(0, "reasoning", 0, meta={"item_id": "rs_up"}),
        ir.Delta(0, "summary", "one"),
        ir.BlockEnded(0),
        ir.BlockStarted(1, "reasoning", 0),
        ir.Delta(1, "summary", "two"),
        ir.BlockEnded(1, sealed),
        ir.BlockStarted(2, "text", 1, meta={"phase": "commentary"}),
        ir.Delta(2, "text", "x"),
        ir.Annotated(2, ir.Annotation("url_citation", "https://a.example", end=1)),
        ir.BlockEnded(2),
        ir.BlockStarted(3, "refusal", 1),
        ir.Delta(3, "text", "no"),
        ir.BlockEnded(3),
        ir.Finished(0, "stop"),
        ir.Ended(),
    ]
    _, whole = both(events)
    thought, message = whole["output"]
    assert (thought["id"], thought["encrypted_content"]) == ("rs_up", "E")
    assert [part["text"] for part in thought["summary"]] == ["one", "two"]
    assert message["phase"] == "commentary"
    note = {"type": "url_citation", "url": "https://a.example", "title": "", "start_index": 0, "end_index": 1}
    assert message["content"][0]["annotations"] == [note]
    assert message["content"][1] == {"type": "refusal", "refusal": "no"}


def test_state_of_another_vendor_is_not_shown() -> None:
    events = [
        ir.BlockStarted(0, "reasoning", 0),
        ir.Delta(0, "summary", "hm"),
        ir.BlockEnded(0, ir.VendorState("anthropic", "signature", "SECRET")),
        ir.BlockStarted(
            1,
            "server_tool",
            1,
            meta={"type": "server_tool_use", "family": "anthropic", "raw": msgspec.Raw(b'{"x":"SECRET"}')},
        ),
        ir.BlockEnded(1),
        ir.Finished(0, "stop"),
        ir.Ended(),
    ]
    events_, whole = both(events)
    assert "SECRET" not in json.dumps(events_)
    assert [item["type"] for item in whole["output"]] == ["reasoning"]


def test_g01_parallel_calls_that_interleave_keep_their_items() -> None:
    events = [
        ir.BlockStarted(0, "tool_call", 0, meta={"id": "c1", "name": "f"}),
        ir.BlockStarted(1, "tool_call", 1, meta={"id": "c2", "name": "g", "namespace": "mcp__x"}),
        ir.Delta(0, "arguments", '{"a"'),
        ir.Delta(1, "arguments", '{"b"'),
        ir.Delta(0, "arguments", ":1}"),
        ir.Delta(1, "arguments", ":2}"),
        ir.BlockEnded(0),
        ir.BlockEnded(1),
        ir.Finished(0, "tool_calls"),
        ir.Ended(),
    ]
    _, whole = both(events)
    assert [(item["call_id"], item["arguments"]) for item in whole["output"]] == [("c1", '{"a":1}'), ("c2", '{"b":2}')]
    assert whole["output"][1]["namespace"] == "mcp__x"


def test_g10_empty_arguments_are_an_empty_object() -> None:
    events, whole = both(say(("tool_call", {"id": "c", "name": "f"}, [("arguments", "")]), reason="tool_calls"))
    assert whole["output"][0]["arguments"] == "{}"
    assert [event["delta"] for event in events if event["type"].endswith("arguments.delta")] == ["{}"]


def test_g84_a_native_free_text_call_streams() -> None:
    deltas = [("arguments", "fr"), ("arguments", "ee")]
    events, whole = both(say(("custom_tool_call", {"id": "c", "name": "patch"}, deltas), reason="tool_calls"))
    assert whole["output"][0]["input"] == "free"
    assert kinds(events).count("custom_tool_call_input.delta") == 2


@pytest.mark.parametrize(
    ("finished", "reason"),
    [
        (ir.Finished(0, "length", "max_tokens"), "max_output_tokens"),
        (ir.Finished(0, "content_filter", "refusal"), "content_filter"),
        (ir.Finished(0, "length", "steered"), "steered"),
    ],
)
def test_g58_a_cut_answer_is_incomplete_and_so_is_its_last_item(finished: ir.Finished, reason: str) -> None:
    events = say(("reasoning", {}, [("summary", "hm")]), ("text", {}, [("text", "x")]))
    streamed, whole = both([*events[:-2], finished, ir.Ended()])
    assert kinds(streamed)[-1] == "incomplete"
    assert whole["incomplete_details"] == {"reason": reason}
    assert [item["status"] for item in whole["output"]] == ["completed", "incomplete"]
    assert whole["usage"]["total_tokens"] == 16


def test_g33_an_answer_that_ended_while_thinking_is_incomplete() -> None:
    _, whole = both(say(("reasoning", {}, [("summary", "hm")]), reason="length"))
    assert (whole["status"], whole["output"][0]["status"], whole["usage"]["output_tokens"]) == (
        "incomplete",
        "incomplete",
        7,
    )


def test_g85_a_blocked_answer_has_no_items() -> None:
    _, whole = both(say(reason="content_filter"))
    assert (whole["output"], whole["incomplete_details"]) == ([], {"reason": "content_filter"})


def test_blocks_left_open_are_closed_at_the_end() -> None:
    events = [ir.BlockStarted(0, "text", 0), ir.Delta(0, "text", "x"), ir.Finished(0, "stop"), ir.Ended()]
    assert strict_events(write(events))[-1]["response"]["output"][0]["status"] == "completed"


def test_only_the_first_choice_is_told() -> None:
    events = say(("text", {}, [("text", "first")]))
    second = [ir.BlockStarted(9, "text", 9, 1), ir.Delta(9, "text", "second"), ir.BlockEnded(9), ir.Finished(1, "stop")]
    _, whole = both([*events[:-2], *second, *events[-2:]])
    assert [item["content"][0]["text"] for item in whole["output"]] == ["first"]


def test_logprobs_ride_with_their_delta() -> None:
    logprobs = [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}]
    events = [
        ir.BlockStarted(0, "text", 0),
        ir.Delta(0, "text", "x", logprobs),
        ir.BlockEnded(0),
        ir.Finished(0, "stop"),
        ir.Ended(),
    ]
    streamed, whole = both(events)
    assert next(event for event in streamed if event["type"].endswith("text.delta"))["logprobs"] == logprobs
    assert whole["output"][0]["content"][0]["logprobs"] == logprobs


def test_an_own_server_item_is_written_back_whole_on_one_line() -> None:
    raw = msgspec.Raw(
        b'{\n "id": "ws_1", "type": "web_search_call",\n "status": "completed", "action": {"type": "search", "query": "q"}\n}'
    )
    meta = {"type": "web_search_call", "family": "openai"}
    events = [
        ir.BlockStarted(0, "server_tool", 0, meta=meta),
        ir.BlockEnded(0, raw=raw),
        ir.Finished(0, "stop"),
        ir.Ended(),
    ]
    _, whole = both(events)
    assert whole["output"] == [json.loads(bytes(raw))]
