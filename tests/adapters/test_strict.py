"""How deep a body is nested, whatever stands in its strings; and how long it takes to tell."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir, strict

ODD = ['"', "\\", "[", "{", "]", "}", "\\\\", '\\"', "a", "é", "\n", "\u2028"]
texts = st.lists(st.sampled_from(ODD), max_size=12).map("".join)


def nested(depth: int, text: str = "") -> Any:
    """``depth`` arrays and objects within one another, ``text`` at every one of them."""
    value: Any = text
    for level in range(depth):
        value = {text: value} if level % 2 else [text, value, text]
    return value


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(st.integers(strict.MAX_DEPTH - 3, strict.MAX_DEPTH + 3), texts, st.booleans())
def test_no_string_hides_or_adds_a_level(depth: int, text: str, ascii_only: bool) -> None:
    value = nested(depth, text)
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    if depth_of(value) <= strict.MAX_DEPTH:
        strict.check(body)
        return
    with pytest.raises(ir.Invalid, match="nested deeper"):
        strict.check(body)


def test_many_small_parts_are_told_apart_soon() -> None:
    """A pattern that looks at each of them took 0.7 us for each."""
    part = {"role": "user", "content": [{"type": "text", "text": 'say "hello"'}]}
    body = json.dumps({"messages": [part] * 50_000}).encode()
    began = time.perf_counter()
    strict.check(body)
    assert time.perf_counter() - began < 1.0


def test_a_body_of_nothing_but_parts_is_refused() -> None:
    strict.check(b"[" + b"{}," * (strict.MAX_PARTS - 2) + b"{}]")
    with pytest.raises(ir.Invalid, match="more than 2000000 objects"):
        strict.check(b"[" + b"{}," * strict.MAX_PARTS + b"{}]")


@pytest.mark.parametrize(
    ("text", "half"),
    [
        (rb'"\ud800"', 1),
        (rb'"ab\uD83Dx\ude00"', 3),
        (rb'"\ude00"', 1),
        (rb'"\ud83d\ude00 \ud83d"', 14),
        (rb'"\\\\\ud83d"', 5),
        (rb'"\\\ud83d\ud83d"', 3),
    ],
)
def test_half_a_surrogate_pair_is_named_with_its_place(text: bytes, half: int) -> None:
    with pytest.raises(ir.Invalid, match=rf"half of a surrogate pair, which is no character \(byte {half + 6}\)"):
        strict.fields(b'{"a": ' + text + b"}")


@pytest.mark.parametrize("text", [rb'"\ud83d\ude00"', rb'"\\ud800"', rb'"\\\\ud800 \\\\\\ud800"'])
def test_a_whole_pair_and_what_only_looks_like_half_of_one_are_text(text: bytes) -> None:
    assert bytes(strict.fields(b'{"a": ' + text + b"}")["a"]) == text


def test_what_is_wrong_is_found_out_in_bounded_time() -> None:
    body = b'{"a": "' + rb"\ud83d\ude00\\" * 400_000 + b'"'
    began = time.process_time()
    with pytest.raises(ir.Invalid):
        strict.fields(body)
    assert time.process_time() - began < 2
