"""Field by field, answers: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

from typing import Any

import msgspec
import pytest
from gemini_questions import CALL_A, ask, user, written

from adapters import ir
from adapters.google_gemini import DIALECT
from adapters.sse import Frame

ECHO = ir.Echo("ab12", 1_700_000_000, "shown")


def frames(*told: dict[str, Any]) -> list[list[ir.Event]]:
    """The events of each frame, and those of the end."""
    reader = DIALECT.reader()
    out = [list(reader.read(Frame(msgspec.json.encode(one)))) for one in told]
    return [*out, list(reader.end())]


def candidate(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    one = {"content": {"parts": list(parts)}, **more} | ({"finishReason": finish} if finish else {})
    return {"candidates": [one]}


def answered(*events: ir.Event) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_response(ir.collect(events), ECHO))
    return body


def streamed(*events: ir.Event) -> list[dict[str, Any]]:
    writer = DIALECT.writer(ECHO)
    return [msgspec.json.decode(line[6:]) for event in events for line in writer.write(event)]


SIGNED = ir.VendorState("google", "thought_signature", "AAAA")


# --- an answer, read ------------------------------------------------------------------------------------------------


def test_a_whole_call_is_told_with_its_frame() -> None:
    call = {"functionCall": {"id": "i", "name": "f", "args": {}}}
    first, second, _ = frames(candidate({"text": "a"}, call), candidate({"text": "b"}, finish="STOP"))
    assert first == [
        ir.Started(),
        ir.BlockStarted(0, "text", 0),
        ir.Delta(0, "text", "a"),
        ir.BlockEnded(0),
        ir.BlockStarted(1, "tool_call", 1, meta={"id": "i", "name": "f"}),
        ir.Delta(1, "arguments", "{}"),
        ir.BlockEnded(1),
    ]
    assert second == [
        ir.BlockStarted(2, "text", 2),
        ir.Delta(2, "text", "b"),
        ir.BlockEnded(2),
        ir.Finished(0, "tool_calls", "STOP"),
    ]


def test_arguments_in_pieces_are_told_once_they_are_whole() -> None:
    piece = {"jsonPath": "$.a", "stringValue": "b"}
    first, second, _ = frames(
        candidate({"functionCall": {"id": "i", "name": "f", "willContinue": True}}),
        candidate({"functionCall": {"partialArgs": [piece]}}),
    )
    assert first == [ir.Started(), ir.BlockStarted(0, "tool_call", 0, meta={"id": "i", "name": "f"})]
    assert second == [ir.Delta(0, "arguments", '{"a":"b"}'), ir.BlockEnded(0)]


@pytest.mark.parametrize("name", ["executableCode", "codeExecutionResult", "toolCall", "toolResponse", "fileData"])
def test_a_part_of_googles_own_is_whole_from_its_start(name: str) -> None:
    part = {name: {"a": "1"}, "thoughtSignature": "AAAA"}
    raw = msgspec.Raw(msgspec.json.encode(part))
    assert frames(candidate(part))[0][1:] == [
        ir.BlockStarted(0, "server_tool", 0, meta={"type": name, "family": "google", "raw": raw}),
        ir.BlockEnded(0, SIGNED, raw),
    ]


def test_a_citation_is_told_once() -> None:
    cited = {
        "groundingChunks": [{"web": {"uri": "https://e.org", "title": "E"}}],
        "groundingSupports": [{"segment": {"endIndex": 1}, "groundingChunkIndices": [0]}],
    }
    first, second, _ = frames(
        candidate({"text": "a"}, groundingMetadata=cited), candidate({"text": "b"}, groundingMetadata=cited)
    )
    assert ir.Annotated(0, ir.Annotation("url_citation", "https://e.org", "E", 0, 1)) in first
    assert second == [ir.Delta(0, "text", "b")]


FILTERED = [
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "IMAGE_RECITATION",
]

PLAIN = ["STOP", "LANGUAGE", "OTHER", "NO_IMAGE", "ESCALATION", "PUP_LIMITED_DISABLED"]
REASONS = dict.fromkeys(FILTERED, "content_filter") | dict.fromkeys(PLAIN, "stop")

REASONS |= dict.fromkeys(("MAX_TOKENS", "CONTINUATION"), "length")


@pytest.mark.parametrize(("word", "reason"), REASONS.items())
def test_googles_own_word_for_an_end_comes_back(word: str, reason: ir.FinishReason) -> None:
    finished = ir.Finished(0, reason, word)
    assert finished in frames(candidate({"text": "a"}, finish=word))[0]
    assert answered(finished)["candidates"][0]["finishReason"] == word


@pytest.mark.parametrize(
    "word",
    [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "TOO_MANY_TOOL_CALLS",
    ],
)
def test_an_end_that_is_a_failure(word: str) -> None:
    why = f"Gemini ended the answer with {word}: why"
    told = frames(candidate({"text": "a"}, finish=word, finishMessage="why"))[0][-1]
    failure = ir.Failure("upstream_error", 502, why, "server_error", "upstream_error", upstream_status=200)
    assert told == ir.Failed(failure)


def test_an_answer_nested_without_end_is_no_answer() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    (last,) = DIALECT.reader().read(Frame(b'{"error":' + deep + b',"candidates":' + deep + b"}"))
    assert isinstance(last, ir.Failed)


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "kind", "status"),
    [
        ("INVALID_ARGUMENT", "invalid", 400),
        ("FAILED_PRECONDITION", "invalid", 400),
        ("OUT_OF_RANGE", "invalid", 400),
        ("UNAUTHENTICATED", "upstream_auth", 401),
        ("PERMISSION_DENIED", "upstream_auth", 403),
        ("NOT_FOUND", "not_found", 404),
        ("RESOURCE_EXHAUSTED", "limited", 429),
        ("CANCELLED", "upstream_error", 502),
        ("INTERNAL", "upstream_error", 500),
        ("UNAVAILABLE", "overloaded", 503),
        ("DEADLINE_EXCEEDED", "upstream_error", 504),
    ],
)
def test_every_word_of_an_error_in_a_stream(word: str, kind: str, status: int) -> None:
    ((failed,), _) = frames({"error": {"message": "m", "status": word}})
    assert isinstance(failed, ir.Failed)
    assert (failed.failure.kind, failed.failure.upstream_status) == (kind, status)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (409, "FAILED_PRECONDITION"),
        (413, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_every_status_in_googles_words(status: int, word: str) -> None:
    told = msgspec.json.decode(DIALECT.write_error(ir.Failure("k", status, "m")))
    assert told == {"error": {"code": status, "message": "m", "status": word}}


@pytest.mark.parametrize("body", [b"", b'{"error":{"message":"m"}}'])
def test_the_wait_stands_in_the_headers(body: bytes) -> None:
    assert DIALECT.read_error(429, {"retry-after": "7"}, body).retry_after == 7


# --- an answer, written ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "args"), [("tool_call", {"input": '{"cut'}), ("custom_tool_call", {"input": '{"cut'})]
)
def test_a_call_that_is_no_json_is_told_as_it_is(kind: ir.BlockKind, args: dict[str, str]) -> None:
    told = [
        ir.BlockStarted(0, kind, 0, meta={"id": "i", "name": "f"}),
        ir.Delta(0, "arguments", '{"cut'),
        ir.BlockEnded(0, SIGNED),
    ]
    part = {"functionCall": {"id": "i", "name": "f", "args": args}, "thoughtSignature": "AAAA"}
    assert answered(*told)["candidates"][0]["content"]["parts"] == [part]
    assert streamed(*told)[0]["candidates"] == [{"content": {"parts": [part], "role": "model"}, "index": 0}]


def test_free_text_is_the_input_even_where_it_is_json() -> None:
    told = [
        ir.BlockStarted(0, "custom_tool_call", 0, meta={"id": "i", "name": "f"}),
        ir.Delta(0, "arguments", '{"a":1}'),
        ir.BlockEnded(0),
    ]
    (part,) = answered(*told)["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["args"] == {"input": '{"a":1}'}


def test_citations_of_a_second_text_are_moved_behind_the_first() -> None:
    told = [
        ir.BlockStarted(0, "text", 0),
        ir.Delta(0, "text", "né"),
        ir.BlockEnded(0),
        ir.BlockStarted(1, "text", 1),
        ir.Delta(1, "text", "abc"),
        ir.Annotated(1, ir.Annotation("url_citation", "https://e.org", "E", 1, 2)),
        ir.BlockEnded(1),
        ir.Finished(0, "stop"),
    ]
    cited = {
        "groundingChunks": [{"web": {"uri": "https://e.org", "title": "E"}}],
        "groundingSupports": [{"segment": {"startIndex": 4, "endIndex": 5, "text": "b"}, "groundingChunkIndices": [0]}],
    }
    assert answered(*told)["candidates"][0]["groundingMetadata"] == cited
    assert streamed(*told)[-1]["candidates"][0]["groundingMetadata"] == cited


def test_every_frame_of_a_stream() -> None:
    told = [
        ir.Started("r1", "up", 1_600_000_000),
        ir.UsageReported(ir.Usage(input=1, output=2)),
        ir.BlockStarted(0, "text", 0, 1),
        ir.Delta(0, "text", "a"),
        ir.BlockEnded(0),
        ir.Finished(1, "stop"),
        ir.Ended(),
    ]
    same = {"modelVersion": "shown", "createTime": "2020-09-13T12:26:40Z", "responseId": "r1"}
    counts = {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}
    assert streamed(*told) == [
        {"candidates": [{"content": {"parts": [{"text": "a"}], "role": "model"}, "index": 1}], **same},
        {"candidates": [{"finishReason": "STOP", "index": 1}], "usageMetadata": counts, **same},
    ]


def test_a_call_of_the_conversation_goes_back() -> None:
    request = ask(user("a"), ir.Message("assistant", (CALL_A,)), ir.Message("tool", (ir.ToolResult("a1", ()),)))
    assert written(request)["contents"][1]["parts"] == [
        {"functionCall": {"id": "a1", "name": "weather", "args": {"city": "Oslo"}}}
    ]
