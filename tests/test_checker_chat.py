"""The chat half of the stream checker: a right stream passes, and each way to be wrong is caught by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from checker import check_chat

Events = list[dict[str, Any]]


def _chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "auto"}
    return {**base, "choices": list(choices), **more}


def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _piece(index: int, text: str, **head: Any) -> dict[str, Any]:
    name = {"name": head.pop("name")} if head else {}
    return {"index": index, **head, "function": {**name, "arguments": text}}


def right_chat() -> Events:
    """Text, two calls, a finish, the usage."""
    return [
        _chunk(_choice({"role": "assistant", "content": ""})),
        _chunk(_choice({"content": "Hé"})),
        _chunk(_choice({"tool_calls": [_piece(0, "", id="call_1", type="function", name="a")]})),
        _chunk(_choice({"tool_calls": [_piece(0, '{"x":1}')]})),
        _chunk(_choice({"tool_calls": [_piece(1, "{}", id="call_2", type="function", name="b")]})),
        _chunk(_choice({}, "tool_calls")),
        _chunk(usage={"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}),
    ]


def at(nth: int, /, **fields: Any) -> Callable[[Events], None]:
    return lambda chunks: chunks[nth].update(fields)


def delta(nth: int, /, **fields: Any) -> Callable[[Events], None]:
    return lambda chunks: chunks[nth]["choices"][0]["delta"].update(fields)


def call(nth: int, /, **fields: Any) -> Callable[[Events], None]:
    return lambda chunks: chunks[nth]["choices"][0]["delta"]["tool_calls"][0].update(fields)


def drop(index: int) -> Callable[[Events], None]:
    return lambda chunks: chunks.pop(index) and None


CHAT: dict[str, tuple[Callable[[Events], None], str]] = {
    "id changes": (at(2, id="chatcmpl-2"), "id changes"),
    "created changes": (at(2, created=2), "created changes"),
    "model changes": (at(2, model="m"), "model changes"),
    "no role": (drop(0), "role first"),
    "role again": (delta(1, role="assistant"), "role first, and once"),
    "no finish": (drop(5), "finish reasons"),
    "finish twice": (lambda c: c.insert(6, copy.deepcopy(c[5])), "goes on after"),
    "finish not OpenAI's": (lambda c: c[5]["choices"][0].update(finish_reason="end_turn"), "not one of"),
    "stop with calls": (lambda c: c[5]["choices"][0].update(finish_reason="stop"), "stop with 2 calls"),
    "usage lost": (drop(6), "usage on chunks"),
    "usage beside a choice": (at(5, usage={"prompt_tokens": 1}), "usage on chunks"),
    "usage not last": (lambda c: c.insert(0, c.pop()), "usage on chunks"),
    "empty choices without usage": (at(1, choices=[]), "empty choices"),
    "usage total": (at(6, usage={"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 6}), "not the sum"),
    "all calls at index 0": (call(4, index=0), "told once"),
    "index skips": (call(4, index=2), "index 2 where 1"),
    "id repeated": (call(3, id="call_1"), "told once"),
    "two calls with one id": (call(4, id="call_1"), "two calls"),
    "no type": (call(4, type=None), "come first"),
    "arguments cut": (call(3, function={"arguments": '{"x":'}), "not JSON"),
    "arguments empty": (call(4, function={"name": "b", "arguments": ""}), "not JSON"),
    "error within": (lambda c: c.insert(2, {"error": {"message": "x"}}), "midst"),
    "wrong object": (lambda c: [x.update(object="chat.completion") for x in c] and None, "object"),
}


def test_a_right_chat_stream_passes() -> None:
    check_chat(right_chat(), include_usage=True)
    check_chat(right_chat()[:-1], include_usage=False)


@pytest.mark.parametrize("name", CHAT)
def test_each_chat_mutation_is_caught_for_its_reason(name: str) -> None:
    mutate, reason = CHAT[name]
    chunks = right_chat()
    mutate(chunks)
    with pytest.raises(AssertionError, match=reason):
        check_chat(chunks, include_usage=True)


def test_usage_that_nobody_asked_for_is_caught() -> None:
    with pytest.raises(AssertionError, match="usage on chunks"):
        check_chat(right_chat(), include_usage=False)


def test_a_chat_stream_that_broke_off_ends_with_an_error_and_no_finish() -> None:
    error = {"error": {"message": "gone", "type": "server_error", "param": None, "code": None}}
    check_chat([*right_chat()[:2], error], include_usage=True, done=False)
    with pytest.raises(AssertionError, match="finish reasons"):
        check_chat([*right_chat()[:6], error], include_usage=True, done=False)
    with pytest.raises(AssertionError, match="without an error"):
        check_chat(right_chat()[:2], include_usage=True, done=False)
