"""Whole answers: read from any server, written in OpenAI's exact shape."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_chat_kit import check_grammar, chunks, echo, stream, whole

from adapters import ir
from adapters.openai_chat import DIALECT


def answer(message: dict, finish: str | None = "stop", **top: object) -> list[ir.Event]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    shell = {"id": "x", "object": "chat.completion", "created": 7, "model": "up", "choices": [choice]}
    told = list(DIALECT.read_response(msgspec.json.encode({**shell, **top})))
    check_grammar(told)
    return told


def test_text_reasoning_and_usage() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12, "prompt_tokens_details": None}
    got = whole(answer({"content": "yes", "reasoning": "hm"}, usage=usage, service_tier="standard"))
    message = got.choices[0].message
    assert (message.content, message.model_dump()["reasoning_content"]) == ("yes", "hm")
    assert got.usage is not None
    assert (got.usage.total_tokens, got.usage.prompt_tokens_details) == (12, None)
    assert got.service_tier is None  # G72: "standard" is no word of the SDK's
    assert (got.id, got.model, got.created) == ("chatcmpl-5eed", "alias", 1_800_000_000)


def test_what_openai_says_of_itself_is_kept() -> None:
    got = whole(
        answer(
            {"content": "a"}, id="chatcmpl-1", service_tier="flex", system_fingerprint="fp", usage={"prompt_tokens": 1}
        )
    )
    assert (got.id, got.system_fingerprint, got.service_tier, got.usage) == ("chatcmpl-1", "fp", "flex", None)


def test_calls_whatever_their_index_and_id() -> None:
    call = {"index": 0, "id": "", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    got = whole(answer({"content": None, "tool_calls": [call, call]}, "stop"))
    calls = got.choices[0].message.tool_calls or []
    assert [one.function.arguments for one in calls if one.type == "function"] == ['{"a":1}', '{"a":1}']
    assert len({one.id for one in calls}) == 2
    assert (got.choices[0].finish_reason, got.choices[0].message.content) == ("tool_calls", None)


def test_g10_empty_arguments_and_custom_calls() -> None:
    empty = {"id": "a", "function": {"name": "f", "arguments": ""}}
    custom = {"id": "b", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    got = whole(answer({"tool_calls": [empty, custom]}, "tool_calls"))
    first, second = got.choices[0].message.tool_calls or ()
    assert first.type == "function"
    assert first.function.arguments == "{}"
    assert second.type == "custom"
    assert (second.custom.name, second.custom.input) == ("sh", "ls")


def test_a_whole_answer_without_a_finish_word_is_whole() -> None:
    assert whole(answer({"content": "a"}, None)).choices[0].finish_reason == "stop"


def test_refusal_and_filter() -> None:
    got = whole(answer({"content": None, "refusal": "no"}, "content_filter")).choices[0]
    assert (got.message.refusal, got.message.content, got.finish_reason) == ("no", None, "content_filter")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "bad_response", 502),
        (b"<html>", "bad_response", 502),
        (b"[]", "bad_response", 502),
        (b"{}", "bad_response", 502),
        (b'{"choices":[]}', "bad_response", 502),
        (b'{"choices":null,"model":"m"}', "bad_response", 502),
        (b'{"error":"Unexpected endpoint or method. (POST /chat)"}', "upstream_error", 502),  # LM Studio, status 200
        (b'{"error":{"message":"m","code":404}}', "not_found", 404),
        (b'{"choices":[{"finish_reason":"error","message":{"content":"a"}}]}', "upstream_error", 502),
    ],
)
def test_bodies_that_are_no_answer(body: bytes, kind: str, status: int) -> None:
    told = DIALECT.read_response(body)
    assert isinstance(told[-1], ir.Failed)
    assert (told[-1].failure.kind, told[-1].failure.status) == (kind, status)


TEXT = st.text(max_size=8)
BLOCKS = st.lists(
    st.tuples(st.just("text"), TEXT) | st.tuples(st.just("reasoning"), TEXT) | st.tuples(st.just("tool_call"), TEXT),
    max_size=6,
)


def _events(blocks: list[tuple[ir.BlockKind, str]]) -> list[ir.Event]:
    out: list[ir.Event] = [ir.Started("chatcmpl-9", "up", 1)]
    for at, (kind, text) in enumerate(blocks):
        meta = {"id": f"c{at}", "name": "f"} if kind == "tool_call" else {}
        data = msgspec.json.encode({"t": text}).decode() if kind == "tool_call" else text
        out += [ir.BlockStarted(at, kind, at, meta=meta)]
        out += [
            ir.Delta(at, "arguments" if kind == "tool_call" else "text", piece)
            for piece in (data[:2], data[2:])
            if piece
        ]
        out.append(ir.BlockEnded(at))
    usage = ir.UsageReported(ir.Usage(input=7, output=5, cached=2, cache_write=1, reasoning=3, total=12))
    return [*out, usage, ir.Finished(0, "stop"), ir.Ended()]


@given(BLOCKS)
def test_whole_and_streamed_say_the_same_and_survive_another_reading(blocks: list[tuple[ir.BlockKind, str]]) -> None:
    told = _events(blocks)
    message = whole(told).choices[0].message
    shown = chunks(stream(told, echo(usage=True)))
    deltas = [c.choices[0].delta.model_dump() for c in shown if c.choices]
    assert "".join(delta["content"] or "" for delta in deltas) == (message.content or "")
    thoughts = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert thoughts == (message.model_dump().get("reasoning_content") or "")
    assert shown[-1].usage == whole(told).usage
    again = ir.collect(list(DIALECT.read_response(DIALECT.write_response(ir.collect(told), echo()))))
    assert again.usage == ir.collect(told).usage
    assert [b.text for b in again.blocks if b.kind == "tool_call"] == [
        b.text for b in ir.collect(told).blocks if b.kind == "tool_call"
    ]
    assert [b.meta["id"] for b in again.blocks if b.kind == "tool_call"] == [
        f"c{at}" for at, (kind, _) in enumerate(blocks) if kind == "tool_call"
    ]
