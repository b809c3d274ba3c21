"""Claude's stream as hub events: what is told is heard once, what is new is passed over, a cut is a failure."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir, sse
from adapters.anthropic_messages import DIALECT
from adapters.sse import Frame

USAGE = {
    "input_tokens": 3,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 1,
    "service_tier": "standard",
}
START = {"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "usage": USAGE}}
STOP = {"type": "message_stop"}


def begin(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def end(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stop(reason: str | None, **fields: Any) -> dict[str, Any]:
    usage = fields.pop("usage", {"output_tokens": 10})
    return {"type": "message_delta", "delta": {"stop_reason": reason, **fields}, "usage": usage}


TEXT = [begin(0, type="text", text=""), delta(0, "text_delta", text="Hi"), end(0)]


def read(*events: Any) -> list[ir.Event]:
    reader = DIALECT.reader()
    frames = [Frame(msgspec.json.encode(e) if isinstance(e, dict) else e) for e in events]
    return [event for frame in frames for event in reader.read(frame)] + list(reader.end())


def answer(*events: Any) -> ir.Reply:
    found = read(START, *events)
    assert isinstance(found[-1], ir.Ended), found[-1]
    return ir.collect(found)


def test_text_is_heard() -> None:
    found = read(START, *TEXT, stop("end_turn"), STOP)
    assert [type(event) for event in found] == [
        ir.Started,
        ir.UsageReported,
        ir.BlockStarted,
        ir.Delta,
        ir.BlockEnded,
        ir.UsageReported,
        ir.Finished,
        ir.Ended,
    ]
    assert found[0] == ir.Started("msg_1", "claude-x")
    assert found[6] == ir.Finished(0, "stop", "end_turn")


def test_g01_parallel_calls_have_their_own_blocks() -> None:
    reply = answer(
        *TEXT,
        begin(1, type="tool_use", id="a", name="f", input={}),
        delta(1, "input_json_delta", partial_json=""),
        delta(1, "input_json_delta", partial_json='{"x":'),
        delta(1, "input_json_delta", partial_json="1}"),
        end(1),
        begin(2, type="tool_use", id="b", name="g", input={}),
        delta(2, "input_json_delta", partial_json='{"y":2}'),
        end(2),
        stop("tool_use"),
        STOP,
    )
    calls = [(b.meta, b.text) for b in reply.blocks if b.kind == "tool_call"]
    assert calls == [({"id": "a", "name": "f"}, '{"x":1}'), ({"id": "b", "name": "g"}, '{"y":2}')]
    assert reply.finishes[0].reason == "tool_calls"


@pytest.mark.parametrize("given_input", [{}, {"x": 1}])
def test_g10_a_call_without_fragments_has_its_input(given_input: dict[str, int]) -> None:
    block = {"type": "tool_use", "id": "a", "name": "f", "input": given_input}
    events = [begin(0, **block), delta(0, "input_json_delta", partial_json=""), end(0)]
    expected = msgspec.json.encode(given_input).decode()
    assert answer(*events, stop("tool_use"), STOP).blocks[0].text == expected
    whole = {"type": "message", "id": "m", "model": "c", "content": [block], "stop_reason": "tool_use"}
    assert ir.collect(DIALECT.read_response(msgspec.json.encode(whole))).blocks[0].text == expected


def test_g05_what_is_new_is_passed_over() -> None:
    strange = [
        {"type": "ping"},
        {"type": "weather_report", "delta": 5, "index": "x"},
        delta(0, "hologram_delta", text=7),
        delta(0, "glow_delta", glow=1),
        delta(9, "text_delta", text="nobody's"),
        end(9),
        b"[DONE]",
    ]
    mixed = [part for event in [*TEXT, stop("end_turn"), STOP] for part in (*strange, event)]
    assert read(START, *mixed) == read(START, *TEXT, stop("end_turn"), STOP)


def test_thinking_is_a_summary_with_its_signature() -> None:
    reply = answer(
        begin(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="a "),
        delta(0, "thinking_delta", thinking="b"),
        delta(0, "signature_delta", signature="sig"),
        end(0),
        begin(1, type="redacted_thinking", data="xyz"),
        end(1),
        stop("end_turn"),
        STOP,
    )
    assert reply.blocks[0].summary == ["a b"]
    assert reply.blocks[0].state == ir.VendorState("anthropic", "signature", "sig")
    assert reply.blocks[1].state == ir.VendorState("anthropic", "redacted", "xyz")
    assert {block.kind for block in reply.blocks} == {"reasoning"}


def test_citations_are_annotations() -> None:
    page = {"type": "web_search_result_location", "url": "https://x", "title": "T", "cited_text": "c"}
    place = {"type": "char_location", "document_title": "D", "cited_text": "c"}
    events = [delta(0, "citations_delta", citation=page), delta(0, "citations_delta", citation=place)]
    notes = answer(TEXT[0], *events, *TEXT[1:], stop("end_turn"), STOP).blocks[0].annotations
    assert notes[0] == ir.Annotation("url_citation", "https://x", "T", raw=page)
    assert notes[1] == ir.Annotation("char_location", None, "D", raw=place)


def test_server_tools_are_kept_whole() -> None:
    reply = answer(
        begin(0, type="server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":'),
        delta(0, "input_json_delta", partial_json='"x"}'),
        end(0),
        begin(1, type="web_search_tool_result", tool_use_id="s", content=[]),
        end(1),
        begin(2, type="compaction", content=None),
        delta(2, "compaction_delta", content="short"),
        end(2),
        begin(3, type="server_tool_use", id="t", name="web_search", input={}),
        delta(3, "input_json_delta", partial_json='{"cut'),
        end(3),
        stop("end_turn"),
        STOP,
    )
    assert {block.kind for block in reply.blocks} == {"server_tool"}
    assert {block.meta["family"] for block in reply.blocks} == {"anthropic"}
    wholes = [msgspec.json.decode(block.raw) for block in reply.blocks if block.raw is not None]
    assert wholes[0] == {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
    assert wholes[1] == {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    assert wholes[2] == {"type": "compaction", "content": "short"}
    assert wholes[3]["input"] == {}
    assert reply.finishes[0].reason == "stop"


def test_g37_cached_and_written_tokens_are_part_of_the_input() -> None:
    usage = answer(*TEXT, stop("end_turn"), STOP).usage
    assert usage is not None
    assert (usage.input, usage.cached, usage.cache_write, usage.cache_write_1h) == (1203, 1000, 200, 50)
    assert (usage.output, usage.total, usage.service_tier, usage.reasoning) == (10, 1213, "standard", None)


def test_g38_repeated_counts_are_counted_once() -> None:
    told = {**USAGE, "output_tokens": 10, "cache_creation": None, "output_tokens_details": {"thinking_tokens": 4}}
    usage = answer(*TEXT, stop("end_turn", usage=told), STOP).usage
    assert usage is not None
    assert (usage.input, usage.output, usage.cached, usage.total, usage.reasoning) == (1203, 10, 1000, 1213, 4)
    assert usage.cache_write_1h == 50


@pytest.mark.parametrize("usage", [b'{"x":"\xff"}', b'"many"', b"[1]", b"7"])
def test_usage_that_is_no_object_costs_no_answer(usage: bytes) -> None:
    raw = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":%b}' % usage
    told = answer(*TEXT, raw, STOP)
    assert told.failure is None
    assert told.usage is not None
    assert (told.usage.input, told.usage.output, told.usage.flaws) == (1203, 1, ("usage",))


def test_compactions_are_paid_for_besides_and_advisors_at_their_own_price() -> None:
    kept = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 30}
    compaction = {**USAGE, "type": "compaction", "input_tokens": 500, "output_tokens": 40, "cache_creation": kept}
    steps = [compaction, {**USAGE, "type": "message"}, {**USAGE, "type": "advisor_message"}, "odd"]
    usage = answer(*TEXT, stop("end_turn", usage={"output_tokens": 10, "iterations": steps}), STOP).usage
    assert usage is not None
    assert (usage.input, usage.cached, usage.cache_write, usage.output) == (1203 + 1700, 2000, 400, 50)
    assert (usage.cache_write_1h, usage.calls, usage.flaws) == (80, {"advisor": 1}, ())
    odd = answer(*TEXT, stop("end_turn", usage={"output_tokens": 10, "iterations": 7}), STOP).usage
    assert odd is not None
    assert (odd.input, odd.flaws) == (1203, ("usage",))


def test_unknown_counts_travel_along() -> None:
    told = {"output_tokens": 2, "server_tool_use": {"web_search_requests": 1}}
    usage = answer(stop("end_turn", usage=told), STOP).usage
    assert usage is not None
    assert msgspec.json.decode(usage.extras["server_tool_use"]) == {"web_search_requests": 1}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "length"),
        ("tool_use", "stop"),
        ("something_new", "stop"),
        (None, "stop"),
    ],
)
def test_g24_stop_reasons(told: str | None, reason: str) -> None:
    known = told != "something_new"
    assert answer(*TEXT, stop(told), STOP).finishes[0] == ir.Finished(0, reason, told, known)  # type: ignore[arg-type]


def test_g25_a_call_is_always_told_as_one() -> None:
    call = [begin(0, type="tool_use", id="a", name="f", input={}), end(0)]
    assert answer(*call, stop("end_turn"), STOP).finishes[0].reason == "tool_calls"
    assert answer(*call, stop("max_tokens"), STOP).finishes[0].reason == "length"


def test_a_refusal_says_why() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No."}
    reply = answer(stop("refusal", stop_details=details), STOP)
    assert [(block.kind, block.text) for block in reply.blocks] == [("refusal", "No.")]
    assert answer(stop("refusal", stop_details=None), STOP).blocks == []


def test_g33_thinking_alone_is_an_answer() -> None:
    thinking = [begin(0, type="thinking", thinking=""), delta(0, "thinking_delta", thinking="a"), end(0)]
    reply = answer(*thinking, stop("max_tokens"), STOP)
    assert (reply.finishes[0].reason, reply.failure) == ("length", None)


def test_the_stop_sequence_is_kept() -> None:
    ended = answer(*TEXT, stop("stop_sequence", stop_sequence="END"), STOP).ended
    assert ended is not None
    assert bytes(ended.extras["stop_sequence"]) == b'"END"'


@pytest.mark.parametrize(
    ("error", "kind", "status", "code"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, "overloaded", 503, "overloaded_error"),
        ({"type": "rate_limit_error", "message": "slow"}, "limited", 429, "rate_limit_error"),
        ({"type": "api_error", "message": "x"}, "upstream_error", 502, "api_error"),
        (
            {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"},
            "context_length",
            400,
            "context_length_exceeded",
        ),
        ("odd", "upstream_error", 502, "upstream_error"),
        (None, "upstream_error", 502, "upstream_error"),
    ],
)
def test_g06_an_error_in_the_stream_is_a_failure(error: Any, kind: str, status: int, code: str) -> None:
    found = read(START, *TEXT[:2], {"type": "error", "error": error}, STOP)
    failed = found[-1]
    assert isinstance(failed, ir.Failed)
    assert (failed.failure.kind, failed.failure.status, failed.failure.code) == (kind, status, code)
    assert not any(isinstance(event, ir.Finished | ir.Ended) for event in found)


@pytest.mark.parametrize("events", [(), (START,), (START, *TEXT), (START, *TEXT, stop("end_turn"))])
def test_an_answer_without_its_end_was_cut(events: tuple[Any, ...]) -> None:
    last = read(*events)[-1]
    assert isinstance(last, ir.Failed)
    assert last.failure.kind == "interrupted"


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>",
        b"\xff\xfe",
        b"[1]",
        b'"x"',
        b"{}",
        b'{"choices":[]}',
        b'{"type":"content_block_delta","index":"x","delta":{"type":"text_delta"}}',
        b'{"type":"content_block_start","index":0,"content_block":5}',
        b"[" * 5000,
    ],
)
def test_what_is_not_this_dialect_is_a_bad_response(garbage: bytes) -> None:
    found = read(START, garbage, *TEXT)
    assert isinstance(found[-1], ir.Failed)
    assert found[-1].failure.kind == "bad_response"
    assert isinstance(found[-2], ir.UsageReported)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (Frame(b"plain words", "error"), "upstream_error"),
        (Frame(b'{"message":"slow","type":"rate_limit_error"}', "error"), "limited"),
        (Frame(b'{"error":{"message":"busy","type":"overloaded_error"}}'), "overloaded"),
    ],
)
def test_errors_in_other_clothes_are_failures(frame: Frame, kind: str) -> None:
    found = list(DIALECT.reader().read(frame))
    assert isinstance(found[0], ir.Failed)
    assert found[0].failure.kind == kind


def test_a_second_message_start_begins_anew() -> None:
    call = begin(0, type="tool_use", id="a", name="f", input={})
    again = {**START, "message": {**START["message"], "id": "msg_2"}}  # type: ignore[dict-item]
    events = [call, delta(0, "input_json_delta", partial_json='{"x"'), again, *TEXT, stop("tool_use"), STOP]
    reply = answer(*events)
    assert [(block.block, block.kind) for block in map(_numbered, enumerate(reply.blocks))] == [
        (0, "tool_call"),
        (1, "text"),
    ]


def _numbered(pair: tuple[int, ir.ReplyBlock]) -> ir.BlockStarted:
    return ir.BlockStarted(pair[0], pair[1].kind, pair[0])


@given(st.lists(st.binary(max_size=40) | st.sampled_from([msgspec.json.encode(e) for e in (START, *TEXT, STOP)])))
def test_reading_never_raises(frames: list[bytes]) -> None:
    reader = DIALECT.reader()
    found = [event for frame in frames for event in reader.read(Frame(frame))] + list(reader.end())
    assert sum(isinstance(event, ir.Ended | ir.Failed) for event in found) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "bad_response"),
        (b"", "bad_response"),
        (b"{}", "bad_response"),
        (b'{"type":"message","content":[5]}', "bad_response"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "overloaded"),
    ],
)
def test_a_whole_body_that_is_no_answer_is_a_failure(body: bytes, kind: str) -> None:
    failed = DIALECT.read_response(body)[-1]
    assert isinstance(failed, ir.Failed)
    assert failed.failure.kind == kind


def test_split_bytes_are_read_as_one() -> None:
    data = b"".join(sse.render(msgspec.json.encode(e)) for e in (START, begin(0, type="text", text="für 日本")))
    splitter = sse.Splitter()
    frames = [frame for i in range(len(data)) for frame in splitter.feed(data[i : i + 1])]
    reader = DIALECT.reader()
    assert [e.data for f in frames for e in reader.read(f) if isinstance(e, ir.Delta)] == ["für 日本"]
