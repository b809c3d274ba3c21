"""Field by field, answers: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

import re
from typing import Any

import msgspec
import pytest
from openai_chat_kit import chunk, echo, events, stream

from adapters import ir
from adapters.openai_chat import DIALECT


def call_piece(arguments: str = "{}", **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": arguments}, **more}]}


# --- a stream, read -------------------------------------------------------------------------------------------------


def test_a_whole_call_closes_before_other_words_open() -> None:
    told = events(chunk(call_piece()), chunk({"content": "b"}), chunk(finish="stop"))
    assert told[1:] == [
        ir.BlockStarted(0, "tool_call", 0, meta={"id": "1", "name": "f"}),
        ir.Delta(0, "arguments", "{}"),
        ir.BlockEnded(0),
        ir.BlockStarted(1, "text", 1),
        ir.Delta(1, "text", "b"),
        ir.BlockEnded(1),
        ir.Finished(0, "tool_calls", "stop"),
        ir.Ended(),
    ]


def test_a_legacy_call_may_repeat_its_name() -> None:
    pieces = [chunk({"function_call": {"name": "f", "arguments": text}}) for text in ("{", "}")]
    (block,) = ir.collect(events(*pieces, chunk(finish="function_call"))).blocks
    assert block.text == "{}"


def test_an_invented_id_is_as_long_as_openais() -> None:
    (block,) = ir.collect(events(chunk(call_piece(id=None)), chunk(finish="stop"))).blocks
    assert re.fullmatch(r"call_[0-9a-f]{24}", block.meta["id"])


@pytest.mark.parametrize("word", ["safety", "refusal"])
def test_words_of_a_filter(word: str) -> None:
    assert ir.Finished(0, "content_filter", word) in events(chunk({"content": "a"}), chunk(finish=word))


def test_reasoning_that_was_seen_but_not_counted_is_unknown() -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 0}}
    thinking = events(chunk({"reasoning": "hm"}), chunk({"content": "a"}, "stop", usage=counts))
    plain = events(chunk({"content": "a"}, "stop", usage=counts))
    assert ir.collect(thinking).usage == ir.Usage(input=1, output=2)
    assert ir.collect(plain).usage == ir.Usage(input=1, output=2, reasoning=0)


def test_a_citation_is_told_once() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://e.org"}}
    told = events(
        chunk({"content": "a", "annotations": [cited]}),
        chunk({"reasoning": "hm"}),
        chunk({"content": "b"}),
        chunk(finish="stop"),
    )
    assert [(block.text, len(block.annotations)) for block in ir.collect(told).blocks] == [
        ("a", 1),
        ("hm", 0),
        ("b", 0),
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            {"error": {"message": "m", "type": "invalid_request_error", "code": "unsupported_value", "param": "n"}},
            ("invalid", "m", "unsupported_value", "n"),
        ),
        (
            {"object": "error", "message": "m", "type": "rate_limit_error"},
            ("limited", "m", "rate_limit_exceeded", None),
        ),
    ],
)
def test_an_error_in_a_stream_with_all_its_words(error: dict[str, Any], told: tuple[str, str, str, str | None]) -> None:
    last = events(error)[-1]
    assert isinstance(last, ir.Failed)
    assert (last.failure.kind, last.failure.message, last.failure.code, last.failure.param) == told


def test_an_answer_nested_without_end_is_no_answer() -> None:
    (last,) = DIALECT.read_response(b'{"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert isinstance(last, ir.Failed)
    assert last.failure.kind == "bad_response"


def test_a_whole_answer_without_a_finish_word_has_stopped() -> None:
    body = {"choices": [{"message": {"content": "a"}}]}
    assert ir.Finished(0, "stop", "stop") in DIALECT.read_response(msgspec.json.encode(body))


# --- an answer, written ---------------------------------------------------------------------------------------------


def whole(*told: ir.Event) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_response(ir.collect(told), echo()))
    return body


@pytest.mark.parametrize("tier", ["auto", "default", "flex", "scale", "priority", "fast"])
def test_service_tiers_that_openai_knows(tier: str) -> None:
    assert whole(ir.UsageReported(ir.Usage(service_tier=tier)))["service_tier"] == tier


DETAILS = {
    "prompt_tokens_details": ("audio_tokens", "image_tokens", "text_tokens"),
    "completion_tokens_details": (
        "audio_tokens",
        "text_tokens",
        "accepted_prediction_tokens",
        "rejected_prediction_tokens",
    ),
}


def test_details_that_only_openai_counts_pass_through() -> None:
    counts = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    counts |= {name: {field: at + 1 for at, field in enumerate(fields)} for name, fields in DETAILS.items()}
    assert whole(*events(chunk({"content": "a"}, "stop", usage=counts)))["usage"] == counts


@pytest.mark.parametrize(("kind", "other"), [("text", "refusal"), ("refusal", "text")])
def test_log_probabilities_name_what_has_none(kind: ir.BlockKind, other: str) -> None:
    token = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    told = [ir.BlockStarted(0, kind, 0), ir.Delta(0, "text", "a", [token]), ir.BlockEnded(0), ir.Finished(0, "stop")]
    names = {"text": "content", "refusal": "refusal"}
    expected = {names[kind]: [token], names[other]: None}
    shown = msgspec.json.decode(stream(told)[1][6:])["choices"][0]
    assert shown["logprobs"] == expected
    assert whole(*told)["choices"][0]["logprobs"] == expected
