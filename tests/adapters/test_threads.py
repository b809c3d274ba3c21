"""What a conversation is known by, in the three dialects that clients speak: the same however it is wrapped."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.call_ids import legal_id
from adapters.threads import BOUND, Marks, marks, session

Json = dict[str, Any]
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
SYSTEM, QUESTION = ("Be brief.",), ("What is there?",)
PARALLEL = {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "call_2"}]}

CHAT: Json = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is there?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a tree"},
    ]
}
RESPONSES: Json = {
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "What is there?"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a tree"},
    ],
}
MESSAGES: Json = {
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What is there?"}]},
        {"role": "assistant", "content": [
            {"type": "text", "text": "I look."}, {"type": "tool_use", "id": "call_1", "name": "look", "input": {}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "a tree"}]},
    ],
}  # fmt: skip


def top(body: Json) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])


def read(body: Json) -> Marks:
    found = marks(top(body))
    assert found is not None
    return found


@pytest.mark.parametrize("body", [CHAT, RESPONSES, MESSAGES], ids=["chat", "responses", "messages"])
def test_all_dialects_tell_the_same(body: Json) -> None:
    found = read(body)
    assert (found.system, found.question, found.results) == (SYSTEM, QUESTION, ("call_1",))
    assert found.answer[0] == "I look."
    name = "input" if "input" in body else "messages"
    first = read({**body, name: body[name][: 2 if body is CHAT else 1]})
    assert (first.system, first.question, first.answer, first.results) == (SYSTEM, QUESTION, (), ())


@pytest.mark.parametrize("text", ["What is there?", [{"type": "text", "text": "What is there?", "cache_control": {}}]])
def test_how_a_text_is_wrapped_does_not_matter(text: Any) -> None:
    """A client moves its cache breakpoint on with every request."""
    assert read({"messages": [{"role": "user", "content": text}]}).question == QUESTION
    assert read({"input": "What is there?"}).question == QUESTION


RESULT = {"role": "tool", "tool_call_id": "call_2", "content": "x"}
DONE = [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "Thanks."}]
LEGACY = [{"role": "assistant", "function_call": {}}, {"role": "function", "name": "look", "content": "x"}]


@pytest.mark.parametrize(
    ("more", "results"),
    [
        ([], ("call_1",)),
        ([PARALLEL], ()),
        ([PARALLEL, CHAT["messages"][3], RESULT], ("call_2", "call_1")),
        ([PARALLEL, RESULT, {"role": "user", "content": "And?"}], ("call_2",)),
        (DONE, ()),
        (LEGACY, ("",)),
    ],
)
def test_results_since_the_last_answer(more: list[Json], results: tuple[str, ...]) -> None:
    assert read({"messages": [*CHAT["messages"], *more]}).results == results


def test_an_id_is_told_as_every_vendor_takes_it() -> None:
    """The client of another dialect was told that one."""
    odd = {**RESULT, "tool_call_id": "functions.look:0"}
    assert read({"messages": [PARALLEL, odd]}).results == (legal_id("functions.look:0"),)


def test_long_texts_are_bounded_and_still_told_apart() -> None:
    one, two = (read({"input": "x" * size}).question[0] for size in (BOUND + 1, BOUND + 2))
    assert one != two
    assert max(len(one), len(two)) < BOUND + 20


@pytest.mark.parametrize("body", [{}, {"messages": 5}, {"messages": [5]}, {"messages": None}, {"input": {"a": 1}}])
def test_what_has_no_turns_has_no_marks(body: Json) -> None:
    assert marks(top(body)) is None


@pytest.mark.parametrize(("told", "name"), [("abc", "abc"), ("", None), (5, None), (None, None)])
def test_a_clients_own_name(told: Any, name: str | None) -> None:
    assert session(top({"prompt_cache_key": told})) == name
    assert session({}) is None


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "type", "content", "text", "id", "call_id", "tool_calls", "tool_use_id"])
            | st.text(max_size=3),
            inner | st.sampled_from(["user", "assistant", "tool", "tool_result", "function_call_output", "system"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["messages", "input", "system", "instructions", "tools"]), values))
def test_whatever_comes_is_no_crash(body: Json) -> None:
    found = marks(top(body))
    if found is not None:
        words = (*found.system, *found.question, *found.answer, *found.results)
        assert all(isinstance(word, str) for word in words)
