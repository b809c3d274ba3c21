"""Field by field, answers that are written: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

from typing import Any

import msgspec
import pytest
from responses_kit import ECHO, completed, frame, message_item, say, write
from responses_kit import echo as asked

from adapters import ir
from adapters.openai_responses import DIALECT

X = msgspec.Raw(b"1")
EXTRAS = {"x": X}
SEALED = ir.VendorState("openai", "encrypted_content", "sealed")


def shown(*events: ir.Event, told: ir.Echo = ECHO) -> list[dict[str, Any]]:
    """The data of each event that is written, [DONE] apart."""
    lines = write(events, told)
    return [msgspec.json.decode(line.partition(b"data: ")[2]) for line in lines if b"[DONE]" not in line]


def whole(*events: ir.Event, told: ir.Echo = ECHO) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_response(ir.collect(events), told))
    return body


# --- an answer, written ---------------------------------------------------------------------------------------------


TEXT = (ir.BlockStarted(0, "text", 0), ir.Delta(0, "text", "a"), ir.BlockEnded(0))
TOLD = {"x": X, "temperature": msgspec.Raw(b"0.5")}


def test_what_the_upstream_said_of_itself_stands_in_every_response() -> None:
    started, failed = ir.Started(extras=TOLD, dialect="openai_responses"), ir.Failed(ir.Failure("k", 500, "m"))
    for last in ((ir.Finished(0, "stop"), ir.Ended()), (failed,)):
        events = shown(started, *TEXT, *last)
        responses = [one["response"] for one in events if "response" in one]
        assert [(one["x"], one["temperature"]) for one in responses] == [(1, 0.5)] * 3


def test_a_response_that_has_just_begun() -> None:
    fields = {"background": True, "prompt": {"id": "p"}, "truncation": "auto", "max_tool_calls": 3}
    fields |= {"previous_response_id": "resp_0", "tools": [{"type": "function", "name": "f", "x": 1}]}
    created = shown(ir.Started(), told=asked(**fields))[0]["response"]
    fields["tools"] = [{**fields["tools"][0], "description": None, "parameters": None, "strict": None}]
    assert {name: created[name] for name in fields} == fields
    nothing = ("error", "incomplete_details", "usage", "completed_at")
    assert {name: created[name] for name in nothing} == dict.fromkeys(nothing)
    assert (created["output"], created["status"]) == ([], "in_progress")


EFFECTIVE = {
    "temperature": 0.5,
    "top_p": 0.25,
    "presence_penalty": 0.125,
    "frequency_penalty": 0.75,
    "top_logprobs": 3,
    "truncation": "auto",
    "completed_at": 7,
}

CITATIONS = ("file_citation", "container_file_citation", "file_path")


@pytest.mark.parametrize("kind", CITATIONS)
def test_citations_of_files_pass_as_they_came(kind: str) -> None:
    raw = {"type": kind, "file_id": "f", "index": 1}
    told = [ir.BlockStarted(0, "text", 0), ir.Annotated(0, ir.Annotation(kind, raw=raw)), ir.BlockEnded(0)]
    (item,) = whole(*told)["output"]
    assert item["content"][0]["annotations"] == [raw]


def test_ids_of_items_are_of_the_right_kind_and_once() -> None:
    kinds: tuple[ir.BlockKind, ...] = ("text", "refusal", "reasoning", "tool_call", "custom_tool_call")
    prefixes = ("msg_", "msg_", "rs_", "fc_", "ctc_")
    told = [
        one
        for at, (kind, prefix) in enumerate(zip((*kinds, *kinds), (*prefixes, *prefixes), strict=True))
        for one in (
            ir.BlockStarted(at, kind, at, meta={"id": str(at), "name": "f", "item_id": f"{prefix}{kind}"}),
            ir.BlockEnded(at),
        )
    ]
    told.append(ir.Finished(0, "tool_calls"))
    given = [f"{prefix}{kind}" for kind, prefix in zip(kinds, prefixes, strict=True)]
    ours = [f"{prefix}5eed_{at}" for at, prefix in enumerate(prefixes, 5)]
    assert [item["id"] for item in whole(*told)["output"]] == given + ours
    assert [one["item"]["id"] for one in shown(*told) if one["type"] == "response.output_item.done"] == given + ours


def test_what_the_upstream_really_used_is_told() -> None:
    extras = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in EFFECTIVE.items()}
    ended = ir.Ended(extras, "openai_responses")
    answer = whole(*TEXT, ir.Finished(0, "stop"), ended)
    assert {name: answer[name] for name in EFFECTIVE} == EFFECTIVE
    started = ir.Started(extras=TOLD, dialect="openai_responses")
    assert whole(started, *TEXT, ir.Finished(0, "stop"))["x"] == 1
    assert whole(*TEXT, ir.Finished(0, "length"), ended)["completed_at"] is None
    broken = whole(*TEXT, ir.Failed(ir.Failure("k", 500, "m")), ended)
    assert (broken["completed_at"], broken["status"]) == (None, "failed")


def test_an_item_is_done_as_soon_as_its_last_block_is() -> None:
    events = shown(
        ir.BlockStarted(0, "text", 0),
        ir.BlockStarted(1, "tool_call", 1, meta={"id": "c", "name": "f"}),
        ir.BlockEnded(0),
        ir.Delta(1, "arguments", "{}"),
    )
    kinds = [one["type"].removeprefix("response.") for one in events]
    assert kinds[-2:] == ["output_item.done", "function_call_arguments.delta"]


@pytest.mark.parametrize("last", [ir.Ended(), ir.Failed(ir.Failure("k", 500, "m"))])
def test_nothing_follows_the_end(last: ir.Event) -> None:
    lines = write([ir.Started(), *TEXT, last])
    assert write([ir.Started(), *TEXT, last, *TEXT, last]) == lines


def test_a_relayed_stream_that_breaks_shows_no_half_output() -> None:
    first = frame({"type": "response.created", "response": completed([message_item("a")]), "sequence_number": 4})
    line, _ = DIALECT.cut(ir.Failure("timeout", 504, "m"), first, first, ECHO)
    told = msgspec.json.decode(line.partition(b"data: ")[2])
    assert told["sequence_number"] == 5
    error = {"code": "server_error", "message": "m"}
    expected = completed([], model="auto", status="failed", error=error)
    assert told["response"] == expected


def test_every_item_with_all_its_fields() -> None:
    cited = ir.Annotation("url_citation", "https://e.org", "E", 0, 1)
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    events = [
        ir.BlockStarted(0, "reasoning", 0),
        ir.Delta(0, "summary", "s"),
        ir.Delta(0, "text", "t"),
        ir.BlockEnded(0, SEALED),
        ir.BlockStarted(1, "text", 1, meta={"phase": "commentary"}),
        ir.Delta(1, "text", "a", [token]),
        ir.Annotated(1, cited),
        ir.BlockEnded(1),
        ir.BlockStarted(2, "refusal", 1),
        ir.Delta(2, "text", "no"),
        ir.BlockEnded(2),
        ir.BlockStarted(3, "tool_call", 3, meta={"id": "c", "name": "f", "namespace": "n"}),
        ir.Delta(3, "arguments", '{"a":1}'),
        ir.BlockEnded(3),
        ir.BlockStarted(4, "custom_tool_call", 4, meta={"id": "d", "name": "sh", "caller": {"a": 1}, "async": True}),
        ir.Delta(4, "arguments", "ls"),
        ir.BlockEnded(4),
        ir.Finished(0, "tool_calls"),
        ir.Ended(),
    ]
    note = {"type": "url_citation", "url": "https://e.org", "title": "E", "start_index": 0, "end_index": 1}
    same = {"status": "completed"}
    expected = [
        {
            "id": "rs_5eed_0",
            "type": "reasoning",
            **same,
            "summary": [{"type": "summary_text", "text": "s"}],
            "content": [{"type": "reasoning_text", "text": "t"}],
            "encrypted_content": "sealed",
        },
        {
            "id": "msg_5eed_1",
            "type": "message",
            **same,
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "a", "annotations": [note], "logprobs": [token]},
                {"type": "refusal", "refusal": "no"},
            ],
            "phase": "commentary",
        },
        {
            "id": "fc_5eed_2",
            "type": "function_call",
            **same,
            "call_id": "c",
            "name": "f",
            "arguments": '{"a":1}',
            "namespace": "n",
        },
        {
            "id": "ctc_5eed_3",
            "type": "custom_tool_call",
            **same,
            "call_id": "d",
            "name": "sh",
            "input": "ls",
            "caller": {"a": 1},
            "async": True,
        },
    ]
    assert whole(*events)["output"] == expected
    streamed = shown(*events)
    assert streamed[-1]["response"]["output"] == expected
    assert [one["item"] for one in streamed if one["type"] == "response.output_item.done"] == expected


@pytest.mark.parametrize("tier", ["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"])
def test_service_tiers_that_openai_knows(tier: str) -> None:
    used = ir.UsageReported(ir.Usage(service_tier=tier))
    for wanted in ("flex", "fast"):
        assert whole(used, told=asked(service_tier=wanted))["service_tier"] == tier
    assert shown(ir.Started(), told=asked(service_tier=tier))[0]["response"]["service_tier"] == tier


@pytest.mark.parametrize("word", ["max_output_tokens", "content_filter", "max_messages", "steered"])
def test_words_for_an_answer_that_was_cut(word: str) -> None:
    answer = whole(*TEXT, ir.Finished(0, "length", word))
    assert answer["incomplete_details"] == {"reason": word}


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("code_interpreter_call", {"code": None, "container_id": "", "outputs": None}),
        ("file_search_call", {"queries": []}),
        ("web_search_call", {"action": {"type": "search", "query": ""}}),
    ],
)
def test_a_hosted_item_has_what_the_sdk_requires(kind: str, missing: dict[str, Any]) -> None:
    raw = msgspec.Raw(msgspec.json.encode({"id": "h", "type": kind, "status": "completed"}))
    meta = {"type": kind, "family": "openai", "item_id": "h"}
    (item,) = whole(ir.BlockStarted(0, "server_tool", 0, meta=meta), ir.BlockEnded(0, raw=raw))["output"]
    assert item == {"id": "h", "type": kind, "status": "completed", **missing}
    (bare,) = whole(ir.BlockStarted(0, "server_tool", 0, meta=meta), ir.BlockEnded(0))["output"]
    assert bare == item
    (odd,) = whole(ir.BlockStarted(0, "server_tool", 0, meta=meta), ir.BlockEnded(0, raw=msgspec.Raw(b'{"x":1}')))[
        "output"
    ]
    assert odd == {"id": "h", "type": kind, "x": 1, **missing}


def test_usage_with_all_its_parts_there_and_back() -> None:
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 17,
    }
    body = msgspec.json.encode(completed([], usage={**usage, "x": 1}, service_tier="flex"))
    events = DIALECT.read_response(body)
    told = ir.Usage(10, 7, 4, 3, reasoning=5, total=17, service_tier="flex", extras=EXTRAS)
    assert events[0] == ir.Started("resp_1", "m", dialect="openai_responses")
    assert ir.UsageReported(told) in events
    assert whole(*events)["usage"] == usage


def test_the_plain_stream_event_by_event() -> None:
    events = shown(*say(("text", {}, [("text", "a")])))
    place = {"item_id": "msg_5eed_0", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": []}
    item = {"id": "msg_5eed_0", "type": "message", "role": "assistant"}
    assert events[2:-1] == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "status": "in_progress", "content": []},
            "sequence_number": 2,
        },
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}, "sequence_number": 3},
        {"type": "response.output_text.delta", **place, "delta": "a", "logprobs": [], "sequence_number": 4},
        {"type": "response.output_text.done", **place, "text": "a", "logprobs": [], "sequence_number": 5},
        {"type": "response.content_part.done", **place, "part": {**part, "text": "a"}, "sequence_number": 6},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {**item, "status": "completed", "content": [{**part, "text": "a"}]},
            "sequence_number": 7,
        },
    ]
