"""What cannot be so becomes unknown and is named; whatever stands in the place of usage, no reader falls over it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from google.genai.types import GenerateContentResponseUsageMetadata
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_answers import answer, event, frames
from reference_kit import CHAT, GEMINI, MESSAGES, RESPONSES, heard, streamed

from adapters import ir
from adapters.catalog import DIALECTS
from adapters.passthrough import Passthrough
from adapters.sse import Splitter
from adapters.usage import COUNTS, MOST, OBJECT, added, checked, count, tool_calls, whole_output

ENDS = {MESSAGES: "end_turn", GEMINI: "STOP", CHAT: "stop", RESPONSES: "completed"}
PASSED = (Passthrough("completions", "/completions"), Passthrough("embeddings", "/embeddings", generates=False))


@pytest.mark.parametrize(
    ("told", "meant"),
    [(0, 0), (7, 7), (12.0, 12), (MOST, MOST), (MOST + 1, None), (1e300, None), (-1, None), (-0.0, 0), (1.5, None),
     (True, None), (False, None), ("7", None), (None, None), ([7], None), ({"n": 7}, None), (float("inf"), None)],
)  # fmt: skip
def test_a_count_is_a_whole_number(told: object, meant: int | None) -> None:
    found = count(told)
    assert (found, type(found)) == (meant, type(meant))


@pytest.mark.parametrize(
    ("told", "meant"), [((), None), ((None,), None), ((1, None, 2), 3), ((0,), 0), ((1, "x", 2), "x"), ((1, -2), -2), ((1.0, 2), 3)]
)  # fmt: skip
def test_a_sum_of_nonsense_is_nonsense(told: tuple[Any, ...], meant: Any) -> None:
    assert added(*told) == meant


def test_calls_are_what_is_counted_by_such_names() -> None:
    told = {
        "web_search_requests": 2,
        "web_fetch_requests": 0,
        "other": 3,
        "x_requests": None,
        "y_requests": 2.0,
        "z_requests": "no",
    }
    assert tool_calls(told, "_requests") == {"web_search": 2, "y": 2, "z": "no"}


@pytest.mark.parametrize(
    ("told", "output"),
    [((10, 20, 130, 100), 120), ((10, 20, 130, None), 120), ((10, 20, 130, 7), 20), ((10, 20, 30, 5), 20),
     ((10, 20, 20, None), 20), ((None, 20, 130, None), 20), ((10, "x", 130, None), "x"), ((10, 20, "x", 100), 20)],
)  # fmt: skip
def test_reasoning_that_only_the_total_holds_is_output(told: tuple[Any, ...], output: Any) -> None:
    assert whole_output(*told) == output


@pytest.mark.parametrize(
    ("told", "flaws", "left"),
    [
        ({"input": 10, "output": 5, "cached": 4, "cache_write": 6, "reasoning": 5, "total": 15}, (), {}),
        ({"cached": 4}, (), {}),
        ({"input": "10", "output": 5}, ("input",), {"input": None}),
        ({"input": -1, "output": 5}, ("input",), {"input": None}),
        ({"input": True, "output": 5}, ("input",), {"input": None}),
        ({"input": 10.0, "output": 5.0}, (), {"input": 10, "output": 5}),
        ({"input": 10.5, "output": 2**60}, ("input", "output"), {"input": None, "output": None}),
        ({"input": 10, "output": 5, "cached": 11}, ("cached",), {"cached": None}),
        ({"input": 10, "output": 5, "cached": 6, "cache_write": 6}, ("cached", "cache_write"), {"cached": None, "cache_write": None}),
        ({"input": 10, "output": 5, "cached": 6, "cache_write": 20}, ("cache_write",), {"cache_write": None}),
        ({"input": 10, "cached": 11, "cache_write": 0}, ("cached",), {"cached": None}),
        ({"output": 1, "output_audio": 1, "output_image": 1, "output_video": 5}, ("output_audio", "output_image", "output_video"),
         {"output_audio": None, "output_image": None, "output_video": None}),
        ({"input": 10, "cache_write": 5, "cache_write_1h": 6}, ("cache_write_1h",), {"cache_write_1h": None}),
        ({"input": 10, "cache_write": 5, "cache_write_1h": 3, "cache_write_12h": 3}, ("cache_write_1h", "cache_write_12h"),
         {"cache_write_1h": None, "cache_write_12h": None}),
        ({"input": 10, "output": 5, "reasoning": 6}, ("reasoning",), {"reasoning": None}),
        ({"input": 10, "input_audio": 6, "input_image": 6}, ("input_audio", "input_image"), {"input_audio": None, "input_image": None}),
        ({"input": 10, "cached": 5, "input_audio": 3, "cached_audio": 4}, ("cached_audio",), {"cached_audio": None}),
        ({"input": 10, "output": 5, "output_image": 6}, ("output_image",), {"output_image": None}),
        ({"input": 10, "output": 5, "tool_input": 11}, ("tool_input",), {"tool_input": None}),
        ({"input": 10, "output": 5, "total": 14}, ("total",), {"total": None}),
        ({"input": 10, "output": 5, "total": 20}, (), {}),
        ({"input": 10, "output": 5, "total": 20, "reasoning": 2}, ("total",), {"total": None}),
        ({"input": 10, "output": 5, "service_tier": 7}, ("service_tier",), {"service_tier": None}),
        ({"input": 10, "output": 5, "service_tier": "x" * 41}, ("service_tier",), {"service_tier": None}),
        ({"input": 10, "output": 5, "speed": "very\nfast"}, ("speed",), {"speed": None}),
        ({"calls": {"web_search": 2, "Ünsinn": 1, "web_fetch": -1}}, ("calls",), {"calls": {"web_search": 2}}),
        ({"calls": {f"tool_{n}": 1 for n in range(20)}}, ("calls",), {"calls": {f"tool_{n}": 1 for n in range(16)}}),
        ({"flaws": (OBJECT, OBJECT)}, (OBJECT,), {}),
    ],
)  # fmt: skip
def test_what_cannot_be_so_is_unknown_and_named(
    told: dict[str, Any], flaws: tuple[str, ...], left: dict[str, Any]
) -> None:
    found = checked(ir.Usage(**told))
    assert found == ir.Usage(**told | left | {"flaws": flaws})


ODD = st.none() | st.booleans() | st.integers(-3, 60) | st.floats() | st.integers(2**50, 2**70) | st.text(max_size=5)
_KIND = st.builds(
    ir.Usage,
    **dict.fromkeys(COUNTS, ODD),
    calls=st.dictionaries(st.text(max_size=8) | st.sampled_from(["web_search", "maps"]), ODD, max_size=3),
    service_tier=ODD | st.sampled_from(["default", "flex"]),
    speed=ODD | st.just("fast"),
)


def is_sound(usage: ir.Usage) -> bool:
    """The law, said a second time: parts within their wholes, every count a count."""
    told = {name: getattr(usage, name) for name in COUNTS}
    assert all(value is None or (type(value) is int and 0 <= value <= MOST) for value in told.values()), usage
    known = {name: value or 0 for name, value in told.items()}
    limits = [
        ("input", "cached", "cache_write"), ("input", "input_audio", "input_image", "input_video"), ("output", "reasoning"),
        ("output", "output_audio", "output_image", "output_video"), ("cache_write", "cache_write_1h", "cache_write_12h"),
        ("cached", "cached_audio", "cached_image", "cached_video"), ("input_audio", "cached_audio"), ("input", "tool_input"),
    ]  # fmt: skip
    for whole, *parts in limits:
        assert told[whole] is None or sum(known[part] for part in parts) <= known[whole], (whole, usage)
    if usage.total is not None and usage.input is not None and usage.output is not None:
        total = usage.input + usage.output
        assert usage.total == total or (usage.reasoning is None and usage.total > total)
    assert all(type(times) is int and times >= 0 for times in usage.calls.values())
    assert set(usage.flaws) <= {*COUNTS, "calls", "service_tier", "speed", OBJECT}
    assert len(set(usage.flaws)) == len(usage.flaws)
    return True


@given(_KIND)
def test_whatever_was_told_what_is_left_is_sound_and_stays_so(usage: ir.Usage) -> None:
    once = checked(usage)
    assert is_sound(once)
    assert checked(once) == once
    for name in COUNTS:
        before, after = getattr(usage, name), getattr(once, name)
        assert (after is None) == (before is None or name in once.flaws), "nothing is lost without a word"
        assert after is None or after == before


@given(_KIND, _KIND)
def test_snapshots_that_contradict_each_other_are_judged_together(first: ir.Usage, last: ir.Usage) -> None:
    one, two = checked(first), checked(last)
    both = checked(one.merged(two))
    assert is_sound(both)
    assert {*two.flaws, *(name for name in one.flaws if getattr(two, name, None) in (None, {}))} <= set(both.flaws)


def test_a_later_snapshot_mends_an_earlier_one() -> None:
    """Servers tell placeholders at the start: what counts is what is so in the end."""
    begun = checked(ir.Usage(input=10, output=1, reasoning=2, cached="x"))  # type: ignore[arg-type]
    assert begun.flaws == ("cached", "reasoning")
    assert begun.merged(ir.Usage(output=5, reasoning=2)) == ir.Usage(10, 5, reasoning=2, flaws=("cached",))
    assert begun.merged(ir.Usage(output=5, reasoning=0, cached=0)).flaws == ()


# --- any JSON in the place of usage, through the readers of every dialect -------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NUMBERS = ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens", "total_tokens", "cache_read_input_tokens",
           "cache_creation_input_tokens", "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount",
           "toolUsePromptTokenCount", "cachedContentTokenCount", "prompt_cache_hit_tokens", "num_sources_used", "reasoning_tokens")  # fmt: skip
OBJECTS = ("input_tokens_details", "output_tokens_details", "prompt_tokens_details", "completion_tokens_details", "cache_creation",
           "server_tool_use", "server_tool_use_details", "server_side_tool_usage_details")  # fmt: skip
INNER = ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "audio_tokens", "thinking_tokens", "ttl_12h_tokens",
         "ephemeral_1h_input_tokens", "web_search_requests", "web_search_calls", "cache_write_tokens_details",
         "cached_tokens_details", "text_tokens", "image_tokens")  # fmt: skip
LISTS = (
    "iterations",
    "promptTokensDetails",
    "cacheTokensDetails",
    "candidatesTokensDetails",
    "toolUsePromptTokensDetails",
)
WORDS = ("service_tier", "serviceTier", "trafficType", "speed", "inference_geo")
_value = st.integers(0, 50) | JSON
_inner = st.fixed_dictionaries({}, optional=dict.fromkeys(INNER, _value)) | JSON
_entry = st.fixed_dictionaries(
    {}, optional={"modality": st.sampled_from(["AUDIO", "TEXT", "IMAGE"]) | JSON, "tokenCount": _value,
                  "type": st.sampled_from(["compaction", "advisor_message"]) | JSON, "input_tokens": _value, "output_tokens": _value},
)  # fmt: skip
USAGE = JSON | st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NUMBERS, _value),
        **dict.fromkeys(OBJECTS, _inner),
        **{name: st.lists(_entry | JSON, max_size=3) | JSON for name in LISTS},
        **{name: st.sampled_from(["flex", "us", "fast", "ON_DEMAND"]) | JSON for name in WORDS},
    },
)  # fmt: skip


def is_valid(usage: Mapping[str, Any] | None, client: str) -> bool:
    """The client's object: whole numbers, parts within wholes. Anthropic's own schema knows null for two of them."""
    if usage is None:
        return True
    flat = dict(usage)
    for name, inner in usage.items():
        if isinstance(inner, dict) and name != "server_tool_use":
            flat |= {f"{name}.{key}": value for key, value in inner.items() if not isinstance(value, dict)}
            del flat[name]
    nulls = {"cache_creation_input_tokens", "cache_read_input_tokens"} if client == MESSAGES else set()
    words = {"service_tier", "speed", "inference_geo", "server_tool_use"}
    assert all(name in nulls | words or (type(value) is int and value >= 0) for name, value in flat.items()), usage
    assert all(value is None or type(value) is int for name, value in flat.items() if name in nulls), usage
    return True


@pytest.mark.parametrize("client", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("source", [CHAT, RESPONSES, MESSAGES, GEMINI])
@given(usage=USAGE)
@settings(max_examples=60)
def test_whatever_stands_in_the_place_of_usage_the_answer_comes(source: str, client: str, usage: Any) -> None:
    whole = heard(source, answer(source, ENDS[source], usage=usage), client)
    assert not isinstance(whole, ir.Failure), whole
    assert is_valid(whole.get("usage"), client)
    sent = answer(source, ENDS[source], usage=usage)
    name = "usageMetadata" if source == GEMINI else "usage"
    relay, raw = streamed(
        source, [stream_with(frame, name, usage) for frame in frames(source, ENDS[source], usage={})], client
    )
    assert relay.failure is None, relay.failure
    assert b"Hel" in raw
    if relay.usage is not None:
        assert is_sound(checked(relay.usage))
    for told in events_of(source, sent):
        if isinstance(told, ir.UsageReported):
            assert is_sound(told.usage)
            again = msgspec.json.decode(msgspec.json.encode(told.usage), type=ir.Usage)
            assert again == told.usage, "what is kept of it is what it was"


def stream_with(frame: bytes, name: str, usage: Any) -> bytes:
    """A frame of a stream with ``usage`` wherever it tells usage at all; Gemini tells it in every frame."""
    start = frame.find(b"data: {")
    if start < 0:
        return frame
    body = json.loads(frame[start + 6 :])
    for place in (body, body.get("message"), body.get("response")):
        if isinstance(place, dict) and (name in place or "candidates" in place):
            place[name] = usage
    return event(body)


def events_of(source: str, sent: Any) -> Sequence[ir.Event]:
    return DIALECTS[source].read_response(msgspec.json.encode(sent))


@pytest.mark.parametrize("wire", PASSED, ids=lambda wire: wire.name)
@given(usage=USAGE)
@settings(max_examples=60)
def test_nor_does_what_passes_unread(wire: Passthrough, usage: Any) -> None:
    body = msgspec.json.encode(
        {"id": "c", "model": "m", "choices": [{"text": "x", "finish_reason": "stop"}], "usage": usage}
    )
    reader = wire.reader()
    for events in (
        wire.read_response(body),
        [e for f in Splitter().feed(b"data: " + body + b"\n\n") for e in reader.read(f)],
    ):
        assert not [one for one in events if isinstance(one, ir.Failed)]
        assert all(is_sound(one.usage) for one in events if isinstance(one, ir.UsageReported))


def test_an_embedding_has_no_output_which_is_none_and_not_unknown() -> None:
    for usage in (
        {"prompt_tokens": 8, "total_tokens": 8},
        {"prompt_tokens": 8},
        {"prompt_tokens": 8, "total_tokens": 0},
    ):
        events = PASSED[1].read_response(msgspec.json.encode({"data": [], "model": "m", "usage": usage}))
        (told,) = [one.usage for one in events if isinstance(one, ir.UsageReported)]
        assert (told.input, told.output) == (8, 0)


# --- written back, where a dialect has a place ----------------------------------------------------------------------

EVERYTHING = ir.Usage(
    input=100, output=50, cached=20, cache_write=10, cache_write_1h=4, reasoning=5, tool_input=7, total=150, input_audio=30,
    input_image=8, input_video=6, cached_audio=3, cached_image=2, cached_video=1, output_audio=11, output_image=12,
    output_video=13, calls={"web_search": 2, "web_fetch": 1}, speed="fast", service_tier="priority",
)  # fmt: skip


def told_whole(client: str, usage: ir.Usage) -> dict[str, Any]:
    """What a client of this dialect is told."""
    events = [ir.Started(), ir.UsageReported(usage), ir.Finished(0, "stop"), ir.Ended()]
    body = DIALECTS[client].write_response(ir.collect(events), ir.Echo("5eed", 1, "auto"))
    found: dict[str, Any] = json.loads(body)["usageMetadata" if client == GEMINI else "usage"]
    return found


def test_a_gemini_client_gets_the_breakdown_by_modality() -> None:
    told = told_whole(GEMINI, EVERYTHING)
    GenerateContentResponseUsageMetadata.model_validate(told)
    again = streamed(
        GEMINI, [event({"candidates": [{"index": 0, "finishReason": "STOP"}], "usageMetadata": told})], CHAT
    )[0].usage
    assert again is not None
    own = (*(name for name in COUNTS if not name.startswith("cache_write")),)
    assert {name: getattr(again, name) for name in own} == {name: getattr(EVERYTHING, name) for name in own}
    assert "promptTokensDetails" not in told_whole(GEMINI, ir.Usage(10, 5, input_audio=0))


def test_a_claude_client_is_told_the_calls_of_tools() -> None:
    told = told_whole(MESSAGES, EVERYTHING)
    assert told["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 1}
    assert (told["speed"], told["service_tier"]) == ("fast", "priority")
    assert "server_tool_use" not in told_whole(MESSAGES, ir.Usage(10, 5, calls={"maps": 1}))


def test_what_cannot_be_so_is_told_to_nobody() -> None:
    odd = ir.Usage(10, 5, cached=11, cache_write=12, cache_write_12h=13, reasoning=6, total=1, calls={"web_search": -1})
    assert told_whole(CHAT, odd) == {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    details = {
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    assert told_whole(RESPONSES, msgspec.structs.replace(odd, cache_write_12h=None)) == {
        "input_tokens": 10, "output_tokens": 5, "total_tokens": 15, **details,
    }  # fmt: skip
    assert told_whole(GEMINI, odd) == {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
    assert told_whole(MESSAGES, odd) == {
        "input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": None, "cache_read_input_tokens": None,
    }  # fmt: skip
