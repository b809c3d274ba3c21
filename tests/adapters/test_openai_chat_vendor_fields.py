"""Vendors' own fields of reasoning that chat clients send back: read for their vendor, shown to no other."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.openai_chat import DIALECT

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OPENAI = ir.Upstream(provider="openai", dialect="openai_chat", model="m", wire="exact")
VLLM = ir.Upstream(provider="vllm", dialect="openai_chat", model="m")


def read(**fields: Any) -> ir.Message:
    message = {"role": "assistant", "content": "so", "tool_calls": [CALL], **fields}
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, message]}
    return DIALECT.read_request(json.dumps(body).encode()).messages[1]


def signed(family: ir.Family, kind: str, data: str) -> ir.VendorState:
    return ir.VendorState(family, kind, data)


def test_litellms_thinking_blocks() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "dGhl"},
        {"type": "new"},
    ]
    told = read(thinking_blocks=blocks, reasoning_content="hm")
    assert told.blocks == (
        ir.Reasoning(summary=("hm",), state=signed("anthropic", "signature", "sig")),
        ir.Reasoning(state=signed("anthropic", "redacted", "dGhl")),
        ir.Text("so"),
        ir.ToolCall("a", "f", "{}"),
    )
    assert told.extras == {}


@pytest.mark.parametrize("form", [{"format": "anthropic-claude-v1"}, {}])
def test_openrouters_signed_text(form: dict[str, str]) -> None:
    told = read(reasoning_details=[{"type": "reasoning.text", "text": "hm", "signature": "sig", **form}])
    assert told.blocks[0] == ir.Reasoning(summary=("hm",), state=signed("anthropic", "signature", "sig"))


@pytest.mark.parametrize(
    ("form", "state", "id_"),
    [
        ("anthropic-claude-v1", signed("anthropic", "redacted", "E"), None),
        ("openai-responses-v1", signed("openai", "encrypted_content", "E"), "rs_1"),
    ],
)
def test_openrouters_encrypted_reasoning_is_its_vendors(form: str, state: ir.VendorState, id_: str | None) -> None:
    told = read(reasoning_details=[{"type": "reasoning.encrypted", "data": "E", "format": form, "id": "rs_1"}])
    assert told.blocks[0] == ir.Reasoning(state=state, id=id_)


def test_openrouters_encrypted_reasoning_of_google_belongs_to_a_call() -> None:
    detail = {"type": "reasoning.encrypted", "data": "E", "format": "google-gemini-v1"}
    state = signed("google", "thought_signature", "E")
    assert read(reasoning_details=[{**detail, "id": "a"}]).blocks[1:] == (ir.ToolCall("a", "f", "{}", state=state),)
    assert read(reasoning_details=[detail]).blocks[0] == ir.Reasoning(state=state)


def test_words_that_only_one_field_has_are_kept() -> None:
    encrypted = {"type": "reasoning.encrypted", "data": "E", "format": "anthropic-claude-v1"}
    told = read(reasoning="words", reasoning_details=[encrypted])
    assert told.blocks[:2] == (ir.Reasoning("words"), ir.Reasoning(state=signed("anthropic", "redacted", "E")))
    told = read(reasoning="words", reasoning_details=[{"type": "reasoning.summary", "summary": "better words"}])
    assert told.blocks[:2] == (ir.Reasoning(summary=("better words",)), ir.Text("so"))


def test_googles_signature_on_a_call_and_on_the_text() -> None:
    beside = {"extra_content": {"google": {"thought_signature": "sig"}}}
    state = signed("google", "thought_signature", "sig")
    told = read(tool_calls=[{**CALL, **beside}], **beside)
    assert told.blocks == (ir.Text("so", state=state), ir.ToolCall("a", "f", "{}", state=state))


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_details": "x"},
        {"reasoning_details": [1, {"type": "reasoning.text"}, {"type": "reasoning.encrypted", "data": 1}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "format": "xai-responses-v1"}]},
        {"thinking_blocks": {"type": "thinking"}},
        {"extra_content": [1]},
        {"extra_content": {"google": {"thought_signature": 1}}},
    ],
)
def test_what_is_not_understood_is_passed_over(fields: dict[str, Any]) -> None:
    told = read(**fields)
    assert told.blocks == (ir.Text("so"), ir.ToolCall("a", "f", "{}"))
    assert told.extras == {}


def test_no_other_server_is_shown_them() -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "sig"}]
    call = {**CALL, "extra_content": {"google": {"thought_signature": "sig"}}}
    message = {"role": "assistant", "content": None, "tool_calls": [call], "thinking_blocks": blocks}
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, message]}
    request = DIALECT.read_request(json.dumps(body).encode())
    written = DIALECT.write_request(request, VLLM, ir.Context("00", 0)).body
    assert b"sig" not in written
    fields = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in body.items()}
    patched, named = DIALECT.patch(fields, OPENAI)
    sent = msgspec.json.decode(patched["messages"])
    assert sent == [body["messages"][0], {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    assert [one.name for one in named] == ["messages.reasoning"]
