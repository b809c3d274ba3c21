"""The writer: hub events as chunks that the SDK's strict types accept."""

import msgspec
from openai_chat_kit import chunks, echo, stream, whole

from adapters import failures, ir

USAGE = ir.UsageReported(ir.Usage(input=3, output=4, cached=1, reasoning=2))
STARTED = ir.Started("up-1", "up", 9)
TEXT = (ir.BlockStarted(0, "text", 0), ir.Delta(0, "text", "Hel"), ir.Delta(0, "text", "lo"), ir.BlockEnded(0))
STOP = (ir.Finished(0, "stop"), ir.Ended())
CALLS = (
    ir.BlockStarted(4, "tool_call", 4, meta={"id": "a", "name": "f"}),
    ir.Delta(4, "arguments", '{"x":'),
    ir.Delta(4, "arguments", "1}"),
    ir.BlockEnded(4),
    ir.BlockStarted(7, "tool_call", 7, meta={"id": "b", "name": "g"}),
    ir.Delta(7, "arguments", '{"y":2}'),
    ir.BlockEnded(7),
)


def test_a_plain_stream() -> None:
    lines = stream([STARTED, *TEXT, USAGE, *STOP])
    shown = chunks(lines)
    assert lines[-1] == b"data: [DONE]\n\n"
    assert [c.choices[0].delta.content for c in shown] == ["", "Hel", "lo", None]
    assert [c.choices[0].delta.role for c in shown] == ["assistant", None, None, None]
    assert [c.choices[0].finish_reason for c in shown] == [None, None, None, "stop"]


def test_g04_g73_id_created_and_model_are_constant() -> None:
    shown = chunks(stream([STARTED, *TEXT, *STOP], echo(usage=True)))
    assert {(c.id, c.created, c.model) for c in shown} == {("chatcmpl-5eed", 1_800_000_000, "alias")}


def test_an_id_of_openais_kind_is_kept_and_its_fingerprint_shown() -> None:
    started = ir.Started("chatcmpl-77", "up", 9, {"system_fingerprint": msgspec.Raw(b'"fp_1"')})
    shown = chunks(stream([started, *TEXT, *STOP]))
    assert {(c.id, c.system_fingerprint) for c in shown} == {("chatcmpl-77", "fp_1")}


def test_g03_usage_only_when_asked_and_then_last_with_no_choice() -> None:
    told = [STARTED, *TEXT, ir.UsageReported(ir.Usage(input=3)), USAGE, *STOP]
    assert not any(c.usage for c in chunks(stream(told)))
    lines = stream(told, echo(usage=True))
    shown = chunks(lines)
    assert [c.usage for c in shown[:-1]] == [None] * (len(shown) - 1)
    assert all(b'"usage":null' in line for line in lines[:-2])
    assert shown[-1].choices == []
    usage = shown[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 4, 7)
    assert lines[-1] == b"data: [DONE]\n\n"


def test_unknown_usage_is_no_usage_chunk() -> None:
    for told in ([*TEXT, *STOP], [*TEXT, ir.UsageReported(ir.Usage(output=3)), *STOP]):
        assert all(c.choices for c in chunks(stream([STARTED, *told], echo(usage=True))))


def test_g01_indices_count_calls_and_the_head_comes_once() -> None:
    shown = chunks(stream([STARTED, *TEXT, *CALLS, ir.Finished(0, "tool_calls"), ir.Ended()]))
    pieces = [call for c in shown for call in c.choices[0].delta.tool_calls or ()]
    assert [piece.index for piece in pieces] == [0, 0, 0, 1, 1]
    assert [piece.id for piece in pieces] == ["a", None, None, "b", None]
    assert [piece.type for piece in pieces] == ["function", None, None, "function", None]
    assert [piece.function.name for piece in pieces if piece.function] == ["f", None, None, "g", None]
    for index, arguments in ((0, '{"x":1}'), (1, '{"y":2}')):
        assert "".join(p.function.arguments or "" for p in pieces if p.index == index and p.function) == arguments


def test_g10_a_call_without_arguments_has_the_empty_object() -> None:
    told = [CALLS[0], ir.Delta(4, "arguments", ""), ir.BlockEnded(4), ir.Finished(0, "tool_calls"), ir.Ended()]
    pieces = [call for c in chunks(stream(told)) for call in c.choices[0].delta.tool_calls or ()]
    assert "".join(piece.function.arguments or "" for piece in pieces if piece.function) == "{}"


def test_a_call_without_an_id_gets_one_of_ours() -> None:
    told = [
        ir.BlockStarted(0, "tool_call", 0, meta={"name": "f"}),
        ir.BlockEnded(0),
        ir.Finished(0, "stop"),
        ir.Ended(),
    ]
    streamed = next(c.choices[0].delta.tool_calls[0].id for c in chunks(stream(told)) if c.choices[0].delta.tool_calls)
    assert streamed == "call_5eed0"
    assert whole(told).choices[0].message.tool_calls[0].id == streamed  # type: ignore[index]


def test_custom_calls_pass_the_sdks_chunk_type() -> None:
    told = [
        ir.BlockStarted(0, "custom_tool_call", 0, meta={"id": "c", "name": "sh"}),
        ir.Delta(0, "arguments", "ls"),
        ir.BlockEnded(0),
        ir.Finished(0, "tool_calls"),
        ir.Ended(),
    ]
    pieces = [call.model_dump() for c in chunks(stream(told)) for call in c.choices[0].delta.tool_calls or ()]
    assert pieces[0]["custom"] == {"name": "sh", "input": ""}
    assert pieces[1]["custom"] == {"input": "ls"}


def test_g22_g25_the_finish_follows_the_calls() -> None:
    def finish(*told: ir.Event) -> str | None:
        return chunks(stream([STARTED, *told, ir.Ended()]))[-1].choices[0].finish_reason

    assert finish(*CALLS, ir.Finished(0, "stop")) == "tool_calls"
    assert finish(*TEXT, ir.Finished(0, "tool_calls")) == "stop"
    assert finish(*CALLS, ir.Finished(0, "length")) == "length"
    assert finish(ir.Finished(0, "content_filter")) == "content_filter"


def test_g75_reasoning_is_never_content() -> None:
    told = [
        ir.BlockStarted(0, "reasoning", 0),
        ir.Delta(0, "summary", "one"),
        ir.Delta(0, "text", "the same in full"),
        ir.Delta(0, "state", "secret"),
        ir.BlockEnded(0),
        ir.BlockStarted(1, "reasoning", 0),
        ir.Delta(1, "summary", "two"),
        ir.BlockEnded(1),
        *(ir.BlockStarted(2, "text", 1), ir.Delta(2, "text", "yes"), ir.BlockEnded(2)),
        *STOP,
    ]
    lines = stream(told)
    shown = [c.choices[0].delta.model_dump(exclude_unset=True) for c in chunks(lines)]
    assert "".join(delta.get("reasoning_content", "") for delta in shown) == "one\n\ntwo"
    assert "".join(delta.get("content") or "" for delta in shown) == "yes"
    assert b"secret" not in b"".join(lines)


def test_refusals_logprobs_and_citations() -> None:
    token = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    told = [
        ir.BlockStarted(0, "text", 0),
        ir.Delta(0, "text", "a", [token]),
        ir.Annotated(0, ir.Annotation("url_citation", "https://e.org", None, 0, 1)),
        ir.Annotated(0, ir.Annotation("file_citation")),
        ir.BlockEnded(0),
        ir.BlockStarted(1, "text", 1),
        ir.Delta(1, "text", "bc"),
        ir.Annotated(1, ir.Annotation("url_citation", "https://f.org", "F", 0, 2)),
        ir.BlockEnded(1),
        ir.BlockStarted(2, "refusal", 1),
        ir.Delta(2, "text", "no", [token]),
        ir.BlockEnded(2),
        *STOP,
    ]
    shown = chunks(stream(told))
    assert [
        c.choices[0].logprobs.content[0].token for c in shown if c.choices[0].logprobs and c.choices[0].logprobs.content
    ] == ["a"]
    assert [
        c.choices[0].logprobs.refusal[0].token for c in shown if c.choices[0].logprobs and c.choices[0].logprobs.refusal
    ] == ["a"]
    assert "".join(c.choices[0].delta.refusal or "" for c in shown) == "no"
    deltas = [c.choices[0].delta.model_dump(exclude_unset=True) for c in shown if c.choices]
    cited = [one for delta in deltas for one in delta.get("annotations", ())]
    assert [one["url_citation"] for one in cited] == [
        {"start_index": 0, "end_index": 1, "title": "https://e.org", "url": "https://e.org"},
        {"start_index": 1, "end_index": 3, "title": "F", "url": "https://f.org"},
    ]
    answer = whole(told).choices[0]
    assert answer.message.refusal == "no"
    assert [one.url_citation.model_dump() for one in answer.message.annotations or ()] == [
        o["url_citation"] for o in cited
    ]
    assert answer.logprobs is not None


def test_blocks_that_chat_cannot_show_are_left_out() -> None:
    told = [
        ir.BlockStarted(0, "server_tool", 0, meta={"type": "web_search_call", "family": "openai"}),
        ir.Delta(0, "arguments", "q"),
        ir.BlockEnded(0, raw=msgspec.Raw(b"{}")),
        ir.BlockStarted(1, "image", 1),
        ir.BlockEnded(1),
        *(ir.BlockStarted(2, "text", 2), ir.Delta(2, "text", "x"), ir.BlockEnded(2)),
        *STOP,
    ]
    assert stream(told) == stream(told[5:])
    assert whole(told).choices[0].message.content == "x"


def test_g06_a_failure_is_an_error_frame_and_never_a_finish() -> None:
    failure = failures.by_status(529, "Overloaded")
    lines = stream([STARTED, *TEXT[:2], ir.Failed(failure), ir.Delta(0, "text", "late"), *STOP])
    assert lines[-1] == (
        b'data: {"error":{"message":"Overloaded","type":"server_error","param":null,"code":"upstream_overloaded"}}\n\n'
    )
    assert b"[DONE]" not in b"".join(lines)
    assert b'"finish_reason":"' not in b"".join(lines)


def test_g33_an_answer_of_nothing_is_still_whole() -> None:
    told = [STARTED, ir.Finished(0, "length"), USAGE, ir.Ended()]
    shown = chunks(stream(told))
    assert [(c.choices[0].delta.content, c.choices[0].finish_reason) for c in shown] == [("", None), (None, "length")]
    answer = whole(told)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("", "length")


def test_two_choices_each_open_and_close_once() -> None:
    told = [
        STARTED,
        ir.BlockStarted(0, "text", 0, 0),
        ir.BlockStarted(1, "text", 1, 1),
        ir.Delta(0, "text", "a"),
        ir.Delta(1, "text", "b"),
        ir.BlockEnded(0),
        ir.BlockEnded(1),
        ir.Finished(1, "stop"),
        ir.Finished(0, "length"),
        ir.Ended(),
    ]
    shown = chunks(stream(told, echo(n=2)))
    for index, text, reason in ((0, "a", "length"), (1, "b", "stop")):
        own = [c.choices[0] for c in shown if c.choices[0].index == index]
        assert [c.delta.role for c in own] == ["assistant", None, None]
        assert "".join(c.delta.content or "" for c in own) == text
        assert own[-1].finish_reason == reason
    assert [choice.message.content for choice in whole(told).choices] == ["a", "b"]
