"""Token counts of many servers in one meaning: unknown is None, parts are within their whole."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from adapters.openai_chat import usage

PLAIN = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (PLAIN, ir.Usage(input=10, output=20, total=30)),
        (PLAIN | {"prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}}, {"cached": 4, "cache_write": 2}),
        (PLAIN | {"prompt_tokens_details": {"cached_tokens": 0, "created_cache_tokens": 3}}, {"cached": 0, "cache_write": 3}),
        (PLAIN | {"prompt_cache_hit_tokens": 6}, {"cached": 6}),
        (PLAIN | {"completion_tokens_details": {"reasoning_tokens": 5}}, {"reasoning": 5}),
        (PLAIN | {"completion_tokens_details": None, "prompt_tokens_details": 3, "cost": 0.1}, {"flaws": ("usage",)}),
        (PLAIN | {"total_tokens": 130, "completion_tokens_details": {"reasoning_tokens": 100}}, {"output": 120, "reasoning": 100, "total": 130}),
        (PLAIN | {"total_tokens": 130}, {"output": 120, "total": 130}),
        (PLAIN | {"total_tokens": 130, "completion_tokens_details": {"reasoning_tokens": 7}}, {"reasoning": 7, "total": None, "flaws": ("total",)}),
        ({"prompt_tokens": 10.0, "completion_tokens": None, "total_tokens": True}, {"output": None, "total": None, "flaws": ("total",)}),
        ({}, {"input": None, "output": None, "total": None}),
    ],
)  # fmt: skip
def test_reading(told: dict, expected: ir.Usage | dict) -> None:
    if isinstance(expected, dict):
        expected = msgspec.structs.replace(ir.Usage(input=10, output=20, total=30), **expected)
    assert usage.read(told) == expected


def test_what_is_no_object_is_a_flaw() -> None:
    assert usage.read(None) is None
    assert usage.read([1]) == ir.Usage(flaws=("usage",))


def test_a_reasoning_count_of_zero_beside_reasoning_text_is_unknown() -> None:
    told = PLAIN | {"completion_tokens_details": {"reasoning_tokens": 0}}
    zero, unknown = usage.read(told), usage.read(told, reasoned=True)
    assert zero is not None
    assert unknown is not None
    assert (zero.reasoning, unknown.reasoning) == (0, None)


def test_sound_and_predictions_pass_through() -> None:
    told = PLAIN | {
        "prompt_tokens_details": {"audio_tokens": 2, "cached_tokens": 1},
        "completion_tokens_details": {"accepted_prediction_tokens": 3, "reasoning_tokens": 4, "audio_tokens": 0},
    }
    assert usage.write(usage.read(told)) == PLAIN | {
        "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0, "accepted_prediction_tokens": 3},
    }


def test_details_only_when_known() -> None:
    assert usage.write(ir.Usage(input=1, output=2)) == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert usage.write(ir.Usage(input=1)) is None
    assert usage.write(None) is None


COUNT = st.none() | st.integers(0, 50)


@given(st.builds(ir.Usage, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT))
def test_g82_parts_are_within_their_whole(known: ir.Usage) -> None:
    told = usage.write(known)
    if told is None:
        assert known.input is None or known.output is None
        return
    assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"]
    for name, whole in (("prompt_tokens_details", "prompt_tokens"), ("completion_tokens_details", "completion_tokens")):
        assert all(type(part) is int and part <= told[whole] for part in told.get(name, {}).values())
