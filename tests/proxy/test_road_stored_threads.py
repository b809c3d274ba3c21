"""Stored turns through the public door: a thread goes on at whichever backend, with tools, streamed or whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from openai.types.responses import Response, ResponseFunctionToolCall
from public_door import RESPONSES, post
from stored_kit import FOUR, TOOL, Road, in_order, items, result, road, strings, told

from proxy.explain import explain
from proxy.snapshot import Snapshot, build_text

MODES = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def made() -> Iterator[Road]:
    with road() as built:
        yield built


def call(answer: Response) -> ResponseFunctionToolCall:
    [found] = [item for item in answer.output if isinstance(item, ResponseFunctionToolCall)]
    return found


@MODES
@pytest.mark.parametrize("second", FOUR)
@pytest.mark.parametrize("first", FOUR)
def test_a_thread_begun_on_one_goes_on_with_another(made: Road, first: str, second: str, stream: bool) -> None:
    one = made.ask(first, "I am Ada.", stream=stream)
    two = made.ask(second, "And I am Bob.", stream=stream, previous_response_id=one.id)
    assert (one.previous_response_id, two.previous_response_id) == (None, one.id)
    body = made.sent()
    assert in_order(body, ["I am Ada.", one.output_text, "And I am Bob."])
    assert list(strings(body)).count("I am Ada.") == list(strings(body)).count(one.output_text) == 1


@MODES
def test_a_thread_may_visit_all_of_them(made: Road, stream: bool) -> None:
    previous: str | None = None
    said: list[str] = []
    for backend in (*FOUR, *FOUR):
        text = f"This is turn {len(said) // 2}."
        answer = made.ask(
            backend, text, stream=stream, reasoning={"effort": "medium", "summary": "auto"},
            previous_response_id=previous,
        )  # fmt: skip
        assert in_order(made.sent(), [*said, text])
        said += [text, answer.output_text]
        previous = answer.id


@MODES
@pytest.mark.parametrize("second", FOUR)
@pytest.mark.parametrize("first", FOUR)
def test_a_tool_loop_needs_only_the_result(made: Road, first: str, second: str, stream: bool) -> None:
    asked = made.ask(first, "Weather in Rome?", stream=stream, tools=[TOOL], reasoning={"effort": "low"})
    given = items(result(call(asked).call_id, "It is 21 degrees."))
    answer = made.ask(second, given, stream=stream, tools=[TOOL], previous_response_id=asked.id)
    assert "It is 21 degrees." in answer.output_text
    assert in_order(made.sent(), ["Weather in Rome?", "It is 21 degrees."])
    last = made.ask(first, "Thanks!", stream=stream, tool_choice="none", tools=[TOOL], previous_response_id=answer.id)
    assert in_order(made.sent(), ["Weather in Rome?", "It is 21 degrees.", answer.output_text, "Thanks!"])
    assert last.output_text


def test_a_long_tool_loop_stays_whole(made: Road) -> None:
    previous: str | None = None
    given: Any = "Weather?"
    for turn in range(12):
        choice: Any = {"tools": [TOOL], "tool_choice": "required", "previous_response_id": previous}
        asked = made.ask(FOUR[turn % 4], given, stream=bool(turn % 3), **choice)
        previous, given = asked.id, items(result(call(asked).call_id, f"result {turn}."))
    made.ask("claude", given, previous_response_id=previous, tools=[TOOL])
    assert in_order(made.sent(), ["Weather?", *(f"result {turn}." for turn in range(12))])


def test_a_thread_forks(made: Road) -> None:
    root = made.ask("claude", "The root.")
    made.ask("claude", "One branch.", previous_response_id=root.id)
    made.ask("claude", "Another branch.", previous_response_id=root.id)
    body = made.sent()
    assert in_order(body, ["The root.", root.output_text, "Another branch."])
    assert "One branch." not in str(body)


@pytest.mark.parametrize("backend", FOUR)
def test_what_the_client_asked_is_echoed_and_nothing_of_the_thread(made: Road, backend: str) -> None:
    one = made.ask(backend, "Hi!", instructions="Be brief.", tools=[TOOL], tool_choice="none", metadata={"a": "b"})
    two = made.ask(backend, "And?", previous_response_id=one.id)
    assert (two.instructions, two.tools, two.metadata) == (None, [], {})
    assert "Be brief." not in str(made.sent())


def test_images_and_extras_of_a_stored_turn_go_on(made: Road) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = [{"type": "input_text", "text": "Look!"}, {"type": "input_image", "image_url": pixel, "detail": "low"}]
    one = made.ask("openai", items({"role": "user", "content": content}))
    made.ask("claude", "What was it?", previous_response_id=one.id)
    [first, *_] = made.sent()["messages"]
    assert [block["type"] for block in first["content"]] == ["text", "image"]


@pytest.mark.parametrize("backend", FOUR)
def test_references_to_stored_items_are_followed(made: Road, backend: str) -> None:
    """As the AI SDK of Vercel sends a conversation: what we said is only pointed at."""
    one = made.ask("gemini", "I am Ada.")
    two = made.ask("openai", "Weather in Rome?", tools=[TOOL], reasoning={"effort": "low"})
    pointers = [{"type": "item_reference", "id": item.id} for item in (*one.output, *two.output)]
    given = items(
        {"role": "user", "content": "I am Ada."}, pointers[0], {"role": "user", "content": "Weather in Rome?"},
        *pointers[1:], result(call(two).call_id, "It is 21 degrees."),
    )  # fmt: skip
    answer = made.ask(backend, given, tools=[TOOL], store=False)
    assert answer.previous_response_id is None
    said = ["I am Ada.", one.output_text, "Weather in Rome?", "It is 21 degrees."]
    assert in_order(made.sent(), said)


def test_a_reference_may_point_into_the_thread_and_need_no_type(made: Road) -> None:
    one = made.ask("claude", "Say it.")
    listed = made.sdk.responses.input_items.list(one.id).data[0].id
    assert listed is not None
    made.ask("claude", items({"id": one.output[0].id}, {"id": listed}), store=False)
    assert in_order(made.sent(), [one.output_text, "Say it."])


@MODES
def test_a_turn_cut_short_goes_on(made: Road, stream: bool) -> None:
    one = made.ask("claude", "Please count to 400.", stream=stream, max_output_tokens=16)
    assert one.status == "incomplete"
    made.ask("gemini", "Go on.", previous_response_id=one.id)
    assert in_order(made.sent(), ["Please count to 400.", "Go on."])
    assert told(made.sdk.responses.retrieve(one.id))["status"] == "incomplete"


@pytest.mark.parametrize("backend", FOUR)
def test_a_call_cut_short_is_not_asked_again(made: Road, backend: str) -> None:
    one = made.ask(backend, "Weather in Rome?", tools=[TOOL], tool_choice="required", max_output_tokens=16)
    made.ask(backend, "Never mind.", previous_response_id=one.id)
    assert in_order(made.sent(), ["Weather in Rome?", "Never mind."])


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"background": True}, "unsupported_parameter"), ({"conversation": "c"}, "unsupported_parameter"),
     ({"previous_response_id": 7}, "invalid_type")],
)  # fmt: skip
def test_explain_refuses_what_the_road_refuses(made: Road, fields: dict[str, Any], code: str) -> None:
    asked = {"model": "to-claude", "input": "Hi!", **fields}
    found = explain(snapshot(made), "responses", msgspec.json.encode(asked))
    heard = post(made.live, RESPONSES, asked)
    assert found.failure is not None
    assert (found.failure.code, found.failure.message) == (code, heard.error["message"])


@pytest.mark.parametrize("backend", FOUR)
def test_explain_decides_on_the_new_input_of_a_thread(made: Road, backend: str) -> None:
    asked = {"model": f"to-{backend}", "input": "Hi!", "previous_response_id": "resp_1"}
    found = explain(snapshot(made), "responses", msgspec.json.encode(asked))
    assert (found.failure, found.backend) == (None, backend)


def snapshot(made: Road) -> Snapshot:
    text = made.live.config.read_text()
    return build_text(text, file=str(made.live.config), generation=1, env={})
