"""Gemini's stream, frame by frame and cut anywhere, into the hub's events."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from adapters.google_gemini import DIALECT
from adapters.sse import Frame

NAMES = [
    "candidates",
    "promptFeedback",
    "usageMetadata",
    "error",
    "responseId",
    "text",
    "thought",
    "thoughtSignature",
    "functionCall",
    "inlineData",
    "toolCall",
    "name",
    "args",
    "partialArgs",
    "jsonPath",
    "stringValue",
    "willContinue",
]


ECHO = ir.Echo("ab12", 1_700_000_000, "shown")


def frame(*parts: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "r1", "modelVersion": "gemini-x", **fields}


def events(*frames: Any, ended: bool = True) -> list[ir.Event]:
    reader = DIALECT.reader()
    found = [event for told in frames for event in reader.read(Frame(msgspec.json.encode(told)))]
    return found + (list(reader.end()) if ended else [])


def reply(*frames: Any) -> ir.Reply:
    return ir.collect(events(*frames))


def call(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": {}, **fields}}


# --- text and thoughts ---------------------------------------------------------------------------------------------


def test_parts_of_one_kind_are_one_block_whatever_frame_they_come_in() -> None:
    told = reply(
        frame({"text": "hm", "thought": True}),
        frame({"text": "…", "thought": True}, {"text": "a"}),
        frame({"text": "b"}, {"text": "c"}, finish="STOP"),
    )
    assert [(block.kind, block.summary, block.text) for block in told.blocks] == [
        ("reasoning", ["hm…"], ""),
        ("text", [], "abc"),
    ]
    assert told.started == ir.Started("r1", "gemini-x")
    assert told.finishes[0] == ir.Finished(0, "stop", "STOP")


def test_events_come_in_their_order() -> None:
    kinds = [
        type(event).__name__
        for event in events(frame({"text": "a"}, finish="STOP", usageMetadata={"promptTokenCount": 1}))
    ]
    assert kinds == ["Started", "BlockStarted", "Delta", "UsageReported", "BlockEnded", "Finished", "Ended"]


def test_a_signature_belongs_to_the_block_it_ends() -> None:
    told = reply(frame({"text": "a"}), frame({"text": "", "thoughtSignature": "c2ln"}, finish="STOP"))
    assert [(block.kind, block.state) for block in told.blocks] == [
        ("text", ir.VendorState("google", "thought_signature", "c2ln"))
    ]


def test_a_lone_signature_gets_a_block_of_its_own() -> None:
    told = reply(frame(call(id="x")), frame({"text": "", "thoughtSignature": "c2ln"}, finish="STOP"))
    assert [(block.kind, bool(block.state)) for block in told.blocks] == [("tool_call", False), ("reasoning", True)]


def test_two_signatures_never_share_a_block() -> None:
    told = reply(
        frame({"text": "a", "thoughtSignature": "AAAA"}, {"text": "b", "thoughtSignature": "BBBB"}, finish="STOP")
    )
    assert [(block.text, block.state and block.state.data) for block in told.blocks] == [("a", "AAAA"), ("b", "BBBB")]


# --- calls ---------------------------------------------------------------------------------------------------------


def test_g22_stop_with_a_call_is_tool_calls() -> None:
    assert reply(frame(call(), finish="STOP")).finishes[0].reason == "tool_calls"


def test_g23_a_call_in_an_earlier_frame_counts() -> None:
    told = reply(frame(call()), frame({"text": ""}, finish="STOP"))
    assert told.finishes[0].reason == "tool_calls"
    assert [block.kind for block in told.blocks] == ["tool_call"]


def test_length_wins_over_calls() -> None:
    assert reply(frame(call(), finish="MAX_TOKENS")).finishes[0].reason == "length"


def test_g10_no_arguments_are_an_empty_object() -> None:
    bare = {"functionCall": {"name": "f"}}
    assert [block.text for block in reply(frame(call(), bare, call(args=None), finish="STOP")).blocks] == ["{}"] * 3


def test_g14_missing_ids_are_made_up_unique_and_given_ones_kept() -> None:
    one = reply(frame(call(), call(), call(id="own")), frame(call(), finish="STOP"))
    ids = [block.meta["id"] for block in one.blocks]
    assert ids[2] == "own"
    assert len(set(ids)) == 4
    assert all(made.startswith("call_gemini_") for made in ids if made != "own")
    other = reply(frame(call(), finish="STOP", responseId="r2"))
    assert other.blocks[0].meta["id"] not in ids
    assert [
        block.meta["id"] for block in reply(frame(call(), call(), call(id="own")), frame(call(), finish="STOP")).blocks
    ] == ids


def test_g21_arguments_keep_their_digits_and_letters() -> None:
    body = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"id": 2512292042121000001 , "n":"\xe6\x9d\xb1","f":1.10}}}]},"finishReason":"STOP"}]}'
    (block,) = ir.collect(DIALECT.read_response(body)).blocks
    assert block.text == '{"id":2512292042121000001,"n":"東","f":1.10}'


def test_arguments_that_come_in_pieces_are_put_together() -> None:
    def piece(*pieces: dict[str, Any], more: bool = True) -> dict[str, Any]:
        return frame({"functionCall": {"partialArgs": list(pieces), "willContinue": more}})

    told = reply(
        frame({"functionCall": {"name": "f", "id": "i", "willContinue": True}, "thoughtSignature": "c2ln"}),
        piece({"jsonPath": "$.a", "stringValue": "Bos", "willContinue": True}),
        piece({"jsonPath": "$.a", "stringValue": "ton"}, {"jsonPath": "$.list[1].x", "numberValue": 2}),
        piece({"jsonPath": "$.list[0]", "boolValue": True}, {"jsonPath": "$['b c']", "nullValue": "NULL_VALUE"}),
        frame({"functionCall": {}}, finish="STOP"),
    )
    (block,) = told.blocks
    assert msgspec.json.decode(block.text) == {"a": "Boston", "list": [True, {"x": 2}], "b c": None}
    assert (block.meta["id"], block.state and block.state.data) == ("i", "c2ln")


def test_a_call_cut_off_in_the_middle_is_told_as_far_as_it_came() -> None:
    told = reply(
        frame({"functionCall": {"name": "f", "willContinue": True}}),
        frame({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}], "willContinue": True}}),
        frame(finish="MAX_TOKENS"),
    )
    assert (told.blocks[0].text, told.finishes[0].reason) == ('{"a":"x"}', "length")


def test_an_index_without_measure_fills_no_memory() -> None:
    told = reply(
        frame({"functionCall": {"name": "f", "willContinue": True}}),
        frame({"functionCall": {"partialArgs": [{"jsonPath": "$.a[999999999]", "numberValue": 1}]}}, finish="STOP"),
    )
    assert len(told.blocks[0].text) < 100


# --- other parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"])
def test_what_google_runs_itself_is_kept_whole(name: str) -> None:
    part = {name: {"id": "1", "args": {"big": 2512292042121000001}}, "thoughtSignature": "c2ln"}
    told = reply(frame({"text": "a"}), frame(part), frame({"text": "b"}, finish="STOP"))
    assert [block.kind for block in told.blocks] == ["text", "server_tool", "text"]
    block = told.blocks[1]
    assert (block.meta["type"], block.meta["family"]) == (name, "google")
    assert msgspec.json.decode(block.raw or b"") == part


def test_pictures_are_image_blocks() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    (block,) = reply(frame(part, finish="STOP")).blocks
    assert (block.kind, msgspec.json.decode(block.raw or b"")) == ("image", part)


def test_unknown_parts_and_fields_are_passed_over() -> None:
    told = reply(frame({"hologram": {}}, {"text": "a", "partMetadata": {}}, finish="STOP", novelty=[1]))
    assert [block.text for block in told.blocks] == ["a"]


def test_citations_count_characters_where_google_counts_bytes() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}, {"retrievedContext": {"text": "no address"}}],
        "groundingSupports": [{"segment": {"startIndex": 3, "endIndex": 8}, "groundingChunkIndices": [0, 1, 7]}],
    }
    first, last = frame({"text": "°C "}), frame({"text": "is 5°"}, finish="STOP")
    for told in (first, last):
        told["candidates"][0]["groundingMetadata"] = grounding
    last["candidates"][0]["groundingMetadata"] = grounding
    (block,) = reply(
        frame({"text": "°C is 5°"}), {**last, "candidates": [{**last["candidates"][0], "content": {}}]}
    ).blocks
    assert block.annotations == [ir.Annotation("url_citation", "https://a", "A", 2, 7)]


def test_logprobs_ride_on_the_text() -> None:
    told = frame({"text": "Hi"}, finish="STOP")
    told["candidates"][0]["logprobsResult"] = {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.5, "tokenId": 1}],
        "topCandidates": [{"candidates": [{"token": "Ho", "logProbability": -2}]}],
    }
    assert reply(told).blocks[0].logprobs == [
        {
            "token": "Hi",
            "logprob": -0.5,
            "bytes": [72, 105],
            "top_logprobs": [{"token": "Ho", "logprob": -2.0, "bytes": [72, 111]}],
        }
    ]


def test_several_candidates_do_not_mix() -> None:
    def both(one: str, two: str, **fields: Any) -> dict[str, Any]:
        return {
            "candidates": [
                {"content": {"parts": [{"text": one}]}, "index": 0, **fields},
                {"content": {"parts": [{"text": two}]}, "index": 1, **fields},
            ]
        }

    told = reply(both("a", "x"), both("b", "y", finishReason="STOP"))
    assert [(block.choice, block.text) for block in told.blocks] == [(0, "ab"), (1, "xy")]
    assert sorted(told.finishes) == [0, 1]
    assert told.ended is not None


# --- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        *((word, "content_filter") for word in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")),
        *((word, "content_filter") for word in ("MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_OTHER", "IMAGE_RECITATION")),
        ("OTHER", "stop"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_every_reason_has_its_word(word: str, reason: str) -> None:
    known = word != "SOMETHING_NEW"
    assert reply(frame({"text": "a"}, finish=word)).finishes[0] == ir.Finished(0, reason, word, known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "word",
    [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    ],
)
def test_broken_answers_fail_and_say_why(word: str) -> None:
    told = frame({"text": "a"}, finish=word, usageMetadata={"promptTokenCount": 3, "totalTokenCount": 5})
    told["candidates"][0]["finishMessage"] = "print(f)"
    found = reply(told)
    assert found.failure is not None
    assert (found.failure.kind, found.failure.status, found.failure.code) == ("upstream_error", 502, "upstream_error")
    assert word in found.failure.message
    assert "print(f)" in found.failure.message
    assert found.usage is not None
    assert not found.finishes


@pytest.mark.parametrize("whole", [True, False])
def test_g85_a_blocked_prompt_is_one_filtered_choice(whole: bool) -> None:
    told = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
    }
    found = ir.collect(DIALECT.read_response(msgspec.json.encode(told))) if whole else reply(told)
    assert found.finishes == {0: ir.Finished(0, "content_filter", "PROHIBITED_CONTENT")}
    assert found.usage is not None
    assert (found.usage.input, found.usage.output) == (7, 0)
    assert found.blocks == []
    assert found.ended is not None


@pytest.mark.parametrize("whole", [True, False])
def test_g85_a_filtered_candidate_without_content(whole: bool) -> None:
    told = {"candidates": [{"finishReason": "SAFETY", "index": 0}]}
    found = ir.collect(DIALECT.read_response(msgspec.json.encode(told))) if whole else reply(told)
    assert found.finishes[0].reason == "content_filter"


def test_bytes_that_end_early_are_a_failure() -> None:
    assert [reply(frame({"text": "a"})).failure, reply().failure] == [reply().failure] * 2
    found = reply().failure
    assert found is not None
    assert found.kind == "interrupted"


def test_errors_within_the_stream_are_mapped() -> None:
    found = reply(frame({"text": "a"}), {"error": {"code": 503, "message": "full", "status": "UNAVAILABLE"}}).failure
    assert found is not None
    assert (found.kind, found.status, found.message) == ("overloaded", 503, "full")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no",
        b"[]",
        b'{"candidates":7}',
        b'{"candidates":[{"content":{"parts":[{"text":1}]}}]}',
        b"[" * 5000,
        b'{"responseId":"\xff"}',
    ],
)
def test_what_is_not_gemini_fails_and_never_raises(data: bytes) -> None:
    reader = DIALECT.reader()
    found = list(reader.read(Frame(data)))
    assert isinstance(found[-1], ir.Failed)
    assert found[-1].failure.kind == "bad_response"
    assert [*reader.read(Frame(b"{}")), *reader.end()] == []


WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.sampled_from(["STOP", "$.a[0].b", "$[1]", "SAFETY"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@given(frames=st.lists(st.dictionaries(st.sampled_from(NAMES[:5]), WILD, max_size=4), max_size=4))
def test_no_frame_whatever_makes_the_reader_raise(frames: list[Any]) -> None:
    reader = DIALECT.reader()
    found = [event for told in frames for event in reader.read(Frame(msgspec.json.encode(told)))]
    found += reader.end()
    assert isinstance(found[-1], ir.Ended | ir.Failed)
    assert [*reader.read(Frame(b"{}")), *reader.end()] == []


@given(parts=st.lists(st.dictionaries(st.sampled_from(NAMES[5:]), WILD, max_size=3), max_size=5))
def test_no_part_whatever_makes_the_reader_raise(parts: list[Any]) -> None:
    found = events(frame(*parts), frame(finish="STOP"))
    assert isinstance(found[-1], ir.Ended | ir.Failed)


def test_paths_without_end_are_followed_a_little() -> None:
    piece = {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$" + ".a" * 9000, "numberValue": 1}]}}
    assert reply(frame(piece, finish="STOP")).failure is None


# --- usage ---------------------------------------------------------------------------------------------------------


def usage(**counts: int) -> ir.Usage | None:
    return reply(frame({"text": "a"}, finish="STOP", usageMetadata=counts)).usage


def test_g39_thoughts_are_output() -> None:
    told = usage(promptTokenCount=10, candidatesTokenCount=20, thoughtsTokenCount=100, totalTokenCount=130)
    assert told == ir.Usage(input=10, output=120, reasoning=100, total=130)


def test_tool_input_and_cache_are_input() -> None:
    told = usage(
        promptTokenCount=10,
        toolUsePromptTokenCount=5,
        cachedContentTokenCount=4,
        candidatesTokenCount=2,
        totalTokenCount=17,
    )
    assert told == ir.Usage(input=15, output=2, cached=4, tool_input=5, reasoning=0, total=17)


def test_unknown_stays_unknown() -> None:
    assert usage() is None
    assert usage(promptTokenCount=3) == ir.Usage(input=3)


def test_g82_the_last_snapshot_wins() -> None:
    first = frame({"text": "a"}, usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4})
    last = frame(
        {"text": "b"},
        finish="STOP",
        usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 9, "totalTokenCount": 12},
    )
    assert reply(first, last).usage == ir.Usage(input=3, output=9, reasoning=0, total=12)
