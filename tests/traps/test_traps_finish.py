"""Traps of endings, through the public door: G24 and G85 of the list of failures seen in the field."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from checker import parse_sse
from heard import heard
from road import APIS, MODES, Road, body, build
from scripted import Answer, stream, whole
from vendors import Json, claude_block, claude_end, claude_start, data


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def claude(reason: str, *, stream_: bool) -> Answer:
    """Some text, ended for this reason."""
    if stream_:
        hello = claude_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hello"})
        return stream(claude_start(), *hello, *claude_end(reason))
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "stop_sequence": None}
    usage = {"input_tokens": 7, "output_tokens": 5}
    return whole({**head, "content": [{"type": "text", "text": "Hello"}], "stop_reason": reason, "usage": usage})


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("reason", "finish"),
    [("refusal", "content_filter"), ("model_context_window_exceeded", "length"), ("max_tokens", "length")],
)
def test_g24_no_other_end_becomes_a_stop(road: Road, api: str, reason: str, finish: str, stream_: bool) -> None:
    road.upstream.script(claude(reason, stream_=stream_))
    told = road.hear(api, "claude", stream=stream_)
    assert (told.text, told.finish) == ("Hello", finish)


@pytest.mark.parametrize("api", APIS)
def test_g24_a_pause_is_an_error_and_no_end(road: Road, api: str) -> None:
    """OpenAI's APIs have no word for an answer that goes on when it is asked again."""
    road.upstream.script(claude("pause_turn", stream_=False))
    got = road.post(api, body(api, "claude"))
    assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_error")
    assert "pause_turn" in got.json()["error"]["message"]
    road.recovers("claude")


@pytest.mark.parametrize("api", APIS)
def test_g24_a_pause_after_the_first_words_ends_the_stream_in_an_error(road: Road, api: str) -> None:
    road.upstream.script(claude("pause_turn", stream_=True))
    got = road.post(api, body(api, "claude", stream=True))
    assert got.status_code == 200
    assert b"Hello" in got.content
    assert b'"finish_reason":"' not in got.content
    if api == "responses":
        events = parse_sse(got.content)
        assert events[-1]["type"] == "response.failed"
        assert "pause_turn" in events[-1]["response"]["error"]["message"]
    else:
        chunks = [json.loads(line[6:]) for line in got.text.split("\n") if line.startswith('data: {"error"')]
        assert [chunk["error"]["code"] for chunk in chunks] == ["upstream_error"]
    road.recovers("claude")


USAGE = {"promptTokenCount": 9, "totalTokenCount": 9}
BLOCKED: dict[str, Json] = {
    "prompt": {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": USAGE},
    "candidate": {"candidates": [{"finishReason": "SAFETY", "index": 0}], "usageMetadata": USAGE},
}


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("what", BLOCKED)
def test_g85_a_blocked_prompt_is_an_answer_without_content(road: Road, api: str, what: str, stream_: bool) -> None:
    road.upstream.script(stream(data(BLOCKED[what])) if stream_ else whole(BLOCKED[what]))
    asked = body(api, "gemini", stream=stream_)
    got = road.ask(api, "gemini", stream=stream_)
    told = heard(api, got.content, stream=stream_, asked=asked)
    assert (told.text, told.calls, told.finish) == ("", [], "content_filter")
    assert told.usage["input"] == 9
    if api == "chat" and not stream_:
        (choice,) = got.json()["choices"]
        assert choice["message"]["content"] in (None, "")
    if api == "responses":
        response = parse_sse(got.content)[-1]["response"] if stream_ else got.json()
        assert response["incomplete_details"] == {"reason": "content_filter"}
