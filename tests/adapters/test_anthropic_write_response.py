"""A hub answer as Claude's clients know it, whole and streamed, judged by the vendor SDK's types."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from adapters import ir, sse
from adapters.anthropic_messages import DIALECT

ECHO = ir.Echo("0123456789abcdef", 1_700_000_000, "alias")
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
USAGE = ir.Usage(input=1203, output=10, cached=1000, cache_write=200, cache_write_1h=50, reasoning=4, total=1213)


def text(number: int, words: str) -> list[ir.Event]:
    return [ir.BlockStarted(number, "text", number), ir.Delta(number, "text", words), ir.BlockEnded(number)]


def call(number: int, arguments: str, call_id: str = "call_1", kind: ir.BlockKind = "tool_call") -> list[ir.Event]:
    start = ir.BlockStarted(number, kind, number, meta={"id": call_id, "name": "f"})
    return [start, ir.Delta(number, "arguments", arguments), ir.BlockEnded(number)]


def over(reason: ir.FinishReason = "stop", detail: str | None = None) -> list[ir.Event]:
    return [ir.UsageReported(USAGE), ir.Finished(0, reason, detail), ir.Ended()]


def stream(events: Sequence[ir.Event]) -> list[dict[str, Any]]:
    writer = DIALECT.writer(ECHO)
    lines = [line for event in (ir.Started("u", "up"), *events) for line in writer.write(event)]
    frames = [frame for line in lines for frame in sse.Splitter().feed(line)]
    assert len(frames) == len(lines)
    found = [msgspec.json.decode(frame.data) for frame in frames]
    assert [frame.event for frame in frames] == [event["type"] for event in found]
    for event in found:
        if event["type"] != "error":
            EVENT.validate_python(event)
    return found


def whole(events: Sequence[ir.Event]) -> dict[str, Any]:
    reply = ir.collect([ir.Started("u", "up"), *events])
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_response(reply, ECHO))
    Message.model_validate(body)
    assert folded(stream(events)) == {**body, "stop_details": body["stop_details"]}
    return body


def folded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What a client has gathered when the stream is over; one block is open at a time."""
    message: dict[str, Any] = events[0]["message"]
    pieces: list[str] = []
    assert [e["index"] for e in events if e["type"] == "content_block_start"] == list(
        range(sum(e["type"] == "content_block_start" for e in events))
    )
    for event in events[1:]:
        match event["type"]:
            case "content_block_start":
                assert event["index"] == len(message["content"])
                message["content"].append(event["content_block"])
                pieces = []
            case "content_block_delta":
                assert event["index"] == len(message["content"]) - 1
                _fold(message["content"][-1], event["delta"], pieces)
            case "content_block_stop":
                if pieces:
                    message["content"][-1]["input"] = msgspec.json.decode("".join(pieces))
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    return message


def _fold(block: dict[str, Any], delta: dict[str, Any], pieces: list[str]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            pieces.append(delta["partial_json"])
        case "citations_delta":
            block["citations"] = [*(block["citations"] or []), delta["citation"]]


def test_text_and_usage() -> None:
    events = [ir.UsageReported(USAGE), *text(0, "Hi"), *over()]
    body = whole(events)
    assert body["id"] == "msg_0123456789abcdef"
    assert (body["model"], body["stop_reason"]) == ("alias", "end_turn")
    assert body["content"] == [{"type": "text", "text": "Hi", "citations": None}]
    assert body["usage"] == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        "output_tokens": 10,
        "output_tokens_details": {"thinking_tokens": 4},
    }


def test_the_start_carries_the_input_tokens_when_they_are_known() -> None:
    first = stream([ir.UsageReported(ir.Usage(input=7)), *text(0, "a"), *over()])[0]
    assert first["message"]["usage"]["input_tokens"] == 7
    assert first["message"]["content"] == []
    assert {name: first["message"][name] for name in ("stop_reason", "stop_sequence", "stop_details")} == {
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }


def test_tools() -> None:
    events = [*text(0, "a"), *call(1, '{"n": 2512292042121000001}', "functions.x:0"), *over("tool_calls")]
    body = whole([ir.UsageReported(USAGE), *events])
    block = body["content"][1]
    assert block["input"] == {"n": 2512292042121000001}
    assert block["name"] == "f"
    assert block["id"].startswith("functions_x_0_")
    assert body["stop_reason"] == "tool_use"


@pytest.mark.parametrize(("arguments", "expected"), [("", {}), ("{}", {})])
def test_a_call_without_arguments(arguments: str, expected: dict[str, Any]) -> None:
    body = whole([ir.UsageReported(USAGE), *call(0, arguments), *over("tool_calls")])
    assert body["content"][0]["input"] == expected


def test_arguments_that_are_no_object_are_kept_as_text() -> None:
    reply = ir.collect([*call(0, "[1"), *over("tool_calls")])
    body = msgspec.json.decode(DIALECT.write_response(reply, ECHO))
    assert body["content"][0]["input"] == {"arguments": "[1"}


def test_a_free_text_tools_input_is_within_an_object() -> None:
    body = whole([ir.UsageReported(USAGE), *call(0, 'say "x"', kind="custom_tool_call"), *over("tool_calls")])
    assert body["content"][0]["input"] == {"input": 'say "x"'}


def test_parallel_blocks_wait_for_each_other() -> None:
    a, b = call(0, '{"a":1}', "a"), call(1, '{"b":2}', "b")
    mixed = [a[0], b[0], b[1], a[1], b[2], a[2]]
    assert (
        folded(stream([*mixed, *over("tool_calls")]))["content"]
        == whole([ir.UsageReported(USAGE), *a, *b, *over("tool_calls")])["content"]
    )


def test_a_block_that_was_never_ended_is_closed() -> None:
    events = [*text(0, "a")[:2], ir.BlockStarted(1, "text", 1), ir.Delta(1, "text", "b"), *over()]
    assert [block["text"] for block in folded(stream(events))["content"]] == ["a", "b"]


def test_reasoning_is_thinking() -> None:
    signed = ir.VendorState("anthropic", "signature", "sig")
    redacted = ir.VendorState("anthropic", "redacted", "xyz")
    foreign = ir.VendorState("google", "thought_signature", "g")
    events: list[ir.Event] = [ir.UsageReported(USAGE)]
    for number, (channel, state) in enumerate((("summary", signed), ("text", foreign), ("text", None))):
        events += [
            ir.BlockStarted(number, "reasoning", number),
            ir.Delta(number, channel, "hm"),  # type: ignore[arg-type]
            ir.BlockEnded(number, state),
        ]
    events += [ir.BlockStarted(3, "reasoning", 3), ir.BlockEnded(3, redacted)]
    events += [ir.BlockStarted(4, "reasoning", 4), ir.BlockEnded(4)]
    assert whole([*events, *over()])["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "redacted_thinking", "data": "xyz"},
    ]


def test_server_tools_pass_within_the_family_only() -> None:
    raw = msgspec.Raw(
        b'{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[],"caller":{"type":"direct"}}'
    )
    events: list[ir.Event] = [ir.UsageReported(USAGE)]
    for number, family in enumerate(("anthropic", "openai")):
        meta = {"type": "web_search_tool_result", "family": family}
        events += [ir.BlockStarted(number, "server_tool", number, meta=meta), ir.BlockEnded(number, raw=raw)]
    assert whole([*events, *over()])["content"] == [msgspec.json.decode(raw)]


def test_citations() -> None:
    own = {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": None}
    own |= {"start_char_index": 0, "end_char_index": 1}
    notes = [
        ir.Annotation("char_location", raw=own),
        ir.Annotation("url_citation", "https://x", "T", 0, 2),
        ir.Annotation("file_citation"),
    ]
    begun, said, ended = text(0, "Hi")
    events = [begun, said, *(ir.Annotated(0, note) for note in notes), ended]
    found = whole([ir.UsageReported(USAGE), *events, *over()])["content"][0]["citations"]
    assert found[0] == own
    assert (found[1]["type"], found[1]["url"], found[1]["title"]) == ("web_search_result_location", "https://x", "T")
    assert len(found) == 2


@pytest.mark.parametrize(
    ("reason", "detail", "word"),
    [
        ("stop", "stop", "end_turn"),
        ("stop", "stop_sequence", "stop_sequence"),
        ("length", None, "max_tokens"),
        ("length", "pause_turn", "pause_turn"),
        ("length", "MAX_TOKENS", "max_tokens"),
        ("tool_calls", "end_turn", "tool_use"),
        ("content_filter", "SAFETY", "refusal"),
    ],
)
def test_stop_reasons(reason: ir.FinishReason, detail: str | None, word: str) -> None:
    assert whole([ir.UsageReported(USAGE), *text(0, "a"), *over(reason, detail)])["stop_reason"] == word


def test_the_stop_sequence_is_told() -> None:
    ended = ir.Ended({"stop_sequence": msgspec.Raw(b'"END"')})
    events = [ir.UsageReported(USAGE), *text(0, "a"), ir.Finished(0, "stop", "stop_sequence"), ended]
    assert whole(events)["stop_sequence"] == "END"


def test_a_refusal_is_a_stop_with_details() -> None:
    events: list[ir.Event] = [ir.BlockStarted(0, "refusal", 0), ir.Delta(0, "text", "No."), ir.BlockEnded(0)]
    body = whole([ir.UsageReported(USAGE), *events, *over()])
    assert (body["content"], body["stop_reason"]) == ([], "refusal")
    assert body["stop_details"] == {"type": "refusal", "category": None, "explanation": "No."}


def test_only_the_first_choice_can_be_said() -> None:
    second = [ir.BlockStarted(1, "text", 1, choice=1), ir.Delta(1, "text", "b"), ir.BlockEnded(1)]
    events = [ir.UsageReported(USAGE), *text(0, "a"), *second, ir.Finished(1, "length"), *over()]
    body = whole(events)
    assert [block["text"] for block in body["content"]] == ["a"]
    assert body["stop_reason"] == "end_turn"


def test_what_was_not_told_is_zero_on_the_wire() -> None:
    body = whole([*text(0, "a"), ir.Finished(0, "stop"), ir.Ended()])
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (0, 0)
    assert body["usage"]["cache_read_input_tokens"] is None


def test_g06_a_failure_is_an_error_event_and_the_last() -> None:
    failure = ir.Failure("overloaded", 503, "busy", "server_error")
    writer = DIALECT.writer(ECHO)
    for event in text(0, "a"):
        writer.write(event)
    lines = writer.write(ir.Failed(failure))
    assert lines == [b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n']
    assert writer.write(ir.Ended()) == []
    assert DIALECT.cut(failure, None, None, ECHO) == lines
