"""Whole Gemini answers, read and written, and the stream for a Gemini client."""

from pathlib import Path
from typing import Any

import gemini_recordings as recordings
import msgspec
import pytest
from vendor_types import assert_google_response

from adapters import ir
from adapters.google_gemini import DIALECT

ECHO = ir.Echo("ab12", 1_700_000_000, "shown")


def read(told: Any) -> ir.Reply:
    return ir.collect(DIALECT.read_response(msgspec.json.encode(told)))


def written(*events: ir.Event) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_response(ir.collect(events), ECHO))
    assert_google_response(body)
    return body


def streamed(*events: ir.Event) -> list[dict[str, Any]]:
    writer = DIALECT.writer(ECHO)
    chunks = [chunk for event in events for chunk in writer.write(event)]
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in chunks)
    frames: list[dict[str, Any]] = [msgspec.json.decode(chunk[6:]) for chunk in chunks]
    for frame in frames:
        assert_google_response(frame)
    return frames


def test_recorded_answers_lose_nothing(shared: Path) -> None:
    for name, body in recordings.answers(shared):
        told = msgspec.json.decode(body)
        found = ir.collect(DIALECT.read_response(body))
        assert found.failure is None, name
        assert found.ended is not None, name
        parts = [
            part for candidate in told.get("candidates", []) for part in candidate.get("content", {}).get("parts", [])
        ]
        said = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        assert "".join(block.text for block in found.blocks if block.kind == "text") == said, name
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        assert [
            (block.meta["name"], msgspec.json.decode(block.text)) for block in found.blocks if block.kind == "tool_call"
        ] == [(call["name"], call["args"]) for call in calls], name
        assert found.started.model == told["modelVersion"]
        if "totalTokenCount" in (counts := told["usageMetadata"]):
            assert found.usage is not None
            assert found.usage.total == counts["totalTokenCount"], name
            assert found.usage.input is not None
            assert found.usage.output is not None
            assert found.usage.input + found.usage.output == found.usage.total, name


def test_recorded_answers_written_again_are_googles_and_equal(shared: Path) -> None:
    for name, body in recordings.answers(shared):
        before = ir.collect(DIALECT.read_response(body))
        again = DIALECT.write_response(before, ECHO)
        assert_google_response(msgspec.json.decode(again))
        after = ir.collect(DIALECT.read_response(again))
        assert after.finishes == before.finishes, name
        assert [block.text for block in after.blocks] == [block.text for block in before.blocks], name
        assert [block.state for block in after.blocks] == [block.state for block in before.blocks], name


@pytest.mark.parametrize("told", [{}, {"candidates": []}, {"usageMetadata": {"promptTokenCount": 1}}, [], "x"])
def test_what_is_no_answer_fails(told: Any) -> None:
    found = read(told).failure
    assert found is not None
    assert (found.kind, found.status) == ("bad_response", 502)


def test_a_whole_answer_without_a_reason_has_stopped() -> None:
    told = read({"candidates": [{"content": {"parts": [{"text": "a"}]}}]})
    assert told.finishes[0].reason == "stop"
    assert told.blocks[0].text == "a"


STATE = ir.VendorState("google", "thought_signature", "c2ln")
RAW = msgspec.Raw(b'{"executableCode":{"code":"1","language":"PYTHON"}}')
ANSWER: tuple[ir.Event, ...] = (
    ir.Started("r1", "up", 1_700_000_001),
    ir.BlockStarted(0, "reasoning", 0),
    ir.Delta(0, "summary", "hm"),
    ir.BlockEnded(0, ir.VendorState("anthropic", "signature", "secret")),
    ir.BlockStarted(1, "text", 1),
    ir.Delta(1, "text", "né "),
    ir.Delta(1, "text", "b"),
    ir.Annotated(1, ir.Annotation("url_citation", "https://a", "A", 1, 4)),
    ir.BlockEnded(1, STATE),
    ir.BlockStarted(2, "tool_call", 2, meta={"id": "c1", "name": "f"}),
    ir.Delta(2, "arguments", '{"a":'),
    ir.Delta(2, "arguments", "2512292042121000001}"),
    ir.BlockEnded(2, STATE),
    ir.BlockStarted(3, "custom_tool_call", 3, meta={"id": "c2", "name": "g"}),
    ir.Delta(3, "arguments", "free"),
    ir.BlockEnded(3),
    ir.BlockStarted(4, "server_tool", 4, meta={"type": "executableCode", "family": "google", "raw": RAW}),
    ir.BlockEnded(4, raw=RAW),
    ir.BlockStarted(5, "server_tool", 5, meta={"type": "web_search_call", "family": "openai", "raw": RAW}),
    ir.BlockEnded(5, raw=RAW),
    ir.Finished(0, "tool_calls", "tool_use"),
    ir.UsageReported(ir.Usage(input=15, output=9, cached=2, reasoning=4, tool_input=5)),
    ir.Ended(),
)
PARTS = [
    {"text": "hm", "thought": True},
    {"text": "né b", "thoughtSignature": "c2ln"},
    {"functionCall": {"id": "c1", "name": "f", "args": {"a": 2512292042121000001}}, "thoughtSignature": "c2ln"},
    {"functionCall": {"id": "c2", "name": "g", "args": {"input": "free"}}},
    {"executableCode": {"code": "1", "language": "PYTHON"}},
]
COUNTS = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 5,
    "totalTokenCount": 24,
    "cachedContentTokenCount": 2,
    "thoughtsTokenCount": 4,
    "toolUsePromptTokenCount": 5,
}
CITED = {
    "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
    "groundingSupports": [{"segment": {"startIndex": 1, "endIndex": 5, "text": "é b"}, "groundingChunkIndices": [0]}],
}
FRAME = {"modelVersion": "shown", "createTime": "2023-11-14T22:13:21Z", "responseId": "r1"}


def test_an_answer_of_another_vendor_for_a_gemini_client() -> None:
    assert written(*ANSWER) == {
        "candidates": [
            {
                "index": 0,
                "content": {"parts": PARTS, "role": "model"},
                "finishReason": "STOP",
                "groundingMetadata": CITED,
            }
        ],
        "usageMetadata": COUNTS,
        **FRAME,
    }


def test_the_same_answer_streamed() -> None:
    frames = streamed(*ANSWER)
    parts = [
        part
        for frame in frames
        for candidate in frame.get("candidates", [])
        for part in candidate.get("content", {}).get("parts", [])
    ]
    assert parts == [PARTS[0], {"text": "né "}, {"text": "b"}, {"text": "", "thoughtSignature": "c2ln"}, *PARTS[2:]]
    assert frames[-2] == {"candidates": [{"finishReason": "STOP", "index": 0, "groundingMetadata": CITED}], **FRAME}
    assert frames[-1] == {"usageMetadata": COUNTS, **FRAME}


def test_usage_known_before_the_end_rides_on_it_once() -> None:
    frames = streamed(
        ir.UsageReported(ir.Usage(input=1, output=1)),
        ir.UsageReported(ir.Usage(output=2)),
        ir.Finished(0, "length"),
        ir.Ended(),
    )
    assert [frame.get("usageMetadata") for frame in frames] == [
        {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}
    ]
    assert frames[0]["candidates"][0]["finishReason"] == "MAX_TOKENS"


def test_arguments_cut_off_are_told_as_they_are() -> None:
    body = written(
        ir.BlockStarted(0, "tool_call", 0, meta={"id": "c", "name": "f"}),
        ir.Delta(0, "arguments", '{"a": tru'),
        ir.BlockEnded(0),
        ir.Finished(0, "length"),
    )
    assert body["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"input": '{"a": tru'}


@pytest.mark.parametrize(
    ("finished", "word"),
    [
        (ir.Finished(0, "stop"), "STOP"),
        (ir.Finished(0, "content_filter", "refusal"), "SAFETY"),
        (ir.Finished(0, "content_filter", "RECITATION"), "RECITATION"),
        (ir.Finished(0, "stop", "OTHER"), "OTHER"),
    ],
)
def test_reasons_are_googles_words(finished: ir.Finished, word: str) -> None:
    assert written(finished)["candidates"][0]["finishReason"] == word
    assert streamed(finished)[0]["candidates"][0]["finishReason"] == word


def test_a_failure_ends_the_stream_with_googles_error() -> None:
    failure = ir.Failure("overloaded", 503, "full", "server_error")
    told = b'data: {"error":{"code":503,"message":"full","status":"UNAVAILABLE"}}\n\n'
    assert DIALECT.writer(ECHO).write(ir.Failed(failure)) == [told]
    assert DIALECT.cut(failure, None, None, ECHO) == [told]
