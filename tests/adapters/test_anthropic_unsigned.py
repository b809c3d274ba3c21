"""Thinking that no Claude has signed does not go to Claude; every other byte does."""

from __future__ import annotations

import msgspec
import pytest

from adapters.anthropic_messages.unsigned import strip

UNSIGNED = '{"type":"thinking","thinking":"hm","signature" : ""}'
SIGNED = '{"type":"thinking","thinking":"hm","signature":"s"}'
TEXT = '{ "type": "text",  "text": "\\u00e9", "signature":"" }'


def turn(*blocks: str, role: str = "assistant") -> str:
    return f'{{"role":"{role}","content":[{",".join(blocks)}]}}'


def stripped(*turns: str) -> tuple[str, int]:
    fields, named = strip({"messages": msgspec.Raw(f"[{','.join(turns)}]".encode())})
    return bytes(fields["messages"]).decode(), len(named)


def test_unsigned_thinking_is_left_out_and_named() -> None:
    ask = turn(TEXT, role="user")
    assert stripped(ask, turn(UNSIGNED, SIGNED, TEXT)) == (f"[{ask},{turn(SIGNED, TEXT)}]", 1)


def test_a_turn_of_nothing_else_goes_whole() -> None:
    assert stripped(turn(UNSIGNED), turn(TEXT, role="user")) == (f"[{turn(TEXT, role='user')}]", 1)


@pytest.mark.parametrize("body", ['[ {"role":"user","content":"a \\"signature\\":\\"\\" b"} ]', f"[{turn(TEXT)}]"])
def test_what_only_looks_like_it_stays_byte_for_byte(body: str) -> None:
    fields = {"messages": msgspec.Raw(body.encode())}
    assert strip(fields) == (fields, [])


@pytest.mark.parametrize(
    "body", ['{"signature":""}', '[{"content":[{"signature":"", "type": 7}]}]', '[["signature", {"signature":""}]]']
)
def test_what_cannot_be_read_is_its_vendors_to_refuse(body: str) -> None:
    fields = {"messages": msgspec.Raw(body.encode())}
    assert strip(fields) == (fields, [])
