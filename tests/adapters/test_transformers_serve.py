"""What ``transformers serve`` 5.23 really sends, byte for byte (tests/real made it): its faults, and what we make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checker import check_chat, parse_sse
from openai_chat_kit import relayed
from responses_kit import ECHO, relay, strict_events, strict_response, text

from adapters import ir
from adapters.openai_chat import DIALECT as CHAT
from adapters.openai_responses import DIALECT
from adapters.relay import StreamRelay

FOLDER = Path(__file__).with_name("transformers_serve")


def recorded(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def told(name: str) -> dict[str, object]:
    """The response that ends our stream of a recorded one; the stream is valid for the SDK and the checker."""
    machine = relay(recorded(name))
    assert machine.failure is None
    response: dict[str, object] = strict_events(machine.tail)[-1]["response"]
    assert response["created_at"] == 1_700_000_000, "ours: the engine's is a float"
    return response


def said(response: dict[str, object]) -> list[str]:
    """Each item in short: its text, or what it calls."""
    items: list[dict[str, object]] = response["output"]  # type: ignore[assignment]
    texts = ["".join(part["text"] for part in item.get("content") or ()) for item in items]  # type: ignore[attr-defined]
    return [f"{item['type']} {item.get('name') or ''}{words}".strip() for item, words in zip(items, texts, strict=True)]


def test_a_message_announced_again_after_a_call_is_told_once() -> None:
    """Same id, another place, its whole text again."""
    assert said(told("responses-text-and-call.sse")) == ["message Hello!", "function_call get_weather"]


def test_of_a_message_that_goes_on_after_a_call_only_the_new_is_told() -> None:
    assert said(told("responses-text-call-text.sse")) == ["message one", "function_call get_weather", "message two"]


def test_reasoning_in_the_place_of_an_open_message() -> None:
    """Both are at output_index 0 until the message moves on to 1."""
    assert sorted(said(told("responses-text-and-thought.sse"))) == ["message one three", "reasoning two"]


@pytest.mark.parametrize("name", ["text-and-call", "text-call-text", "text-and-thought"])
def test_its_responses_reach_a_chat_client(name: str) -> None:
    echo = ir.Echo("5eed", 1_700_000_000, "auto", ir.Request(model="a", messages=(), stream=True, include_usage=True))
    machine = StreamRelay(DIALECT, CHAT, echo, exact=False)
    data = b"".join([*machine.feed(recorded(f"responses-{name}.sse")), *machine.close(), *machine.tail])
    chunks = parse_sse(data)
    check_chat(chunks, include_usage=True)
    content = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert content == {"text-and-call": "Hello!", "text-call-text": "one two", "text-and-thought": "one three"}[name]


def test_a_whole_answer_gets_what_it_lacks() -> None:
    """No error, no incomplete_details, no metadata; the time a float; ``annotations`` on the message itself."""
    reply = ir.collect(DIALECT.read_response(recorded("responses-text-and-call.json")))
    assert text(reply) == "Hello!"
    assert reply.usage == ir.Usage(input=12, output=22, cached=0, cache_write=0, reasoning=0, total=34)
    assert strict_response(DIALECT.write_response(reply, ECHO))["status"] == "completed"


def test_a_broken_stream_is_a_failure_in_its_own_words() -> None:
    machine = relay(recorded("responses-broken.sse"))
    assert machine.failure is not None
    assert "num_beams" in machine.failure.message


def test_a_chat_stream_without_done_and_with_usage_in_its_last_choice() -> None:
    machine, data = relayed(recorded("chat-text-call-text.sse"))
    assert machine.failure is None
    chunks = parse_sse(data)
    check_chat(chunks, include_usage=True)
    assert machine.usage == ir.Usage(input=12, output=25, total=37)
    assert json.loads(recorded("chat-text-call-text.sse").splitlines()[-2][6:])["choices"], (
        "the usage came with a choice"
    )


def test_a_chat_stream_that_breaks_with_a_bare_string() -> None:
    machine, data = relayed(recorded("chat-broken.sse"))
    assert machine.failure is not None
    assert "num_beams" in machine.failure.message
    assert b"num_beams" in data
