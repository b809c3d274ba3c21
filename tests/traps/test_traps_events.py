"""Traps of Responses' events and input, through the public door: G56, G57, G58, G60, G79 of the list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from checker import check_responses, parse_sse
from heard import heard
from road import BACKENDS, MODES, Road, body, build
from scripted import Answer, stream, whole
from vendors import DONE, Call, Json, Says, chunk, claude_block, claude_end, claude_start, data, gemini, response, typed

TRANSLATED = [name for name in BACKENDS if name != "gpt"]
TALK = Says(("Let ", "me look."), (Call("get_weather", {"city": "Rome"}), Call("get_time", {"zone": "CET"})))


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


# --- G56, G57 ------------------------------------------------------------------------------------------------------


def _thinking() -> dict[str, Answer]:
    """Reasoning, text and a call in one stream, as each dialect tells them."""
    thought = claude_block(
        0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "thinking_delta", "thinking": "Hm."}
    )
    text = claude_block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Look."})
    tool = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
    call = claude_block(2, tool, {"type": "input_json_delta", "partial_json": '{"city":"Rome"}'})
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
    parts: Sequence[Json] = (
        {"text": "Hm.", "thought": True},
        {"text": "Look."},
        {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}},
    )
    piece = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
    }
    local = [
        chunk({"reasoning": "Hm."}),
        chunk({"content": "Look."}),
        chunk({"tool_calls": [piece]}),
        chunk({}, "tool_calls"),
    ]
    return {
        "claude": stream(claude_start(), *thought, *text, *call, *claude_end("tool_use")),
        "gemini": stream(*(data(gemini([part])) for part in parts), data(gemini([{"text": ""}], "STOP", **usage))),
        "vllm": stream(*map(data, local), DONE),
    }


@pytest.mark.parametrize("backend", TRANSLATED)
def test_g56_items_are_announced_and_keep_their_id_and_place(road: Road, backend: str) -> None:
    road.plays(backend, TALK, stream=True)
    events = parse_sse(road.ask("responses", backend, stream=True).content)
    check_responses(events)
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["item"]["type"] for event in events if event["type"] == "response.output_item.done"] == [
        "message",
        "function_call",
        "function_call",
    ]


@pytest.mark.parametrize("backend", ["claude", "gemini", "vllm"])
def test_g56_reasoning_text_and_call_are_three_items(road: Road, backend: str) -> None:
    road.upstream.script(_thinking()[backend])
    asked = body("responses", backend, stream=True, reasoning={"effort": "low", "summary": "auto"})
    events = parse_sse(road.ask("responses", backend, stream=True, reasoning=asked["reasoning"]).content)
    check_responses(events, asked)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [item["type"] for item in done if item["type"] != "reasoning"] == ["message", "function_call"]
    assert done[0]["type"] == "reasoning"


@pytest.mark.parametrize("backend", BACKENDS)
def test_g57_the_end_is_what_codex_waits_for(road: Road, backend: str) -> None:
    road.plays(backend, TALK, stream=True)
    events = parse_sse(road.ask("responses", backend, stream=True).content)
    end = events[-1]
    assert end["type"] == "response.completed"
    assert end["response"]["id"]
    usage = end["response"]["usage"]
    assert all(isinstance(usage[f"{name}_tokens"], int) for name in ("input", "output", "total"))
    assert {"cached_tokens"} <= usage["input_tokens_details"].keys()
    assert {"reasoning_tokens"} <= usage["output_tokens_details"].keys()
    added = sum(event["type"] == "response.output_item.added" for event in events)
    assert added == sum(event["type"] == "response.output_item.done" for event in events) == 3


# --- G58 -----------------------------------------------------------------------------------------------------------

_COUNTS = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
_USAGE = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}


def _cut(backend: str, *, stream_: bool) -> Answer:
    """An answer that its limit has cut."""
    if backend == "claude":
        block = claude_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Once"})
        if stream_:
            return stream(claude_start(), *block, *claude_end("max_tokens"))
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "max_tokens"}
        usage = {"input_tokens": 7, "output_tokens": 5}
        return whole({**head, "stop_sequence": None, "content": [{"type": "text", "text": "Once"}], "usage": usage})
    if backend == "gemini":
        told = gemini([{"text": "Once"}], "MAX_TOKENS", **_USAGE)
        return stream(data(told)) if stream_ else whole(told)
    if backend == "lmstudio":
        return _cut_response(stream_=stream_)
    if stream_:
        usage = {**chunk({}), "choices": [], "usage": _COUNTS}
        return stream(data(chunk({"content": "Once"})), data(chunk({}, "length")), data(usage), DONE)
    choice = {"index": 0, "message": {"role": "assistant", "content": "Once"}, "finish_reason": "length"}
    return whole({**chunk({}), "object": "chat.completion", "choices": [choice], "usage": _COUNTS})


def _cut_response(*, stream_: bool) -> Answer:
    part: Json = {"type": "output_text", "text": "Once", "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "incomplete", "content": [part]}
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    end = response("incomplete", [item], usage=usage, incomplete_details={"reason": "max_output_tokens"})
    if not stream_:
        return whole(end)
    place = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    events: list[Json] = [
        {"type": "response.created", "response": response("in_progress", [])},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **place, "delta": "Once", "logprobs": []},
        {"type": "response.incomplete", "response": end},
    ]
    return stream(*(typed({**event, "sequence_number": n}) for n, event in enumerate(events)))


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("backend", ["claude", "gemini", "vllm", "ollama", "llama", "lmstudio", "openai"])
def test_g58_a_cut_answer_is_incomplete_and_says_why(road: Road, backend: str, stream_: bool) -> None:
    road.upstream.script(_cut(backend, stream_=stream_))
    got = road.ask("responses", backend, stream=stream_)
    heard("responses", got.content, stream=stream_, asked=body("responses", backend, stream=stream_))
    if stream_:
        events = parse_sse(got.content)
        assert events[-1]["type"] == "response.incomplete"
        told = events[-1]["response"]
    else:
        told = got.json()
    assert told["status"] == "incomplete"
    assert told["incomplete_details"] == {"reason": "max_output_tokens"}
    assert told["usage"]["total_tokens"] == 12
    assert told["output"][-1]["status"] == "incomplete"


# --- G60 -----------------------------------------------------------------------------------------------------------

SPELLINGS: tuple[Any, ...] = (
    "Hi!",
    [{"role": "user", "content": "Hi!"}],
    [{"type": "message", "role": "user", "content": "Hi!"}],
    [{"role": "user", "content": [{"type": "input_text", "text": "Hi!"}]}],
    [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi!"}]}],
)


@pytest.mark.parametrize("backend", TRANSLATED)
def test_g60_all_spellings_of_one_input_are_equal(road: Road, backend: str) -> None:
    sent = []
    for spelling in SPELLINGS:
        road.plays(backend, Says(("Hello",)), stream=False)
        road.ask("responses", backend, input=spelling)
        sent.append(road.sent())
    if backend != "lmstudio":  # it speaks Responses, and keeps its client's spelling
        assert all(one == sent[0] for one in sent)
    assert "Hi!" in str(sent[0])


# --- G79 -----------------------------------------------------------------------------------------------------------


def test_g79_a_session_works_on_a_server_without_responses_of_its_own(road: Road) -> None:
    """Two turns of a tool loop: only /chat/completions is asked for."""
    tool = {
        "type": "function",
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    road.plays("vllm", Says((), (Call("get_weather", {"city": "Rome"}, "call_7"),)), stream=True)
    first = parse_sse(road.ask("responses", "vllm", stream=True, tools=[tool]).content)[-1]["response"]
    assert road.upstream.asked[-1].path.endswith("/chat/completions")
    output = {"type": "function_call_output", "call_id": first["output"][0]["call_id"], "output": "18 degrees"}
    road.plays("vllm", Says(("Mild.",)), stream=True)
    items = [{"role": "user", "content": "Hi!"}, *first["output"], output]
    second = road.ask("responses", "vllm", stream=True, tools=[tool], input=items, store=False)
    assert parse_sse(second.content)[-1]["response"]["output"][0]["content"][0]["text"] == "Mild."
    assert road.upstream.asked[-1].path.endswith("/chat/completions")
    assert [message["role"] for message in road.sent()["messages"]] == ["user", "assistant", "tool"]
