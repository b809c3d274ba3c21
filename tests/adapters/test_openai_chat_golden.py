"""Every recorded chat answer, read to its end and written again, whole and streamed, cut anywhere."""

from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_chat_kit import chunks, echo, is_stream, recordings, relayed, text_of

from adapters import failures, ir
from adapters.openai_chat import DIALECT
from adapters.relay import Whole
from adapters.sse import Splitter

UNREAD = ("stream_error", "test_text_response")
"""Recordings of failures: an error after the finish, and plain text in the place of JSON."""


def _sse(line: str, end: str = "\n\n") -> bytes:
    shell = '"id":"chatcmpl-1","created":1,"model":"up","choices":['
    return ("data: {" + shell + line + "}" + end).encode()


def _delta(delta: str) -> str:
    return '{"index":0,"delta":' + delta + "}]"


SNOWMAN = b"".join(
    (
        _sse(_delta('{"role":"assistant","content":""}')),
        b": ping\n\n",
        _sse(_delta('{"reasoning":"☃ hm"}'), "\r\n\r\n"),
        _sse(_delta('{"content":"🚂é"}')),
        _sse(_delta(r'{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a\":"}}]}')),
        _sse(_delta(r'{"tool_calls":[{"index":0,"function":{"arguments":"\"汉\"}"}}]}')),
        _sse('{"index":0,"delta":{},"finish_reason":"tool_calls"}]'),
        _sse('],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}'),
        b"data: [DONE]\n\n",
    )
)
"""Characters of two, three and four bytes, reasoning, a call in pieces, a comment, CRLF and a usage chunk."""


def _events(body: bytes) -> list[ir.Event]:
    if not is_stream(body):
        return list(DIALECT.read_response(body))
    reader, splitter = DIALECT.reader(), Splitter()
    frames = [*splitter.feed(body), *splitter.end()]
    return [event for frame in frames for event in reader.read(frame)] + list(reader.end())


def _data(body: bytes) -> list[bytes]:
    splitter = Splitter()
    return [frame.data for frame in (*splitter.feed(body), *splitter.end())]


def test_every_recording_is_read_to_its_end(shared: Path) -> None:
    read = 0
    for name, status, body in recordings(shared):
        if status != 200:
            continue
        told = _events(body)
        ends = [event for event in told if isinstance(event, ir.Ended | ir.Failed)]
        assert len(ends) == 1, name
        if "test_text_response" in name:  # a server that answers plain text
            assert ends == [ir.Failed(failures.bad_response("a body that is not a chat completion"))]
            continue
        failed = isinstance(ends[0], ir.Failed)
        assert failed == ("stream_error" in name), (name, ends)
        read += not failed
        reply = ir.collect(told)
        assert reply.usage is not None or "fallback" in name, name
        assert any(block.text or block.meta for block in reply.blocks) or reply.finishes[0].reason != "stop", name
    assert read > 35


def test_every_recording_reaches_a_client_in_the_sdks_strict_types(shared: Path) -> None:
    for name, status, body in recordings(shared):
        if status != 200 or any(word in name for word in UNREAD):
            continue
        told = _events(body)
        reply = ir.collect(told)
        if is_stream(body):
            shown = chunks(line + b"\n\n" for line in relayed(body)[1].split(b"\n\n") if line)
            content = "".join(c.choices[0].delta.content or "" for c in shown if c.choices)
            assert {c.id for c in shown} == {shown[0].id}, name
            assert [c.choices[0].finish_reason for c in shown if c.choices and c.choices[0].finish_reason] != [], name
        else:
            answer = Whole(DIALECT, DIALECT, echo(), body, exact=False)
            content = msgspec.json.decode(answer.body)["choices"][0]["message"]["content"] or ""
        assert content == "".join(b.text for b in reply.blocks if b.kind == "text" and b.choice == 0), name


def test_recorded_errors_become_the_mapped_failure(shared: Path) -> None:
    seen = {name: DIALECT.read_error(status, {}, body) for name, status, body in recordings(shared) if status != 200}
    assert seen["reasoning-model-legacy-parameter-error.json"] == ir.Failure(
        "invalid",
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        code="unsupported_parameter",
        param="max_tokens",
        upstream_status=400,
    )
    limited = [failure for name, failure in seen.items() if "errors_raised" in name]
    assert {(failure.kind, failure.status, failure.code) for failure in limited} == {
        ("limited", 429, "rate_limit_exceeded")
    }


def test_an_error_after_the_finish_is_still_told(shared: Path) -> None:
    body = next(body for name, _, body in recordings(shared) if "stream_error" in name)
    relay, out = relayed(body)
    assert relay.failure is not None
    assert relay.failure.message == "Token limit reached"
    assert b'data: {"error":{"message":"Token limit reached"' in out
    assert b"[DONE]" not in out
    assert relay.usage is not None
    assert relay.usage.input == 43


def test_a_compatible_server_without_call_ids_gets_unique_ones(shared: Path) -> None:
    body = next(body for name, _, body in recordings(shared) if "without_id" in name)
    reply = ir.collect(list(DIALECT.read_response(body)))
    (call,) = reply.blocks
    assert call.meta["name"] == "get_current_time"
    assert call.meta["id"].startswith("call_")
    assert call.text == "{}"
    assert reply.usage == ir.Usage(input=35, output=74, total=109)  # 62 of them thinking, told in the total only


def test_whole_and_streamed_fixtures_give_the_same_usage_fields_g82(shared: Path) -> None:
    for name, status, body in recordings(shared):
        if status != 200 or any(word in name for word in UNREAD):
            continue
        reply = ir.collect(_events(body))
        shown = msgspec.json.decode(DIALECT.write_response(reply, echo())).get("usage")
        if shown is None:
            assert reply.usage is None
            continue
        assert shown["total_tokens"] == shown["prompt_tokens"] + shown["completion_tokens"], name
        assert shown.get("prompt_tokens_details", {}).get("cached_tokens", 0) <= shown["prompt_tokens"]
        assert shown.get("completion_tokens_details", {}).get("reasoning_tokens", 0) <= shown["completion_tokens"]


@given(st.lists(st.integers(0, len(SNOWMAN)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_g02_any_cut_gives_the_same_answer(cuts: list[int]) -> None:
    relay, out = relayed(SNOWMAN, cuts)
    assert out == relayed(SNOWMAN)[1]
    assert relay.usage == ir.Usage(input=3, output=4, total=7)


def test_g02_every_single_cut_gives_the_same_bytes() -> None:
    uncut = relayed(SNOWMAN)[1]
    assert {relayed(SNOWMAN, [cut])[1] for cut in range(len(SNOWMAN))} == {uncut}
    shown = chunks(line + b"\n\n" for line in uncut.split(b"\n\n") if line)
    assert "".join(c.choices[0].delta.content or "" for c in shown if c.choices) == "🚂é"
    calls = [call for c in shown if c.choices for call in c.choices[0].delta.tool_calls or ()]
    assert "".join(call.function.arguments or "" for call in calls if call.function) == '{"a":"汉"}'


@given(st.lists(st.integers(0, len(SNOWMAN)), max_size=8))
@settings(max_examples=40, deadline=None)
def test_an_exact_relay_passes_every_frame_but_comments(cuts: list[int]) -> None:
    relay, out = relayed(SNOWMAN, cuts, exact=True)
    assert out == SNOWMAN.replace(b": ping\n\n", b"").replace(b'"model":"up"', b'"model":"alias"')
    assert relay.usage == ir.Usage(input=3, output=4, total=7)
    assert relay.failure is None


def test_an_exact_relay_of_a_recording_changes_only_the_model(shared: Path) -> None:
    for name, status, body in recordings(shared):
        if status == 200 and is_stream(body) and "stream_error" not in name:
            relay, out = relayed(body, exact=True)
            frames = _data(body)
            assert _data(out) == [
                data.replace(b'"model":"%s"' % (relay.model or "").encode(), b'"model":"alias"', 1) for data in frames
            ], name


def test_text_survives_reading_and_writing(shared: Path) -> None:
    body = next(body for name, _, body in recordings(shared) if name == "openai-text.chunks.txt")
    assert len(text_of(_events(body))) > 1000
