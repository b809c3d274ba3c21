"""The stream checker: a right stream passes, and each way to be wrong is caught by name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from checker import check_responses, check_twins, parse_sse

Events = list[dict[str, Any]]

REQUEST = {
    "model": "auto",
    "input": "What is the weather?",
    "instructions": "Be brief.",
    "metadata": {"k": "v"},
    "previous_response_id": "resp_0",
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
    "text": {"format": {"type": "json_object"}},
    "reasoning": {"effort": "low"},
}
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 16,
}
NOTE = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}


def _response(status: str, **changes: Any) -> dict[str, Any]:
    base = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "auto",
        "status": status,
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        "instructions": "Be brief.",
        "metadata": {"k": "v"},
        "previous_response_id": "resp_0",
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "tools": [{**REQUEST["tools"][0], "description": None, "strict": None}],
        "text": {"format": {"type": "json_object"}},
        "reasoning": {"effort": "low", "summary": None},
    }
    return copy.deepcopy({**base, **changes})


def _thought() -> tuple[Events, dict[str, Any]]:
    place = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    blank, part = {"type": "summary_text", "text": ""}, {"type": "summary_text", "text": "Hm, so."}
    item = {"id": "rs_1", "type": "reasoning", "status": "completed", "summary": [part]}
    stem = "response.reasoning_summary"
    return [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "summary": [], "status": "in_progress"},
        },
        {"type": f"{stem}_part.added", **place, "part": blank},
        {"type": f"{stem}_text.delta", **place, "delta": "Hm, "},
        {"type": f"{stem}_text.delta", **place, "delta": "so."},
        {"type": f"{stem}_text.done", **place, "text": "Hm, so."},
        {"type": f"{stem}_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ], item


def _message() -> tuple[Events, dict[str, Any]]:
    place = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    part = {"type": "output_text", "text": "Hé!", "annotations": [NOTE], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    added = {**item, "content": [], "status": "in_progress"}
    return [
        {"type": "response.output_item.added", "output_index": 1, "item": added},
        {"type": "response.content_part.added", **place, "part": {**part, "text": "", "annotations": []}},
        {"type": "response.output_text.delta", **place, "delta": "H", "logprobs": []},
        {"type": "response.output_text.delta", **place, "delta": "é!", "logprobs": []},
        {"type": "response.output_text.annotation.added", **place, "annotation_index": 0, "annotation": NOTE},
        {"type": "response.output_text.done", **place, "text": "Hé!", "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 1, "item": item},
    ], item


def _call() -> tuple[Events, dict[str, Any]]:
    place = {"item_id": "fc_1", "output_index": 2}
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"a":1}'}
    item["status"] = "completed"
    stem = "response.function_call_arguments"
    return [
        {"type": "response.output_item.added", "output_index": 2, "item": {**item, "arguments": ""}},
        {"type": f"{stem}.delta", **place, "delta": '{"a"'},
        {"type": f"{stem}.delta", **place, "delta": ":1}"},
        {"type": f"{stem}.done", **place, "arguments": '{"a":1}'},
        {"type": "response.output_item.done", "output_index": 2, "item": item},
    ], item


def right() -> Events:
    """A correct stream: a reasoning item, a message, a call."""
    parts = (_thought(), _message(), _call())
    events = [{"type": f"response.{name}", "response": _response("in_progress")} for name in ("created", "in_progress")]
    for told, _ in parts:
        events += told
    done = _response("completed", output=[item for _, item in parts], usage=USAGE)
    events.append({"type": "response.completed", "response": done})
    return numbered(copy.deepcopy(events))


def numbered(events: Events) -> Events:
    for number, event in enumerate(events):
        event["sequence_number"] = number
    return events


def of(events: Events, kind: str, nth: int = 0) -> dict[str, Any]:
    return [event for event in events if event["type"] == f"response.{kind}"][nth]


def without(kind: str, nth: int = 0) -> Callable[[Events], Events]:
    def drop(events: Events) -> Events:
        events.remove(of(events, kind, nth))
        return numbered(events)

    return drop


def change(kind: str, nth: int = 0, **fields: Any) -> Callable[[Events], Events]:
    def mutate(events: Events) -> Events:
        of(events, kind, nth).update(fields)
        return events

    return mutate


def final(**fields: Any) -> Callable[[Events], Events]:
    def mutate(events: Events) -> Events:
        events[-1]["response"].update(copy.deepcopy(fields))
        return events

    return mutate


def everywhere(**fields: Any) -> Callable[[Events], Events]:
    def mutate(events: Events) -> Events:
        for event in events:
            if "response" in event:
                event["response"].update(copy.deepcopy(fields))
        return events

    return mutate


def renamed(old: str, new: str) -> Callable[[Events], Events]:
    return lambda events: json.loads(json.dumps(events).replace(f'"{old}"', f'"{new}"'))


def constant_sequence(events: Events) -> Events:
    return [{**event, "sequence_number": 0} for event in events]


def from_one(events: Events) -> Events:
    return [{**event, "sequence_number": event["sequence_number"] + 1} for event in events]


def only_completed(events: Events) -> Events:
    return numbered(events[-1:])


def two_ends(events: Events) -> Events:
    return numbered([*events, copy.deepcopy(events[-1])])


def no_end(events: Events) -> Events:
    return events[:-1]


def all_at_index_zero(events: Events) -> Events:
    return [{**event, "output_index": 0} if "output_index" in event else event for event in events]


def child_before_item(events: Events) -> Events:
    events[2], events[3] = events[3], events[2]
    return numbered(events)


def item_done_before_text(events: Events) -> Events:
    done = of(events, "output_item.done", 1)
    events.remove(done)
    events.insert(events.index(of(events, "output_text.done")), done)
    return numbered(events)


def usage(**fields: Any) -> Callable[[Events], Events]:
    return final(usage={**USAGE, **fields})


def another_part(events: Events) -> Events:
    events[-1]["response"]["output"][1]["content"].append({"type": "output_text", "text": "more", "annotations": []})
    return events


def short_output(events: Events) -> Events:
    events[-1]["response"]["output"].pop()
    return events


def incomplete_first(events: Events) -> Events:
    for item in (of(events, "output_item.done")["item"], events[-1]["response"]["output"][0]):
        item["status"] = "incomplete"
    return events


def error_late(events: Events) -> Events:
    return numbered([*events[:-1], {"type": "error", "message": "x", "code": None, "param": None}])


MUTATIONS: dict[str, tuple[Callable[[Events], Events], str]] = {
    "constant sequence_number": (constant_sequence, "sequence_number"),
    "sequence_number from 1": (from_one, "sequence_number"),
    "only response.completed": (only_completed, "begins with"),
    "no response.in_progress": (without("in_progress"), "not followed"),
    "two terminals": (two_ends, "more than one terminal"),
    "no terminal": (no_end, "no end"),
    "wrong output_index": (change("output_item.added", 1, output_index=5), "output_index 5"),
    "output_index of a delta": (change("output_text.delta", output_index=0), "output_index 0"),
    "one output_index for all": (all_at_index_zero, "output_index 0"),
    "item_id changed": (change("output_text.delta", 1, item_id="msg_2"), "item_id msg_2"),
    "item_id changed in arguments": (change("function_call_arguments.done", item_id="fc_2"), "item_id fc_2"),
    "content_index changed": (change("output_text.delta", content_index=1), "never added"),
    "summary_index changed": (change("reasoning_summary_text.delta", summary_index=1), "never added"),
    "content_part skips an index": (change("content_part.added", content_index=1), "is next"),
    "item announced after its child": (child_before_item, "never added"),
    "item done before its text": (item_done_before_text, "done before its part"),
    "item never announced": (without("output_item.added", 2), "never added"),
    "part never announced": (without("content_part.added"), "never added"),
    "item never done": (without("output_item.done", 1), "never done"),
    "text never done": (without("output_text.done"), "before its text was done"),
    "part never done": (without("content_part.done"), "done before its part"),
    "summary never done": (without("reasoning_summary_text.done"), "before its text was done"),
    "arguments never done": (without("function_call_arguments.done"), "done before its part"),
    "delta lost": (without("output_text.delta"), "sum of its deltas"),
    "delta mismatch": (change("output_text.delta", delta="J"), "sum of its deltas"),
    "summary delta mismatch": (change("reasoning_summary_text.delta", delta="J"), "sum of its deltas"),
    "arguments delta mismatch": (change("function_call_arguments.delta", delta="{"), "sum of its deltas"),
    "annotation lost": (without("output_text.annotation.added"), "not streamed"),
    "annotation_index wrong": (change("output_text.annotation.added", annotation_index=3), "annotation_index"),
    "wrong message prefix": (renamed("msg_1", "item_1"), "lacks msg_"),
    "wrong reasoning prefix": (renamed("rs_1", "r_1"), "lacks rs_"),
    "wrong call prefix": (renamed("fc_1", "call_9"), "lacks fc_"),
    "wrong response prefix": (renamed("resp_1", "chatcmpl-1"), "lacks resp_"),
    "response id changes": (final(id="resp_2"), "response.id changes"),
    "model changes": (final(model="other"), "response.model changes"),
    "created_at changes": (final(created_at=2), "response.created_at changes"),
    "final output has more": (another_part, "not the items"),
    "final output has less": (short_output, "not the items"),
    "status disagrees": (final(status="incomplete"), "status incomplete"),
    "incomplete item in a complete response": (incomplete_first, "not completed"),
    "error on a completed response": (final(error={"code": "server_error", "message": "x"}), "error"),
    "incomplete_details on completed": (
        final(incomplete_details={"reason": "max_output_tokens"}),
        "incomplete_details",
    ),
    "error event after created": (error_late, "error"),
    "usage total": (usage(total_tokens=17), "not the sum"),
    "usage null inside": (usage(output_tokens=None), "output_tokens"),
    "usage float": (usage(input_tokens=9.0), "input_tokens"),
    "cached above input": (usage(input_tokens_details={"cached_tokens": 10}), "cached_tokens"),
    "reasoning above output": (usage(output_tokens_details={"reasoning_tokens": 8}), "reasoning_tokens"),
    "tools not echoed": (everywhere(tools=[]), "tools"),
    "tools not echoed at the end": (final(tools=[]), "tools"),
    "tool echoed otherwise": (everywhere(tools=[{"type": "function", "name": "w"}]), "not echoed as it was sent"),
    "tool_choice not echoed": (everywhere(tool_choice="auto"), "tool_choice"),
    "instructions not echoed": (everywhere(instructions=None), "instructions"),
    "metadata not echoed": (everywhere(metadata={}), "metadata"),
    "previous_response_id not echoed": (everywhere(previous_response_id=None), "previous_response_id"),
    "parallel_tool_calls not echoed": (everywhere(parallel_tool_calls=True), "parallel_tool_calls"),
    "text.format not echoed": (everywhere(text={"format": {"type": "text"}}), "text.format"),
    "effort not echoed": (everywhere(reasoning=None), "reasoning.effort"),
}


def test_a_right_stream_passes() -> None:
    check_responses(right(), REQUEST)


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mutation_is_caught_for_its_reason(name: str) -> None:
    mutate, reason = MUTATIONS[name]
    with pytest.raises(AssertionError, match=reason):
        check_responses(mutate(right()), REQUEST)


def test_an_incomplete_response_ends_with_its_incomplete_item() -> None:
    events = right()
    for item in (of(events, "output_item.done", 2)["item"], events[-1]["response"]["output"][2]):
        item["status"] = "incomplete"
    final(status="incomplete", incomplete_details={"reason": "max_output_tokens"})(events)
    events[-1]["type"] = "response.incomplete"
    check_responses(events, REQUEST)
    final(incomplete_details={"reason": None})(events)
    with pytest.raises(AssertionError, match="without a reason"):
        check_responses(events, REQUEST)


def test_a_failed_response_may_leave_items_open() -> None:
    events = right()[:12]
    error = {"code": "server_error", "message": "gone"}
    events.append({"type": "response.failed", "response": _response("failed", error=error)})
    check_responses(numbered(events), REQUEST)
    events[-1]["response"]["error"] = None
    with pytest.raises(AssertionError, match="error None"):
        check_responses(events, REQUEST)


def test_a_flat_error_stands_alone() -> None:
    error = {"type": "error", "code": None, "message": "no", "param": None, "sequence_number": 0}
    check_responses([error])
    with pytest.raises(AssertionError, match="nested"):
        check_responses([{**error, "error": {"message": "no"}}])
    with pytest.raises(AssertionError, match="follows"):
        check_responses([error, {**error, "sequence_number": 1}])


# --- framing -------------------------------------------------------------------------------------------------------

FRAMED = b': hi\n\nevent: response.created\ndata: {"type":"response.created"}\n\ndata: {"id":"c"}\n\ndata: [DONE]\n\n'


def test_framing_is_read() -> None:
    assert parse_sse(FRAMED) == [{"type": "response.created"}, {"id": "c"}]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (FRAMED[:-1], "blank line"),
        (FRAMED.replace(b"\n", b"\r\n"), "blank line"),
        (FRAMED.replace(b"event: response.created", b"event: response.failed"), "does not equal"),
        (FRAMED.replace(b"event: response.created\n", b""), "event: line"),
        (FRAMED.replace(b"data: [DONE]\n\n", b""), "DONE"),
        (FRAMED + b"data: {}\n\n", "DONE"),
        (FRAMED.replace(b"}\n\ndata: {", b"}\ndata: {"), "one event per block"),
        (FRAMED.replace(b"data: [DONE]", b"id: 1"), "one data line"),
    ],
)
def test_bad_framing_is_caught(bad: bytes, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        parse_sse(bad)


@pytest.mark.parametrize(
    ("mutate", "reason"),
    [
        (usage(output_tokens=8, total_tokens=17), "usage streamed"),
        (short_output, "output streamed"),
        (final(metadata={}), "metadata streamed"),
        (final(status="incomplete"), "status streamed"),
    ],
)
def test_a_stream_that_ends_otherwise_than_the_whole_answer_is_caught(
    mutate: Callable[[Events], Events], reason: str
) -> None:
    whole = right()[-1]["response"]
    check_twins(final(id="resp_2", created_at=5)(right())[-1]["response"], whole)
    with pytest.raises(AssertionError, match=reason):
        check_twins(mutate(right())[-1]["response"], whole)
