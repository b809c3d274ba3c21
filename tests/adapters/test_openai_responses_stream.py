"""A Responses upstream read: the whole vocabulary, and what imperfect servers leave out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from responses_kit import call_item, completed, message_item, read, text

from adapters import ir
from adapters.openai_responses import DIALECT

CREATED = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "m", "created_at": 5.0, "status": "queued"},
}


def end(output: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": completed(output or [], **fields)}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return event("output_item.added", output_index=index, item=item)


def done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return event("output_item.done", output_index=index, item=item)


def folded(*events: dict[str, Any] | str) -> ir.Reply:
    return ir.collect(read(*events))


def test_a_stream_tells_begin_pieces_and_end() -> None:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    blank = {"type": "output_text", "text": "", "annotations": []}
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    events = read(
        CREATED,
        {**CREATED, "type": "response.in_progress"},
        added({**message_item(""), "content": [], "phase": "final_answer"}),
        event("content_part.added", **place, part=blank),
        event("output_text.delta", **place, delta="He", logprobs=[{"token": "He", "logprob": -1}]),
        event("output_text.delta", **place, delta="y"),
        event("output_text.done", **place, text="Hey"),
        event("content_part.done", **place, part={**blank, "text": "Hey"}),
        done(message_item("Hey")),
        end([message_item("Hey")], usage=usage, service_tier="flex"),
    )
    assert events == [
        ir.Started("resp_1", "m", 5, {}, "openai_responses"),
        ir.BlockStarted(0, "text", 0, meta={"phase": "final_answer", "item_id": "msg_1"}),
        ir.Delta(0, "text", "He", [{"token": "He", "logprob": -1}]),
        ir.Delta(0, "text", "y"),
        ir.BlockEnded(0),
        ir.UsageReported(ir.Usage(3, 2, total=5, service_tier="flex")),
        ir.Finished(0, "stop", "completed"),
        ir.Ended({}, "openai_responses"),
    ]


def test_reasoning_is_one_block_a_summary_part_and_its_state_is_the_finished_items() -> None:
    place = {"item_id": "rs_1", "output_index": 0}
    first = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "early"}
    parts = [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]
    reply = folded(
        added(first),
        event("reasoning_summary_part.added", **place, summary_index=0, part={"type": "summary_text", "text": ""}),
        event("reasoning_summary_text.delta", **place, summary_index=0, delta="one"),
        event("reasoning_summary_text.done", **place, summary_index=0, text="one"),
        event("reasoning_summary_text.delta", **place, summary_index=1, delta="tw"),
        done({**first, "summary": parts, "encrypted_content": "whole"}),
        end(),
    )
    sealed = ir.VendorState("openai", "encrypted_content", "whole")
    assert [(block.kind, block.item, block.summary, block.state) for block in reply.blocks] == [
        ("reasoning", 0, ["one"], None),
        ("reasoning", 0, ["two"], sealed),
    ]


def test_the_raw_chain_is_text_and_an_empty_thought_still_carries_its_state() -> None:
    chain = {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    empty = {"id": "rs_2", "type": "reasoning", "summary": [], "encrypted_content": "E"}
    reply = folded(
        event("reasoning_text.delta", item_id="rs_1", output_index=0, content_index=0, delta="h"),
        done(chain),
        added(empty, 1),
        done(empty, 1),
        end([chain, empty]),
    )
    assert [(block.text, block.state and block.state.data) for block in reply.blocks] == [("hm", None), ("", "E")]


def test_calls_of_both_kinds() -> None:
    custom = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "g", "input": "free"}
    place = {"item_id": "fc_1", "output_index": 0}
    reply = folded(
        added(call_item(arguments="", namespace="mcp__x")),
        event("function_call_arguments.delta", **place, delta='{"a"'),
        event("function_call_arguments.delta", **place, delta=":1}"),
        event("function_call_arguments.done", **place, arguments='{"a":1}'),
        done(call_item(namespace="mcp__x")),
        added({**custom, "input": ""}, 1),
        event("custom_tool_call_input.delta", item_id="ctc_1", output_index=1, delta="fr"),
        done(custom, 1),
        end([call_item(), custom]),
    )
    first, second = reply.blocks
    assert (first.kind, first.text) == ("tool_call", '{"a":1}')
    assert first.meta == {"id": "call_1", "name": "f", "namespace": "mcp__x", "item_id": "fc_1"}
    assert (second.kind, second.text, second.meta["id"]) == ("custom_tool_call", "free", "c2")
    assert reply.finishes[0].reason == "tool_calls"


def test_refusals_citations_and_logprobs_are_told_once() -> None:
    note = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
    place = {"item_id": "msg_1", "output_index": 0}
    final = message_item("Hey")
    final["content"][0].update(annotations=[note, {**note, "title": "B"}], logprobs=[{"token": "Hey"}])
    final["content"].append({"type": "refusal", "refusal": "I will not."})
    reply = folded(
        event("output_text.delta", **place, content_index=0, delta="Hey"),
        event("output_text.annotation.added", **place, content_index=0, annotation_index=0, annotation=note),
        event("content_part.done", **place, content_index=0, part=final["content"][0]),
        event("content_part.added", **place, content_index=1, part={"type": "refusal", "refusal": ""}),
        event("refusal.delta", **place, content_index=1, delta="I will"),
        event("refusal.done", **place, content_index=1, refusal="I will not."),
        done(final),
        end([final]),
    )
    said, refused = reply.blocks
    assert (said.text, [note.title for note in said.annotations]) == ("Hey", ["A", "B"])
    assert said.logprobs == [{"token": "Hey"}]
    assert (refused.kind, refused.text, refused.item) == ("refusal", "I will not.", said.item)


@pytest.mark.parametrize(
    ("wire_type", "kind"),
    [
        ("web_search_call", "server_tool"),
        ("image_generation_call", "image"),
        ("compaction", "compaction"),
        ("new", "server_tool"),
    ],
)
def test_server_run_items_are_kept_whole(wire_type: str, kind: str) -> None:
    item = {"type": wire_type, "id": "x_1", "status": "completed", "result": {"n": 1.50}}
    reply = folded(
        added({**item, "status": "in_progress"}), event("web_search_call.searching", output_index=0), done(item), end()
    )
    (block,) = reply.blocks
    assert (block.kind, block.meta["type"], block.meta["family"]) == (kind, wire_type, "openai")
    assert json.loads(bytes(block.raw or b"")) == item
    assert json.loads(bytes(block.meta["raw"]))["status"] == "in_progress"


def test_g05_unknown_events_and_fields_change_nothing() -> None:
    plain = [added(message_item("")), done(message_item("Hey")), end([message_item("Hey")])]
    noise: list[dict[str, Any] | str] = [
        event("image_generation_call.partial_image", output_index=0, partial_image_b64="QQ=="),
        {"type": "keepalive", "sequence_number": 3},
        event("new.thing", delta={"a": 1}, text=[1], item="x"),
    ]
    assert read(*noise[:2], plain[0], *noise, *plain[1:]) == read(*plain)


# --- imperfect servers ---------------------------------------------------------------------------------------------


def test_only_a_final_object_tells_everything() -> None:
    thought = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    reply = folded(end([thought, message_item("Hey"), call_item()], usage={"input_tokens": 1.0, "output_tokens": 2}))
    assert [block.kind for block in reply.blocks] == ["reasoning", "text", "tool_call"]
    assert (text(reply), reply.blocks[2].text, reply.finishes[0].reason) == ("Hey", '{"a":1}', "tool_calls")
    assert reply.usage == ir.Usage(1, 2)


def test_deltas_that_nothing_announced_are_read() -> None:
    reply = folded(event("output_text.delta", delta="He"), event("output_text.delta", delta="y"), end())
    assert (text(reply), len(reply.blocks)) == ("Hey", 1)


def test_items_told_only_by_their_end_are_read_once() -> None:
    reply = folded(done(message_item("Hey")), done(message_item("Hey")), end([message_item("Hey")]))
    assert (text(reply), len(reply.blocks)) == ("Hey", 1)


def test_deltas_without_place_meet_their_finished_item() -> None:
    reply = folded(event("output_text.delta", delta="He"), done(message_item("Hey")), end([message_item("Hey")]))
    assert (text(reply), len(reply.blocks)) == ("Hey", 1)


def test_g56_ids_that_change_between_events_are_one_item() -> None:
    reply = folded(
        added({**message_item("", "msg_a"), "content": []}),
        event("output_text.delta", item_id="msg_b", output_index=0, content_index=0, delta="He"),
        event("output_text.delta", item_id="msg_c", output_index=0, content_index=0, delta="y"),
        end([message_item("Hey", "msg_d")]),
    )
    assert (text(reply), len(reply.blocks)) == ("Hey", 1)


def test_g56_two_items_on_one_output_index_are_two() -> None:
    reply = folded(
        event("reasoning_text.delta", item_id="rs_1", output_index=0, content_index=0, delta="hm"),
        event("output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta="Hey"),
        done(message_item("Hey")),
        added(message_item("", "msg_2")),
        event("output_text.delta", item_id="msg_2", output_index=0, content_index=0, delta="You"),
        end(),
    )
    assert [(block.kind, block.text) for block in reply.blocks] == [
        ("reasoning", "hm"),
        ("text", "Hey"),
        ("text", "You"),
    ]
    assert len({block.item for block in reply.blocks}) == 3


def test_arguments_wait_for_the_name_of_their_call() -> None:
    reply = folded(
        event("function_call_arguments.delta", output_index=0, item_id="fc_1", delta='{"a"'), done(call_item()), end()
    )
    (block,) = reply.blocks
    assert (block.meta["name"], block.text) == ("f", '{"a":1}')


def test_a_call_whose_name_never_comes_is_no_call() -> None:
    nameless = call_item(name=None)
    reply = folded(added(nameless), done(nameless), {**end(), "response": {"output": 5}})
    assert (reply.blocks, reply.finishes[0].reason) == ([], "stop")


def test_items_without_a_type_are_passed_over() -> None:
    assert folded(added({"id": "x"}), done({"id": "x"}), end([{"id": "x"}])).blocks == []


def test_a_call_without_a_call_id_gets_one() -> None:
    (block,) = folded(end([call_item(call_id=None)])).blocks
    assert block.meta["id"] == "fc_1"


def test_usage_and_times_may_be_missing_or_floats() -> None:
    events = read({"type": "response.created", "response": {"created_at": 1e300}}, end(usage=None))
    assert events == [
        ir.Started(dialect="openai_responses"),
        ir.Finished(0, "stop", "completed"),
        ir.Ended({}, "openai_responses"),
    ]


def test_details_of_usage_are_read() -> None:
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {
            "cached_tokens": 4,
            "cache_write_tokens": 2,
            "cache_write_tokens_details": {"ttl_30m_tokens": 1, "ttl_12h_tokens": 1},
        },
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 16,
        "num_sources_used": 0,
    }
    told = folded(end(usage=usage)).usage
    assert told == ir.Usage(9, 7, 4, 2, None, 3, total=16, cache_write_12h=1, extras=told.extras if told else {})
    assert told is not None
    assert list(told.extras) == ["num_sources_used"]


@pytest.mark.parametrize(
    ("details", "reason", "word"),
    [
        ({"reason": "max_output_tokens"}, "length", "max_output_tokens"),
        ({"reason": "content_filter"}, "content_filter", "content_filter"),
        ({"reason": "steered"}, "length", "steered"),
        (None, "length", None),
    ],
)
def test_g58_a_cut_answer_is_not_a_whole_one(details: object, reason: str, word: str | None) -> None:
    response = completed([message_item("He")], status="incomplete", incomplete_details=details)
    assert folded({"type": "response.incomplete", "response": response}).finishes == {0: ir.Finished(0, reason, word)}
    whole = ir.collect(DIALECT.read_response(json.dumps(response).encode()))
    assert whole.finishes == {0: ir.Finished(0, reason, word)}


def test_what_the_hub_has_no_name_for_travels_as_extras() -> None:
    ended = folded(end(moderation={"a": 1}, billing=None, temperature=0.5)).ended
    assert ended is not None
    assert {name: bytes(raw) for name, raw in ended.extras.items()} == {
        "moderation": b'{"a": 1}',
        "temperature": b"0.5",
    }


SEARCHED = {"id": "ws", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
OPENED = {
    "id": "ws2",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "open_page", "url": "https://h/"},
}


@pytest.mark.parametrize(
    ("items", "told", "calls"),
    [
        ([SEARCHED, OPENED], None, {"web_search": 1}),
        ([SEARCHED, SEARCHED | {"id": "x"}], {}, {"web_search": 2}),
        ([SEARCHED], {"web_search": {"num_requests": 3}}, {"web_search": 3}),
        ([SEARCHED], {"web_search": {"num_requests": 0}}, {}),
        ([SEARCHED], {"web_search": 7}, {"web_search": 1}),
        ([{"id": "f", "type": "file_search_call", "status": "completed", "queries": []}], None, {"file_search": 1}),
        ([{"id": "f", "type": "shell_call", "status": "completed", "action": {}}], None, {}),
    ],
)  # fmt: skip
def test_the_vendors_own_tools_are_counted(items: list[dict[str, Any]], told: Any, calls: dict[str, int]) -> None:
    more = {} if told is None else {"tool_usage": told}
    usage = folded(end(items, **more)).usage
    assert (dict(usage.calls) if usage else {}) == calls
    usage = folded(*(done(item, at) for at, item in enumerate(items)), end([], **more)).usage
    assert (dict(usage.calls) if usage else {}) == calls, "also where the final response lists none"
