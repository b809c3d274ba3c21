"""GET, DELETE and input_items of stored responses; and what is not built says so, in OpenAI's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response
from public_door import CHAT, RESPONSES, Heard, chat, get, post, responses
from stored_kit import FOUR, TOOL, Road, items, result, road, told, turns

MODES = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def made() -> Iterator[Road]:
    with road() as built:
        yield built


@MODES
@pytest.mark.parametrize("backend", FOUR)
def test_what_is_retrieved_is_what_was_answered(made: Road, backend: str, stream: bool) -> None:
    answer = made.ask(
        backend, "Weather?", stream=stream, tools=[TOOL], reasoning={"effort": "low", "summary": "auto"}
    )  # fmt: skip
    found = made.sdk.responses.retrieve(answer.id, include=["reasoning.encrypted_content"])
    assert told(found) == told(answer)


@pytest.mark.parametrize("backend", FOUR)
def test_it_is_stored_before_its_end_is_released(made: Road, backend: str) -> None:
    with made.sdk.responses.create(model=f"to-{backend}", input="Hi!", stream=True) as events:
        for event in events:
            if event.type == "response.completed":
                assert made.sdk.responses.retrieve(event.response.id).status == "completed"
                return
    raise AssertionError("no end")


def test_what_is_deleted_is_gone(made: Road) -> None:
    answer = made.ask("claude", "Hi!")
    gone = made.live.call("DELETE", f"{RESPONSES}/{answer.id}")
    assert gone == (200, {"id": answer.id, "object": "response", "deleted": True})
    with pytest.raises(openai.NotFoundError):
        made.sdk.responses.retrieve(answer.id)
    with pytest.raises(openai.NotFoundError):
        made.sdk.responses.delete(answer.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        made.ask("claude", "And?", previous_response_id=answer.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        made.ask("claude", items({"type": "item_reference", "id": answer.output[0].id}))


def test_the_sdk_deletes(made: Road) -> None:
    answer = made.ask("claude", "Hi!")
    made.sdk.responses.delete(answer.id)
    assert get(made.live, f"{RESPONSES}/{answer.id}").status == 404


@pytest.mark.parametrize("path", ["", "/input_items"])
def test_an_unknown_id_is_a_404(made: Road, path: str) -> None:
    heard = get(made.live, f"{RESPONSES}/resp_unknown{path}")
    assert (heard.status, heard.error["code"], heard.error["param"]) == (404, "response_not_found", "id")
    assert "'resp_unknown' not found" in heard.error["message"]
    assert heard.headers["x-request-id"]


@pytest.mark.parametrize("backend", FOUR)
def test_store_false_is_not_stored(made: Road, backend: str) -> None:
    answer = made.ask(backend, "Hi!", store=False)
    assert told(answer)["store"] is False
    assert get(made.live, f"{RESPONSES}/{answer.id}").status == 404


@pytest.mark.parametrize("store", [True, None])
def test_store_is_the_default(made: Road, store: bool | None) -> None:
    answer = made.ask("claude", "Hi!", store=store)
    assert told(answer)["store"] is True
    assert get(made.live, f"{RESPONSES}/{answer.id}").status == 200


def test_chat_and_counts_store_nothing(made: Road) -> None:
    before = turns(made.live)
    post(made.live, CHAT, chat("to-claude", store=True))
    counted = post(made.live, f"{RESPONSES}/input_tokens", responses("to-claude"))
    assert (counted.status, turns(made.live)) == (200, before)


def test_a_count_is_of_the_whole_thread(made: Road) -> None:
    one = made.ask("claude", "A question of several words, so that it counts.")

    def count(**more: Any) -> int:
        body = post(made.live, f"{RESPONSES}/input_tokens", responses("to-claude", "And?", **more)).body
        return int(body["input_tokens"])

    assert count(previous_response_id=one.id) > count() + 5


def listed(made: Road, answer: Response, query: str = "") -> Any:
    heard = get(made.live, f"{RESPONSES}/{answer.id}/input_items{query}")
    assert heard.status == 200, heard.raw
    return heard.body


def test_a_string_is_listed_as_a_message(made: Road) -> None:
    answer = made.ask("claude", "Hi!")
    page = listed(made, answer)
    [item] = page["data"]
    content = [{"type": "input_text", "text": "Hi!"}]
    assert item == {"id": item["id"], "type": "message", "role": "user", "content": content, "status": "completed"}
    assert page == {"object": "list", "data": [item], "first_id": item["id"], "last_id": item["id"], "has_more": False}


def test_every_kind_of_input_item_has_the_shape_that_the_sdk_knows(made: Road) -> None:
    asked = made.ask("openai", "Weather?", tools=[TOOL], reasoning={"effort": "low"})
    call: Any = asked.output[-1]
    given = items(
        {"role": "developer", "content": "Be brief."}, {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
        {"role": "assistant", "content": "y"}, *[told(item) for item in asked.output], result(call.call_id, "21"),
    )  # fmt: skip
    answer = made.ask("openai", given, tools=[TOOL])
    kinds = [type(item).__name__ for item in made.sdk.responses.input_items.list(answer.id, order="asc")]
    assert kinds == [
        "ResponseInputMessageItem", "ResponseInputMessageItem", "ResponseOutputMessage", "ResponseReasoningItem",
        "ResponseFunctionToolCallItem", "ResponseFunctionToolCallOutputItem",
    ]  # fmt: skip


def test_only_the_turns_own_input_is_listed(made: Road) -> None:
    one = made.ask("claude", "First.")
    two = made.ask("claude", "Second.", previous_response_id=one.id)
    [item] = listed(made, two)["data"]
    assert item["content"][0]["text"] == "Second."


def test_input_items_come_by_page(made: Road) -> None:
    texts = [f"part {at}" for at in range(45)]
    answer = made.ask("claude", items(*({"role": "user", "content": text} for text in texts)))

    def read(page: Any) -> list[str]:
        return [item["content"][0]["text"] for item in page["data"]]

    newest = listed(made, answer)
    assert (read(newest), newest["has_more"]) == (texts[:24:-1], True)
    first = listed(made, answer, "?order=asc&limit=40")
    rest = listed(made, answer, f"?order=asc&limit=40&after={first['last_id']}")
    assert (read(first) + read(rest), first["has_more"], rest["has_more"]) == (texts, True, False)
    none = listed(made, answer, f"?order=asc&after={rest['last_id']}")
    assert (none["data"], none["first_id"], none["last_id"], none["has_more"]) == ([], None, None, False)
    everything: list[Any] = list(made.sdk.responses.input_items.list(answer.id, order="asc", limit=7))
    assert [item.content[0].text for item in everything] == texts
    assert len({item.id for item in everything}) == len(texts)


@pytest.mark.parametrize(
    ("query", "param"),
    [("?limit=0", "limit"), ("?limit=101", "limit"), ("?limit=x", "limit"), ("?limit=-1", "limit"),
     ("?order=up", "order"), ("?after=msg_nowhere", "after"), ("?include=everything", "include"),
     ("?include[]=everything", "include")],
)  # fmt: skip
def test_a_wrong_query_names_its_parameter(made: Road, query: str, param: str) -> None:
    heard = get(made.live, f"{RESPONSES}/{made.ask('claude', 'Hi!').id}/input_items{query}")
    assert (heard.status, heard.error["param"], heard.error["code"]) == (400, param, "invalid_value")


def test_a_stored_response_is_not_streamed_again(made: Road) -> None:
    answer = made.ask("claude", "Hi!")
    for query in ("?stream=true", "?stream=true&starting_after=2"):
        heard = get(made.live, f"{RESPONSES}/{answer.id}{query}")
        assert (heard.status, heard.error["param"]) == (400, "stream")
    assert get(made.live, f"{RESPONSES}/{answer.id}?stream=false").status == 200


# --- what is not built ---------------------------------------------------------------------------------------------


def refused(made: Road, **fields: Any) -> Heard:
    sent = len(made.journal)
    heard = post(made.live, RESPONSES, {"model": "to-openai", "input": "Hi!", **fields})
    assert len(made.journal) == sent, "it was passed on"
    return heard


@pytest.mark.parametrize(
    ("field", "value", "mend"),
    [("background", True, "stream: true"), ("conversation", "conv_1", "previous_response_id"),
     ("conversation", {"id": "conv_1"}, "previous_response_id")],
)  # fmt: skip
def test_a_field_that_is_not_built_is_refused_by_name(made: Road, field: str, value: Any, mend: str) -> None:
    error = refused(made, **{field: value})
    assert (error.status, error.error["param"], error.error["code"]) == (400, field, "unsupported_parameter")
    assert mend in error.error["message"]


@pytest.mark.parametrize("backend", FOUR)
def test_their_empty_values_are_no_harm(made: Road, backend: str) -> None:
    empty = {"background": False, "conversation": None, "previous_response_id": None}
    assert post(made.live, RESPONSES, {"model": f"to-{backend}", "input": "Hi!", **empty}).status == 200


@pytest.mark.parametrize("previous", ["resp_unknown", "", "x" * 5000, "resp_'; --"])
def test_an_unknown_previous_response_reaches_no_upstream(made: Road, previous: str) -> None:
    error = refused(made, previous_response_id=previous).error
    assert (error["code"], error["param"]) == ("previous_response_not_found", "previous_response_id")


@pytest.mark.parametrize("previous", [7, ["resp_1"], {"id": "resp_1"}, True])
def test_a_previous_response_must_be_named_by_a_string(made: Road, previous: Any) -> None:
    heard = refused(made, previous_response_id=previous)
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "invalid_type", "previous_response_id")


@pytest.mark.parametrize("item", [{"type": "item_reference", "id": "msg_68af"}, {"id": "rs_68af"}])
def test_a_reference_to_nothing_reaches_no_upstream(made: Road, item: Any) -> None:
    heard = refused(made, input=[{"role": "user", "content": "Hi!"}, item])
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "item_not_found", "input[1]")
    hidden = b'{"model":"to-openai","input":[{"type":"item\\u005freference","id":"msg_68af"}]}'
    assert post(made.live, RESPONSES, hidden).error["code"] == "item_not_found"


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [("POST", "/v1/responses/compact", "Compaction"), ("POST", "/v1/conversations", "previous_response_id"),
     ("GET", "/v1/conversations/conv_1", "Conversations"), ("POST", "/v1/conversations/conv_1/items", "Conversations"),
     ("DELETE", "/v1/conversations/conv_1/items/i", "Conversations"), ("GET", "/v1/batches", "one by one"),
     ("POST", "/v1/batches/b/cancel", "Batches"), ("POST", "/v1/files", "file_data"),
     ("GET", "/v1/files/file_1/content", "Files")],
)  # fmt: skip
def test_an_endpoint_that_is_not_built_says_what_to_do_instead(made: Road, method: str, path: str, says: str) -> None:
    status, body = made.live.call(method, path, b"{}")
    assert (status, body["error"]["code"]) == (404, "not_built")
    assert says in body["error"]["message"]


def test_nothing_can_be_cancelled(made: Road) -> None:
    with pytest.raises(openai.BadRequestError, match="background"):
        made.sdk.responses.cancel(made.ask("claude", "Hi!").id)


def test_other_methods_are_told_so(made: Road) -> None:
    status, body = made.live.call("PUT", f"{RESPONSES}/resp_1", b"{}")
    assert (status, body["error"]["code"]) == (405, "method_not_allowed")
    assert get(made.live, RESPONSES).status in (405, 426)
