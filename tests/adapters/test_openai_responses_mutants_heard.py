"""Field by field, answers that are read: what only `make mutate` missed. Whole values are compared, so that no field is lost unseen."""

from typing import Any

import msgspec
import pytest
from responses_kit import ECHO, call_item, completed, frame, message_item

from adapters import ir
from adapters.openai_responses import DIALECT

X = msgspec.Raw(b"1")
EXTRAS = {"x": X}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def added(item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return event("output_item.added", item=item, **fields)


def done(item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return event("output_item.done", item=item, **fields)


def heard(*told: dict[str, Any]) -> list[list[ir.Event]]:
    """The events of each frame."""
    reader = DIALECT.reader()
    return [list(reader.read(frame(one))) for one in told]


def folded(*told: dict[str, Any]) -> list[ir.ReplyBlock]:
    return ir.collect([one for events in heard(*told) for one in events]).blocks


def whole(*events: ir.Event, told: ir.Echo = ECHO) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(DIALECT.write_response(ir.collect(events), told))
    return body


CITED = {"type": "url_citation", "url": "https://e.org", "title": "E", "start_index": 1, "end_index": 2}


# --- an answer, read ------------------------------------------------------------------------------------------------


def test_a_call_opens_with_its_announcement_and_ends_with_its_item() -> None:
    first, second = heard(added(call_item(arguments="")), done(call_item()))
    meta = {"id": "call_1", "name": "f", "item_id": "fc_1"}
    assert first == [ir.BlockStarted(0, "tool_call", 0, meta=meta)]
    assert second == [ir.Delta(0, "arguments", '{"a":1}'), ir.BlockEnded(0)]


START = {kind: ir.BlockStarted(0, kind, 0) for kind in ("text", "refusal", "reasoning")}  # type: ignore[arg-type]
CALL = ir.BlockStarted(0, "tool_call", 0, meta={"id": "call_1", "name": "f", "item_id": "fc_1"})
TOKEN = {"token": "a", "logprob": -0.5}


@pytest.mark.parametrize(
    ("told", "events"),
    [
        (event("output_text.delta", delta="a", logprobs=[TOKEN]), [START["text"], ir.Delta(0, "text", "a", [TOKEN])]),
        (event("output_text.done", text="a", logprobs=[TOKEN]), [START["text"], ir.Delta(0, "text", "a", [TOKEN])]),
        (
            event("output_text.annotation.added", annotation=CITED),
            [START["text"], ir.Annotated(0, ir.Annotation("url_citation", "https://e.org", "E", 1, 2, CITED))],
        ),
        (event("refusal.delta", delta="a"), [START["refusal"], ir.Delta(0, "text", "a")]),
        (event("refusal.done", refusal="a"), [START["refusal"], ir.Delta(0, "text", "a")]),
        (event("reasoning_text.delta", delta="a"), [START["reasoning"], ir.Delta(0, "text", "a")]),
        (event("reasoning_text.done", text="a"), [START["reasoning"], ir.Delta(0, "text", "a")]),
        (event("reasoning_summary_part.added"), [START["reasoning"]]),
        (event("reasoning_summary_part.done"), [START["reasoning"]]),
        (event("reasoning_summary_text.delta", delta="a"), [START["reasoning"], ir.Delta(0, "summary", "a")]),
        (event("reasoning_summary_text.done", text="a"), [START["reasoning"], ir.Delta(0, "summary", "a")]),
        (event("content_part.added", part={"type": "output_text"}), [START["text"]]),
        (event("content_part.added", part={"type": "refusal"}), [START["refusal"]]),
        (event("content_part.added", part={"type": "reasoning_text"}), [START["reasoning"]]),
        (
            event("content_part.done", part={"type": "output_text", "text": "a", "logprobs": [TOKEN]}),
            [START["text"], ir.Delta(0, "text", "a", [TOKEN]), ir.BlockEnded(0)],
        ),
        (
            event("content_part.done", part={"type": "refusal", "refusal": "a"}),
            [START["refusal"], ir.Delta(0, "text", "a")],
        ),
        (
            event("content_part.done", part={"type": "reasoning_text", "text": "a"}),
            [START["reasoning"], ir.Delta(0, "text", "a")],
        ),
    ],
)
def test_an_event_that_nothing_announced_is_told_at_once(told: dict[str, Any], events: list[ir.Event]) -> None:
    assert heard(told) == [events]


@pytest.mark.parametrize(
    ("item", "stem", "field"),
    [
        (call_item(arguments=""), "function_call_arguments", "arguments"),
        (
            {"id": "fc_1", "type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": ""},
            "custom_tool_call_input",
            "input",
        ),
    ],
)
def test_what_a_call_is_made_with_is_told_at_once(item: dict[str, Any], stem: str, field: str) -> None:
    place = {"item_id": "fc_1"}
    first, more, rest = heard(
        added(item),
        event(f"{stem}.delta", **place, delta="{"),
        event(f"{stem}.done", **place, **{field: "{}"}),
    )
    kind: ir.BlockKind = "tool_call" if field == "arguments" else "custom_tool_call"
    assert first == [msgspec.structs.replace(CALL, kind=kind)]
    assert (more, rest) == ([ir.Delta(0, "arguments", "{")], [ir.Delta(0, "arguments", "}")])


RESPONSE = [
    "object",
    "status",
    "error",
    "incomplete_details",
    "output",
    "usage",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "text",
    "parallel_tool_calls",
    "reasoning",
    "metadata",
    "store",
    "max_output_tokens",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "previous_response_id",
]


@pytest.mark.parametrize("name", RESPONSE)
def test_what_echoes_the_request_is_no_word_of_the_upstreams_own(name: str) -> None:
    assert heard(event("created", response={"id": "resp_1", name: 1})) == [
        [ir.Started("resp_1", dialect="openai_responses")]
    ]


@pytest.mark.parametrize("kind", ["created", "queued", "in_progress"])
def test_an_answer_begins_with_the_first_word_of_it(kind: str) -> None:
    response = {"id": "resp_1", "model": "m", "created_at": 5.0, "x": 1}
    assert heard(event(kind, response=response)) == [[ir.Started("resp_1", "m", 5, EXTRAS, "openai_responses")]]


@pytest.mark.parametrize(
    ("kind", "response", "last"),
    [
        ("completed", {}, [ir.Finished(0, "stop", "completed"), ir.Ended({}, "openai_responses")]),
        ("completed", {"x": 1}, [ir.Finished(0, "stop", "completed"), ir.Ended(EXTRAS, "openai_responses")]),
        ("incomplete", {}, [ir.Finished(0, "length"), ir.Ended({}, "openai_responses")]),
        (
            "incomplete",
            {"incomplete_details": {"reason": "content_filter"}},
            [ir.Finished(0, "content_filter", "content_filter"), ir.Ended({}, "openai_responses")],
        ),
        (
            "failed",
            {"error": {"code": "server_error", "message": "m"}},
            [ir.Failed(ir.Failure("upstream_error", 502, "m", "server_error", "upstream_error", upstream_status=500))],
        ),
        (
            "completed",
            {"status": "cancelled"},
            [
                ir.Failed(
                    ir.Failure(
                        "cancelled", 502, "The upstream cancelled its answer.", "server_error", "upstream_cancelled"
                    )
                )
            ],
        ),
    ],
)
def test_how_an_answer_ends(kind: str, response: dict[str, Any], last: list[ir.Event]) -> None:
    assert heard(event(kind, response=response))[0][1:] == last
    assert heard(event(kind, response={**response, "usage": {"input_tokens": 1}}))[0][1:] == [
        ir.UsageReported(ir.Usage(input=1)),
        *last,
    ]


def test_arguments_before_their_name_are_kept() -> None:
    piece = event("function_call_arguments.delta", item_id="fc_1", delta='{"b":2}')
    (block,) = folded(piece, done(call_item(arguments=None)))
    assert (block.meta["name"], block.text) == ("f", '{"b":2}')


def test_a_message_ends_with_its_item_and_a_part_with_the_next() -> None:
    told = [event("output_text.delta", item_id="msg_1", content_index=at, delta=text) for at, text in enumerate("ab")]
    first, second, third = heard(*told, done({**message_item("a"), "content": []}))
    meta = {"item_id": "msg_1"}
    assert first == [ir.BlockStarted(0, "text", 0, meta=meta), ir.Delta(0, "text", "a")]
    assert second == [ir.BlockEnded(0), ir.BlockStarted(1, "text", 0, meta=meta), ir.Delta(1, "text", "b")]
    assert third == [ir.BlockEnded(1)]


def test_what_no_item_ended_ends_with_the_answer() -> None:
    _, last = heard(event("output_text.delta", delta="a"), event("completed", response=completed([])))
    assert ir.BlockEnded(0) in last


def test_a_message_that_is_announced_again_goes_on_where_it_was() -> None:
    again = added({**message_item(""), "content": []})
    place = {"item_id": "msg_1", "content_index": 0}
    blocks = folded(
        again,
        event("output_text.delta", **place, delta="He"),
        again,
        event("output_text.done", **place, text="Hello"),
    )
    assert [block.text for block in blocks] == ["He", "llo"]


def test_thoughts_after_their_item_are_kept() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    late = event("reasoning_summary_text.delta", item_id="rs_1", summary_index=0, delta="late")
    assert [block.summary for block in folded(added(item), done(item), late)] == [[], ["late"]]


def test_nameless_messages_in_one_place_are_two() -> None:
    nameless = {name: value for name, value in message_item("").items() if name != "id"}
    told = [
        one
        for text in "ab"
        for one in (event("output_text.delta", output_index=0, delta=text), done(nameless, output_index=0))
    ]
    assert [(block.item, block.text) for block in folded(*told)] == [(0, "a"), (1, "b")]


def test_a_refusal_that_was_never_streamed_is_told_by_its_item() -> None:
    item = {**message_item(""), "content": [{"type": "refusal", "refusal": "no"}]}
    assert [(block.kind, block.text) for block in folded(done(item))] == [("refusal", "no")]


CODES = [
    "server_error",
    "rate_limit_exceeded",
    "invalid_prompt",
    "data_residency_mismatch",
    "bio_policy",
    "misalignment_policy_violation",
    "vector_store_timeout",
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "image_content_policy_violation",
    "invalid_image_mode",
    "image_file_too_large",
    "empty_image_file",
    "unsupported_image_media_type",
    "failed_to_download_image",
    "image_file_not_found",
]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        *((ir.Failure("k", 500, "m", code=code), code) for code in CODES),
        *((ir.Failure(kind, 500, "m", code="x"), "rate_limit_exceeded") for kind in ("limited", "quota")),
        *(
            (ir.Failure(kind, 500, "m", code="x"), "invalid_prompt")
            for kind in ("invalid", "context_length", "unsupported", "too_large")
        ),
        (ir.Failure("timeout", 504, "m"), "server_error"),
    ],
)
def test_a_failure_has_one_of_openais_codes(failure: ir.Failure, code: str) -> None:
    assert whole(ir.Failed(failure))["error"] == {"code": code, "message": "m"}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"message": "m", "code": "invalid_image", "param": "input"}, ("invalid", 400, "invalid_image", "input")),
        ({"message": "m", "code": "image_too_large"}, ("invalid", 400, "image_too_large", None)),
        ({"message": "m", "code": "x", "type": "rate_limit_error"}, ("limited", 429, "rate_limit_exceeded", None)),
        (
            {"message": "m", "code": "429", "type": "insufficient_quota"},
            ("quota", 429, "insufficient_quota", None),
        ),
    ],
)
def test_an_error_in_a_stream_with_all_its_words(error: dict[str, Any], told: tuple[str, int, str, str | None]) -> None:
    ((failed,),) = heard({"type": "error", **error} if "type" not in error else {"type": "error", "error": error})
    assert isinstance(failed, ir.Failed)
    assert (failed.failure.kind, failed.failure.status, failed.failure.code, failed.failure.param) == told
    assert failed.failure.message == error["message"]
    (alone,) = DIALECT.read_response(msgspec.json.encode({"error": error}))
    assert alone == failed


def test_an_error_answer_with_all_its_words() -> None:
    body = b'{"error":{"message":"pay","type":"insufficient_quota","code":null}}'
    assert DIALECT.read_error(429, {}, body).kind == "quota"
