"""Traps of reasoning state, through the public door: G26, G28 and G32, and what may befall a sealed state on its way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from heard import PATHS
from road import MODES, Road, build
from scripted import Answer, stream, whole
from turns import next_turn, opening, plain, read
from vendors import Json, Says, claude_block, claude_end, claude_start, data, gemini, typed

SKIP = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
ALL = {**PATHS, "messages": "/messages"}
"""Clients of every kind."""
KEYS = """
keys:
  - {name: ann, secret: sk-turnout-ann-0123456789}
  - {name: ben, secret: sk-turnout-ben-0123456789}
"""


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


# --- the upstreams -------------------------------------------------------------------------------------------------

THINKING = {"type": "thinking", "thinking": "Rome first,\n\nthen Oslo: “é”.", "signature": "EsigA+/=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4a"}
SILENT = {"type": "thinking", "thinking": "", "signature": "EsilentB=="}
ROME = {"type": "tool_use", "id": "toolu_rome", "name": "weather", "input": {"city": "Rome"}}
OSLO = {"type": "tool_use", "id": "toolu_oslo", "name": "weather", "input": {"city": "Oslo"}}
SAYING = {"type": "text", "text": "I shall look."}
CLAUDE_TURNS = {
    "thinking": [THINKING, ROME, OSLO],
    "thinking before text": [THINKING, SAYING, ROME],
    "thinking on both sides of text": [THINKING, SAYING, SILENT, ROME],
    "redacted": [REDACTED, ROME],
    "signature only": [SILENT, ROME],
    "thinking and redacted": [THINKING, REDACTED, SAYING, ROME, OSLO],
    "between calls": [THINKING, ROME, SILENT, OSLO],
}


def claude(blocks: Sequence[Json], *, stream_: bool) -> Answer:
    """Claude's answer of these blocks."""
    if not stream_:
        head = {"id": "msg_up", "type": "message", "role": "assistant", "model": "claude-up", "stop_sequence": None}
        usage = {"input_tokens": 7, "output_tokens": 5}
        return whole({**head, "content": list(blocks), "stop_reason": "tool_use", "usage": usage})
    told = [line for index, block in enumerate(blocks) for line in _streamed(index, block)]
    return stream(claude_start(), *told, *claude_end("tool_use"))


def _streamed(index: int, block: Json) -> list[bytes]:
    match block["type"]:
        case "thinking":
            words = [{"type": "thinking_delta", "thinking": piece} for piece in block["thinking"].split(" ") if piece]
            for word in words[1:]:
                word["thinking"] = f" {word['thinking']}"
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return claude_block(index, {"type": "thinking", "thinking": "", "signature": ""}, *words, signed)
        case "text":
            return claude_block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]})
        case "tool_use":
            text = json.dumps(block["input"])
            return claude_block(index, {**block, "input": {}}, {"type": "input_json_delta", "partial_json": text})
    return claude_block(index, block)


def called(city: str, id_: str | None = None, signature: str | None = None) -> Json:
    """A functionCall part of Gemini's."""
    part: Json = {"functionCall": {"name": "weather", "args": {"city": city}, **({"id": id_} if id_ else {})}}
    return {**part, **({"thoughtSignature": signature} if signature else {})}


THOUGHT = {"text": "Rome first.", "thought": True}
GEMINI_TURNS = {
    "thoughts": [THOUGHT, called("Rome", "g1", "c2lnMQ=="), called("Oslo", "g2")],
    "no thoughts": [called("Rome", "g1", "c2lnMQ=="), called("Oslo", "g2")],
    "text": [THOUGHT, {"text": "I shall look."}, called("Rome", "g1", "c2lnMQ==")],
    "two signatures": [THOUGHT, called("Rome", "g1", "c2lnMQ=="), called("Oslo", "g2", "c2lnMg==")],
    "ids of ours": [THOUGHT, called("Rome", None, "c2lnMQ=="), called("Oslo", None)],
}


def google(parts: Sequence[Json], *, stream_: bool) -> Answer:
    """Gemini's answer of these parts."""
    counts = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
    if not stream_:
        return whole(gemini(parts, "STOP", **counts))
    return stream(*(data(gemini([part])) for part in parts), data(gemini([{"text": ""}], "STOP", **counts)))


def talk(road: Road, api: str, backend: str, asked: Json, *, stream_: bool, **headers: str) -> Json:
    """One call that succeeds, read whole."""
    body = {"model": backend, "stream": stream_, **asked}
    got = road.http.post(f"{road.live.base_url}{ALL[api]}", json=body, headers=headers)
    assert got.status_code == 200, got.text
    return read(api, got.content, stream=stream_)


def loop(road: Road, api: str, backend: str, first: Answer, *, stream_: bool, keep: Any = plain) -> Json:
    """Two turns; the second request as the upstream got it."""
    road.upstream.script(first)
    asked = opening(api)
    answer = talk(road, api, backend, asked, stream_=stream_)
    talk(road, api, backend, next_turn(api, asked, answer, keep=keep), stream_=stream_)
    return road.sent()


# --- G26 -----------------------------------------------------------------------------------------------------------


def of_the_assistant(sent: Json) -> list[Json]:
    (turn,) = [turn for turn in sent["messages"] if turn["role"] == "assistant"]
    content: list[Json] = turn["content"]
    return content


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("said", CLAUDE_TURNS)
@pytest.mark.parametrize("api", ALL)
def test_g26_claude_gets_its_blocks_back_as_they_were(road: Road, api: str, said: str, stream_: bool) -> None:
    blocks = CLAUDE_TURNS[said]
    sent = loop(road, api, "claude", claude(blocks, stream_=stream_), stream_=stream_)
    got = of_the_assistant(sent)
    if api == "messages":
        got = [{name: value for name, value in block.items() if name != "citations"} for block in got]
    assert got == blocks


@pytest.mark.parametrize("stream_", MODES)
def test_g26_reasoning_fields_that_come_back_are_neither_lost_nor_doubled(road: Road, stream_: bool) -> None:
    sent = loop(
        road, "chat", "claude", claude([THINKING, ROME], stream_=stream_), stream_=stream_, keep=lambda turn: turn
    )
    assert of_the_assistant(sent) == [THINKING, ROME]


def test_g26_the_next_question_leaves_the_loop_as_it_was(road: Road) -> None:
    """What is sent of a turn never changes later, so that the vendor's cache goes on matching."""
    asked = opening("chat")
    road.upstream.script(claude([THINKING, ROME], stream_=False))
    loop_ = next_turn("chat", asked, talk(road, "chat", "claude", asked, stream_=False), keep=plain)
    talk(road, "chat", "claude", loop_, stream_=False)
    first = road.sent()["messages"]
    more = {**loop_, "messages": [*loop_["messages"], {"role": "assistant", "content": "Rain."}]}
    more["messages"].append({"role": "user", "content": "And tomorrow?"})
    talk(road, "chat", "claude", more, stream_=False)
    assert road.sent()["messages"][: len(first)] == first


# --- G28 -----------------------------------------------------------------------------------------------------------


def of_the_model(sent: Json) -> list[Json]:
    (turn,) = [turn for turn in sent["contents"] if turn["role"] == "model"]
    return [part for part in turn["parts"] if "functionCall" in part]


def without_invented(parts: Sequence[Json]) -> list[Json]:
    return [part for part in parts if "functionCall" in part]


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("said", GEMINI_TURNS)
@pytest.mark.parametrize("api", ALL)
def test_g28_gemini_gets_each_signature_back_on_its_call(road: Road, api: str, said: str, stream_: bool) -> None:
    parts = GEMINI_TURNS[said]
    sent = loop(road, api, "gemini", google(parts, stream_=stream_), stream_=stream_)
    assert of_the_model(sent) == without_invented(parts)


@pytest.mark.parametrize("api", ALL)
def test_g28_a_call_of_unknown_origin_gets_the_documented_value(road: Road, api: str) -> None:
    road.upstream.script(claude([ROME, OSLO], stream_=False))
    asked = opening(api)
    answer = talk(road, api, "claude", asked, stream_=False)
    road.upstream.script(google([called("Rome", "g9")], stream_=False))
    talk(road, api, "gemini", next_turn(api, asked, answer), stream_=False)
    assert [part.get("thoughtSignature") for part in of_the_model(road.sent())] == [SKIP, None]


def test_g28_a_real_signature_of_the_clients_wins(road: Road) -> None:
    road.upstream.script(google([called("Rome", "g7", "c2lnMQ==")], stream_=False))
    asked = opening("chat")
    answer = talk(road, "chat", "gemini", asked, stream_=False)
    answer["choices"][0]["message"]["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "b3du"}}
    talk(road, "chat", "gemini", next_turn("chat", asked, answer), stream_=False)
    assert of_the_model(road.sent())[0]["thoughtSignature"] == "b3du"


# --- G32 -----------------------------------------------------------------------------------------------------------

ITEM = {
    "id": "rs_0a1b2c3d4e5f",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
    "encrypted_content": "gAAAAABsealed+/=",
}
CALL = {
    "id": "fc_0a1b",
    "type": "function_call",
    "call_id": "call_rome",
    "name": "weather",
    "arguments": '{"city":"Rome"}',
    "status": "completed",
}


def openai(items: Sequence[Json], *, stream_: bool) -> Answer:
    """The answer of OpenAI's Responses endpoint; its stream tells all in the end, as it may."""
    tokens = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 3}}
    head = {"id": "resp_up", "object": "response", "created_at": 1_790_000_000, "model": "gpt-5.6", "error": None}
    asked = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "incomplete_details": None}
    body = {**head, **asked, "status": "completed", "output": list(items), "usage": {**tokens, **details}}
    if not stream_:
        return whole(body)
    start = {"type": "response.created", "sequence_number": 0, "response": {**body, "status": "in_progress"}}
    events: list[Json] = [start]
    for index, item in enumerate(items):
        place = {"output_index": index, "item": item}
        events += [{"type": "response.output_item.added", **place}, {"type": "response.output_item.done", **place}]
    events.append({"type": "response.completed", "response": body})
    return stream(*(typed({**event, "sequence_number": number}) for number, event in enumerate(events)))


@pytest.mark.parametrize("stream_", MODES)
def test_g32_openai_gets_its_item_back_byte_for_byte(road: Road, stream_: bool) -> None:
    sent = loop(road, "responses", "gpt", openai([ITEM, CALL], stream_=stream_), stream_=stream_)
    assert sent["input"][1:3] == [ITEM, CALL]


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", ["chat", "messages"])
def test_g32_clients_without_such_items_lose_none(road: Road, api: str, stream_: bool) -> None:
    sent = loop(road, api, "gpt", openai([ITEM, CALL], stream_=stream_), stream_=stream_)
    item = sent["input"][1]
    assert (item["id"], item["encrypted_content"]) == (ITEM["id"], ITEM["encrypted_content"])
    assert [entry.get("type") for entry in sent["input"][1:]] == ["reasoning", "function_call", "function_call_output"]
    assert "id" not in sent["input"][2], "an id of ours is nothing to OpenAI"


# --- on the way ----------------------------------------------------------------------------------------------------


def first_turn(road: Road, api: str, backend: str, answer: Answer, **headers: str) -> Json:
    """The second request, ready to be sent to anybody."""
    road.upstream.script(answer)
    asked = opening(api)
    return next_turn(api, asked, talk(road, api, backend, asked, stream_=False, **headers))


def reasoning_of(asked: Json) -> Json:
    (item,) = [item for item in asked["input"] if item.get("type") == "reasoning"]
    found: Json = item
    return found


def told(road: Road, backend: str, asked: Json, **headers: str) -> tuple[Json, str]:
    """The answer to a Responses client, and what it was told was dropped."""
    got = road.post("responses", {"model": backend, **asked}, **headers)
    assert got.status_code == 200, got.text
    return got.json(), got.headers.get("x-turnout-dropped", "")


def test_sealed_state_is_no_vendors_and_shows_nothing(road: Road) -> None:
    asked = first_turn(road, "responses", "claude", claude([THINKING, ROME], stream_=False))
    sealed = reasoning_of(asked)["encrypted_content"]
    assert sealed.startswith("turnout1.")
    assert THINKING["signature"] not in sealed


def test_a_state_that_was_changed_is_left_out_and_named(road: Road) -> None:
    asked = first_turn(road, "responses", "claude", claude([THINKING, ROME], stream_=False))
    item = reasoning_of(asked)
    sealed = item["encrypted_content"]
    item["encrypted_content"] = sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:]
    answer, dropped = told(road, "claude", asked)
    assert of_the_assistant(road.sent()) == [ROME]
    assert answer["input_transformations"] == [
        {"id": item["id"], "type": "reasoning", "action": "removed", "reason": "organization_mismatch"}
    ]
    assert "reasoning" in dropped.split(", ")


@pytest.mark.parametrize("other", ["gemini", "gpt", "vllm"])
def test_another_vendor_never_gets_it(road: Road, other: str) -> None:
    asked = first_turn(road, "responses", "claude", claude([THINKING, ROME], stream_=False))
    sealed = reasoning_of(asked)["encrypted_content"]
    road.plays(other, Says(("fine",)), stream=False)
    answer, dropped = told(road, other, asked)
    sent = json.dumps(road.sent())
    assert THINKING["signature"] not in sent
    assert sealed not in sent
    assert [one["reason"] for one in answer["input_transformations"]] == ["model_mismatch"]
    assert "reasoning" in dropped.split(", ")


def test_another_model_of_the_vendor_never_gets_it() -> None:
    with build() as road:
        asked = first_turn(road, "responses", "claude", claude([THINKING, ROME], stream_=False))
        reload(road, "claude-sonnet-5", "claude-opus-4-8")
        answer, _ = told(road, "claude", asked)
        assert of_the_assistant(road.sent()) == [ROME]
        assert [one["reason"] for one in answer["input_transformations"]] == ["model_mismatch"]


def test_a_secret_that_rotates_opens_what_it_sealed_until_it_is_gone() -> None:
    old, new = "secret: s-old-0123456789abcdef", "secret: [s-new-0123456789abcdef, s-old-0123456789abcdef]"
    with build(f"server: {{{old}}}") as road:
        asked = first_turn(road, "responses", "claude", claude([THINKING, ROME], stream_=False))
        reload(road, old, new)
        answer, _ = told(road, "claude", asked)
        assert of_the_assistant(road.sent()) == [THINKING, ROME]
        assert "input_transformations" not in answer
        reload(road, new, "secret: s-new-0123456789abcdef")
        answer, _ = told(road, "claude", asked)
        assert of_the_assistant(road.sent()) == [ROME]
        assert [one["reason"] for one in answer["input_transformations"]] == ["organization_mismatch"]


def reload(road: Road, old: str, new: str) -> None:
    """The same file, but for this."""
    text = road.live.config.read_text()
    assert old in text
    road.live.write(text.replace(old, new))
    assert road.live.reload()["ok"], road.live.log()


def test_a_foreign_conversation_leaves_openais_own_items_alone(road: Road) -> None:
    """One conversation, begun on Claude and gone on at OpenAI: each item goes to the vendor that made it."""
    asked = first_turn(road, "responses", "claude", claude([THINKING, ROME], stream_=False))
    road.upstream.script(openai([ITEM, CALL], stream_=False))
    answer, _ = told(road, "gpt", asked)
    more = next_turn("responses", asked, answer)
    told(road, "gpt", more)
    kinds = [(item.get("type"), item.get("encrypted_content")) for item in road.sent()["input"]]
    assert ("reasoning", ITEM["encrypted_content"]) in kinds
    assert [sealed for kind, sealed in kinds if kind == "reasoning"] == [ITEM["encrypted_content"]]


def test_a_foreign_conversation_leaves_claudes_own_blocks_alone(road: Road) -> None:
    """Begun on Gemini, gone on at Claude by Anthropic's own client: Claude's blocks pass, what was sealed does not."""
    asked = first_turn(road, "messages", "gemini", google([THOUGHT, called("Rome", "g1", "c2lnMQ==")], stream_=False))
    road.upstream.script(claude([THINKING, ROME], stream_=False))
    more = next_turn("messages", asked, talk(road, "messages", "claude", asked, stream_=False))
    talk(road, "messages", "claude", more, stream_=False)
    first, second = (turn["content"] for turn in road.sent()["messages"] if turn["role"] == "assistant")
    assert [block["type"] for block in first] == ["tool_use"]
    assert second == [THINKING, ROME]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_another_tenant_has_no_use_of_it(api: str) -> None:
    ann, ben = ({"authorization": f"Bearer sk-turnout-{name}-0123456789"} for name in ("ann", "ben"))
    with build(KEYS) as road:
        asked = first_turn(road, api, "claude", claude([THINKING, ROME], stream_=False), **ann)
        talk(road, api, "claude", asked, stream_=False, **ben)
        assert of_the_assistant(road.sent()) == [ROME]
        talk(road, api, "claude", asked, stream_=False, **ann)
        assert of_the_assistant(road.sent()) == [THINKING, ROME]
