"""Stored turns as items: what may be said again, what is pointed at, and how a turn's input is listed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapters import ir, sse, strict
from adapters.openai_responses import DIALECT, thread

SEED = "0" * 32


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def raws(*values: Any) -> tuple[msgspec.Raw, ...]:
    return tuple(map(raw, values))


def read(items: Any) -> list[Any]:
    return [msgspec.json.decode(item) for item in items]


def response(*output: Any, status: str = "completed", **fields: Any) -> bytes:
    return msgspec.json.encode({"id": f"resp_{SEED}", "status": status, "output": output, **fields})


MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "final_answer",
           "content": [{"type": "output_text", "text": "Hi.", "annotations": [], "logprobs": []}]}  # fmt: skip
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}
HALF = {**CALL, "arguments": '{"a":', "status": "incomplete"}
CUSTOM = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "d", "name": "g", "input": "x", "status": "incomplete"}
HOSTED = {"type": "web_search_call", "id": "ws_1", "status": "completed"}


# --- own_items -----------------------------------------------------------------------------------------------------


def test_a_string_is_a_users_message() -> None:
    (item,), _ = thread.own_items(raw('say "hi"\n'))
    content = [{"type": "input_text", "text": 'say "hi"\n'}]
    assert msgspec.json.decode(item) == {"type": "message", "role": "user", "content": content}


def test_items_stay_byte_for_byte() -> None:
    told = msgspec.Raw(b'[ {"role" : "user","content":"x", "n": 1.50} , {"type":"a"}]')
    kept = [bytes(item) for item in thread.own_items(told)[0]]
    assert kept == [b'{"role" : "user","content":"x", "n": 1.50}', b'{"type":"a"}']


@pytest.mark.parametrize("told", [None, b"null", b"[]", b"7", b'{"role":"user"}', b"true"])
def test_what_is_no_input_has_no_items(told: bytes | None) -> None:
    assert thread.own_items(None if told is None else msgspec.Raw(told)) == ((), {})


# --- references ----------------------------------------------------------------------------------------------------


def test_what_only_points_is_a_reference() -> None:
    _, found = thread.own_items(
        raw([
            {"type": "item_reference", "id": "a"}, {"role": "user", "content": "x", "id": "b"}, {"id": "c"},
            {"type": "message", "id": "d"}, {"type": None, "id": "e"}, CALL, {"type": "item_reference", "id": 7},
            {"type": "item_reference"},
        ])
    )  # fmt: skip
    assert found == {0: "a", 2: "c", 4: "e"}


@pytest.mark.parametrize("odd", ["text", 7, []])
def test_among_what_is_no_item_nothing_is_looked_for(odd: Any) -> None:
    """Such an input is refused, whoever would be asked."""
    body = msgspec.json.encode({"model": "m", "input": [{"type": "item_reference", "id": "a"}, odd]})
    assert thread.own_items(strict.fields(body)["input"]) == ((), {})
    with pytest.raises(ir.Invalid):
        DIALECT.glance(strict.fields(body))
    with pytest.raises(ir.Invalid):
        DIALECT.read_request(body)


def test_the_names_of_a_turn_are_those_of_its_list() -> None:
    items = raws({"role": "user", "content": "x"}, {"type": None, "content": "x"}, CALL, {"type": "item_odd"})
    assert thread.names(items, thread.Response("resp_1")) == [
        id_ for (id_, _), item in zip(thread.listed(items, "resp_1"), items, strict=True) if b'"id"' not in bytes(item)
    ]


def test_no_spelling_hides_a_reference() -> None:
    hidden = msgspec.Raw(b'[{"t\\u0079pe":"item\\u005freference","\\u0069d":"a"}]')
    assert thread.own_items(hidden)[1] == {0: "a"}


# --- the end of an answer ------------------------------------------------------------------------------------------


def frames(*events: tuple[str, Any]) -> list[bytes]:
    return [
        b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))
        for kind, fields in events
    ]


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_the_end_of_a_stream_holds_the_response(status: str) -> None:
    tail = frames(("response.output_item.done", {"item": MESSAGE}), (f"response.{status}", {"response": {"a": 1}}))
    assert thread.final([*tail, b"data: [DONE]\n\n"]) == b'{"a":1}'
    assert thread.final([b"".join(tail).replace(b"\n", b"\r\n")]) == b'{"a":1}'


@pytest.mark.parametrize(
    "tail",
    [frames(("response.failed", {"response": {"a": 1}})), frames(("error", {"message": "m"})), [], [b"data: [DONE]\n\n"],
     [b"data: {\n\n"]],
)  # fmt: skip
def test_a_failure_holds_none(tail: list[bytes]) -> None:
    assert thread.final(tail) is None


@pytest.mark.parametrize("status", ["failed", "in_progress", "queued", "cancelled", ""])
def test_only_an_answer_that_came_to_its_end_is_a_turn(status: str) -> None:
    assert thread.read(response(MESSAGE, status=status)) is None


@pytest.mark.parametrize(
    "told", [b"", b"[]", b"{", b'{"id":"","status":"completed"}', b'{"id":7,"status":"completed"}']
)
def test_what_is_no_response_is_no_turn(told: bytes) -> None:
    assert thread.read(told) is None


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_a_response_is_read(status: str) -> None:
    found = thread.read(response(MESSAGE, CALL, status=status))
    assert found is not None
    assert (found.id, found.status, read(found.output)) == (f"resp_{SEED}", status, [MESSAGE, CALL])


# --- replay --------------------------------------------------------------------------------------------------------


def test_output_is_said_again_as_it_was() -> None:
    assert read(thread.replay(response(THOUGHT, MESSAGE, HOSTED, CALL))) == [THOUGHT, MESSAGE, HOSTED, CALL]


def test_the_status_of_a_thought_is_for_answers_alone() -> None:
    assert read(thread.replay(response({**THOUGHT, "status": "completed"}, MESSAGE))) == [THOUGHT, MESSAGE]


def test_the_status_of_a_call_with_free_text_is_for_answers_alone() -> None:
    called = {name: value for name, value in CUSTOM.items() if name != "status"}
    told = response({**called, "status": "completed"}, CALL)
    assert read(thread.replay(told)) == [called, CALL]
    assert msgspec.json.decode(thread.held([], told, f"resp_{SEED}")["ctc_1"]) == called


@pytest.mark.parametrize("half", [HALF, CUSTOM])
def test_half_a_call_and_the_thought_before_it_stay_behind(half: Any) -> None:
    assert read(thread.replay(response(MESSAGE, THOUGHT, half, status="incomplete"))) == [MESSAGE]


def test_a_thought_that_nothing_followed_stays_behind() -> None:
    assert read(thread.replay(response(THOUGHT, THOUGHT, status="incomplete"))) == []
    assert read(thread.replay(response(THOUGHT, MESSAGE, THOUGHT))) == [THOUGHT, MESSAGE]


def test_another_vendors_state_behind_the_last_call_stays() -> None:
    sealed = {**THOUGHT, "encrypted_content": "turnout1.x"}
    assert read(thread.replay(response(CALL, sealed))) == [CALL, sealed]


# --- listed, names, held -------------------------------------------------------------------------------------------


def test_listed_items_have_ids_that_stay() -> None:
    items = raws(
        {"role": "user", "content": "x"}, {**CALL, "id": None}, {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "1"}, {"type": "mcp_approval_response"}, MESSAGE,
    )  # fmt: skip
    found = thread.listed(items, f"resp_{SEED}")
    assert found == thread.listed(items, f"resp_{SEED}")
    ids = [f"msg_{SEED}_i0", f"fc_{SEED}_i1", f"fco_{SEED}_i2", f"ctco_{SEED}_i3", f"item_{SEED}_i4", "msg_1"]
    assert [id_ for id_, _ in found] == ids
    assert [item["id"] for item in read(item for _, item in found)] == ids


@pytest.mark.parametrize(
    ("role", "part"),
    [("user", {"type": "input_text", "text": "x"}), ("developer", {"type": "input_text", "text": "x"}),
     ("assistant", {"type": "output_text", "text": "x", "annotations": [], "logprobs": []})],
)  # fmt: skip
def test_a_short_message_is_listed_in_full(role: str, part: Any) -> None:
    ((id_, item),) = thread.listed(raws({"role": role, "content": "x"}), "resp_1")
    whole = {"type": "message", "role": role, "content": [part], "id": "msg_1_i0", "status": "completed"}
    assert (id_, msgspec.json.decode(item)) == ("msg_1_i0", whole)


def test_a_whole_item_is_listed_as_it_is() -> None:
    items = [MESSAGE, THOUGHT, {**CALL, "status": "incomplete"}, HOSTED]
    assert read(item for _, item in thread.listed(raws(*items), "resp_1")) == items


def test_a_turn_is_found_by_its_output_and_by_the_ids_that_we_gave() -> None:
    items = raws({"role": "user", "content": "x"}, MESSAGE, {"role": "user", "content": "y"})
    found = thread.read(response(THOUGHT, CALL))
    assert found is not None
    assert thread.names(items, found) == ["rs_1", "fc_1", f"msg_{SEED}_i0", f"msg_{SEED}_i2"]


def test_what_a_turn_holds_can_be_said_again() -> None:
    user = {"role": "user", "content": "x"}
    found = thread.held(raws(user, MESSAGE), response({**THOUGHT, "status": None}, CALL), f"resp_{SEED}")
    told = {id_: msgspec.json.decode(item) for id_, item in found.items()}
    assert told == {f"msg_{SEED}_i0": user, "msg_1": MESSAGE, "rs_1": THOUGHT, "fc_1": CALL}


@pytest.mark.parametrize("more", [{}, {"store": True, "extra": 1.50}])
def test_what_is_not_stored_says_so_and_nothing_else_changes(more: dict[str, Any]) -> None:
    told = response(MESSAGE, **more)
    assert msgspec.json.decode(thread.unstored(told)) == {**msgspec.json.decode(told), "store": False}


@pytest.mark.parametrize("kind", ["completed", "incomplete"])
def test_the_event_that_ends_a_stream_says_that_it_is_not_stored(kind: str) -> None:
    event = {"type": f"response.{kind}", "sequence_number": 7, "response": msgspec.json.decode(response(MESSAGE))}
    end = sse.render(msgspec.json.encode(event), f"response.{kind}")
    said = thread.end_unstored(end)
    assert said.startswith(b"event: response.%b\ndata: " % kind.encode())
    [frame] = sse.Splitter().feed(said)
    assert msgspec.json.decode(frame.data) == {**event, "response": {**event["response"], "store": False}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "event",
    [
        sse.DONE, sse.KEEP_ALIVE, b"data: {no json\n\n",
        sse.render(b'{"type":"response.failed","response":{"id":"r"}}', "response.failed"),
        sse.render(b'{"type":"response.output_text.delta","delta":"x"}', "response.output_text.delta"),
    ],
)  # fmt: skip
def test_any_other_event_stays_as_it_is(event: bytes) -> None:
    assert thread.end_unstored(event) == event
