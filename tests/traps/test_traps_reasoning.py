"""Traps of reasoning, through the public door: G29-G31, G33 and G75 of the list of failures seen in the field."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from checker import parse_sse
from heard import heard
from road import APIS, BACKENDS, MODES, Road, body, build
from scripted import Answer, stream, whole
from vendors import DONE, Call, Json, Says, answer, chunk, claude_block, claude_end, claude_start, data, gemini

THOUGHT, SAID = "Let me see: 2 and 2.", "It is 4."
BOTH = "provider: openai, model: gpt-5.6, base_url: '{url}/v1'"


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKENDS, "both", ("openai_responses", BOTH))
        for model in ("gpt-5.4", "gpt-6-astra"):
            patch.setitem(BACKENDS, model, ("openai_responses", BOTH.replace("gpt-5.6", model)))
        for model in ("claude-opus-4-7", "claude-opus-5", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"):
            patch.setitem(
                BACKENDS, model, ("anthropic_messages", f"provider: anthropic, model: {model}, base_url: '{{url}}/v1'")
            )
        with build() as built:
            yield built


def told(api: str, content: bytes, *, stream_: bool) -> tuple[str, str]:
    """(what was thought, what was said), as the client finds them, once types and checker have passed the answer."""
    heard(api, content, stream=stream_, asked={"input": "Hi!"} if api == "responses" else None)
    return (_responses if api == "responses" else _chat)(content, stream_=stream_)


def _chat(content: bytes, *, stream_: bool) -> tuple[str, str]:
    if stream_:
        parts = [choice["delta"] for each in parse_sse(content) for choice in each["choices"]]
    else:
        parts = [json.loads(content)["choices"][0]["message"]]
    assert all("reasoning" not in part for part in parts), "one documented field: reasoning_content"
    thought = "".join(part.get("reasoning_content") or "" for part in parts)
    return thought, "".join(part.get("content") or "" for part in parts)


def _responses(content: bytes, *, stream_: bool) -> tuple[str, str]:
    output = parse_sse(content)[-1]["response"]["output"] if stream_ else json.loads(content)["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    thought = "".join(part["text"] for part in [*output[0]["summary"], *output[0].get("content", [])])
    return thought, "".join(part["text"] for part in output[1]["content"])


def thinker(field: str, *, stream_: bool) -> Answer:
    """A chat server that tells its reasoning in this field."""
    usage = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
    if stream_:
        pieces = [{"role": "assistant", "content": ""}, {field: THOUGHT[:9]}, {field: THOUGHT[9:]}, {"content": SAID}]
        chunks = [*(chunk(piece) for piece in pieces), chunk({}, "stop"), {**chunk({}), "choices": [], "usage": usage}]
        return stream(*map(data, chunks), DONE)
    message = {"role": "assistant", field: THOUGHT, "content": SAID}
    head = {"id": "chatcmpl-up", "object": "chat.completion", "created": 1_790_000_000, "model": "chat-up"}
    return whole({**head, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("backend", ["vllm", "ollama", "llama"])
def test_g29_reasoning_under_either_name(road: Road, backend: str, field: str, api: str, stream_: bool) -> None:
    road.upstream.script(thinker(field, stream_=stream_))
    got = road.ask(api, backend, stream=stream_)
    assert told(api, got.content, stream_=stream_) == (THOUGHT, SAID)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize(
    ("backend", "wanted"), [("vllm", "reasoning"), ("ollama", "reasoning"), ("llama", "reasoning_content")]
)
def test_g29_it_goes_back_under_the_name_that_the_server_reads(
    road: Road, backend: str, wanted: str, field: str
) -> None:
    road.plays(backend, Says(("fine",)), stream=False)
    turn = {"role": "assistant", "content": SAID, field: THOUGHT}
    road.ask("chat", backend, messages=[{"role": "user", "content": "a"}, turn, {"role": "user", "content": "b"}])
    sent = road.sent()["messages"][1]
    assert sent[wanted] == THOUGHT
    assert len({"reasoning", "reasoning_content"} & sent.keys()) == 1


def effort(api: str, word: str, **more: str) -> Json:
    return {"reasoning": {"effort": word, **more}} if api == "responses" else {"reasoning_effort": word}


NEW = ("claude", "claude-opus-4-7", "claude-opus-5", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", NEW)
def test_g30_newer_claude_models_are_told_an_effort_and_no_budget(
    road: Road, backend: str, api: str, stream_: bool
) -> None:
    road.plays("claude", Says(("fine",)), stream=stream_)
    got = road.ask(api, backend, stream=stream_, **effort(api, "xhigh"))
    sent = road.sent()
    assert sent["output_config"] == {"effort": "xhigh"}
    assert sent.get("thinking", {"type": "adaptive"})["type"] == "adaptive"
    assert b"budget_tokens" not in road.upstream.asked[-1].raw
    assert got.headers["x-turnout-effort"] == "xhigh"


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("model", ["both", "gpt-5.4", "gpt-6-astra"])
def test_g31_chat_with_tools_and_an_effort_goes_to_openais_responses(road: Road, model: str, stream_: bool) -> None:
    says = Says(
        ("So: ",), [Call("get_weather", {"city": "Rome"}, "call_a"), Call("get_weather", {"city": "Oslo"}, "call_b")]
    )
    road.upstream.script(answer("openai_responses", says, stream_=stream_))
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
    asked = {"tools": [tool], "reasoning_effort": "medium"}
    heard_ = road.hear("chat", model, stream=stream_, **asked)
    assert (heard_.text, heard_.finish) == ("So: ", "tool_calls")
    assert heard_.calls == [("get_weather", {"city": "Rome"}), ("get_weather", {"city": "Oslo"})]
    assert heard_.usage == heard_.usage | {"input": 7, "output": 5, "total": 12}
    assert road.upstream.asked[-1].path == "/v1/responses"
    assert road.sent()["reasoning"]["effort"] == "medium"
    got = road.ask("chat", model, stream=stream_, **asked)
    assert b'"call_a"' in got.content
    assert got.headers["x-turnout-effort"] == "medium"


@pytest.mark.parametrize("fields", [{}, {"reasoning_effort": "none"}])
def test_g31_without_an_effort_chat_stays_chat(road: Road, fields: Json) -> None:
    road.upstream.script(answer("openai_chat", Says(("fine",)), stream_=False))
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    road.ask("chat", "both", tools=[tool], **fields)
    assert road.upstream.asked[-1].path == "/v1/chat/completions"


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g33_an_answer_that_ends_within_its_thoughts(road: Road, api: str, stream_: bool) -> None:
    thinking = {"type": "thinking", "thinking": THOUGHT, "signature": "sig"}
    if stream_:
        deltas = [{"type": "thinking_delta", "thinking": THOUGHT}, {"type": "signature_delta", "signature": "sig"}]
        block = claude_block(0, {"type": "thinking", "thinking": "", "signature": ""}, *deltas)
        road.upstream.script(stream(claude_start(), *block, *claude_end("max_tokens")))
    else:
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "stop_sequence": None}
        usage = {"input_tokens": 7, "output_tokens": 5}
        road.upstream.script(whole({**head, "content": [thinking], "stop_reason": "max_tokens", "usage": usage}))
    got = road.ask(api, "claude", stream=stream_)
    ended = heard(api, got.content, stream=stream_, asked=body(api, "claude", stream=stream_))
    assert (ended.text, ended.finish) == ("", "length")
    assert ended.usage == ended.usage | {"input": 7, "output": 5}
    if api == "responses":
        response = parse_sse(got.content)[-1]["response"] if stream_ else got.json()
        assert response["status"] == "incomplete"


def _claude(*, stream_: bool) -> Answer:
    thinking = {"type": "thinking", "thinking": THOUGHT, "signature": "sig"}
    if stream_:
        deltas = [
            {"type": "thinking_delta", "thinking": THOUGHT[:9]},
            {"type": "thinking_delta", "thinking": THOUGHT[9:]},
        ]
        thought = claude_block(0, {"type": "thinking", "thinking": "", "signature": ""}, *deltas, {"type": "signature_delta", "signature": "sig"})  # fmt: skip
        said = claude_block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": SAID})
        return stream(claude_start(), *thought, *said, *claude_end())
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "stop_sequence": None}
    content = [thinking, {"type": "text", "text": SAID}]
    return whole(
        {**head, "content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 5}}
    )


def _gemini(*, stream_: bool) -> Answer:
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 3, "thoughtsTokenCount": 4, "totalTokenCount": 14}
    parts: list[Json] = [{"text": THOUGHT, "thought": True}, {"text": SAID}]
    if stream_:
        return stream(*(data(gemini([part])) for part in parts), data(gemini([{"text": ""}], "STOP", **usage)))
    return whole(gemini(parts, "STOP", **usage))


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", ["claude", "gemini"])
def test_g75_reasoning_is_an_item_before_the_message(road: Road, backend: str, api: str, stream_: bool) -> None:
    road.upstream.script((_claude if backend == "claude" else _gemini)(stream_=stream_))
    got = road.ask(api, backend, stream=stream_, **effort(api, "medium", summary="auto"))
    thought, said = told(api, got.content, stream_=stream_)
    assert (thought, said) == (THOUGHT, SAID)
    if api == "responses":
        output = parse_sse(got.content)[-1]["response"]["output"] if stream_ else got.json()["output"]
        assert output[0]["summary"] == [{"type": "summary_text", "text": THOUGHT}]
    assert b"<think>" not in got.content


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("backend", ["vllm", "ollama", "llama"])
def test_g75_thoughts_of_a_local_server_are_not_in_the_content(road: Road, backend: str, stream_: bool) -> None:
    road.upstream.script(thinker("reasoning", stream_=stream_))
    got = road.ask("responses", backend, stream=stream_, **effort("responses", "medium", summary="auto"))
    assert told("responses", got.content, stream_=stream_) == (THOUGHT, SAID)
