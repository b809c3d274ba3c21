"""Traps of usage, through the public door: G37-G39 of the list of failures seen in the field."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from road import APIS, MODES, Road, build
from scripted import Answer, stream, whole
from vendors import Json, claude_block, claude_end, claude_start, data, gemini

CACHE = {"cache_read_input_tokens": 1000, "cache_creation_input_tokens": 200}
MEANT = {"input": 1203, "cached": 1000, "cache_write": 200, "output": 10, "total": 1213}


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def _claude_whole() -> Answer:
    usage = {"input_tokens": 3, **CACHE, "output_tokens": 10}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up"}
    block = {"type": "text", "text": "Hello"}
    return whole({**head, "content": [block], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage})


def _claude_stream(**again: int) -> Answer:
    """``again``: what the last event repeats of the input."""
    hello = claude_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hello"})
    end = claude_end("end_turn", **again, output_tokens=10)
    return stream(claude_start(input_tokens=3, **CACHE, output_tokens=2), *hello, *end)


def check(road: Road, api: str, backend: str, meant: dict[str, int], *, stream_: bool) -> None:
    """The client's usage and the ledger's row say what is meant."""
    got = road.hear(api, backend, stream=stream_)
    assert got.usage == got.usage | meant
    answer = road.ask(api, backend, stream=stream_)
    (row,) = road.live.rows_of(answer.headers["x-request-id"])
    assert (row.input_tokens, row.output_tokens) == (meant["input"], meant["output"])
    assert row.cached_tokens == meant.get("cached", row.cached_tokens)
    assert row.cache_write_tokens == meant.get("cache_write", row.cache_write_tokens)
    assert row.reasoning_tokens == meant.get("reasoning", row.reasoning_tokens)


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g37_claudes_counts_add_up_to_openais(road: Road, api: str, stream_: bool) -> None:
    road.upstream.script(_claude_stream() if stream_ else _claude_whole())
    check(road, api, "claude", MEANT, stream_=stream_)


@pytest.mark.parametrize("api", APIS)
def test_g38_counts_that_are_repeated_at_the_end_are_counted_once(road: Road, api: str) -> None:
    road.upstream.script(_claude_stream(input_tokens=3, **CACHE))
    check(road, api, "claude", MEANT, stream_=True)
    assert road.hear(api, "claude", stream=True) == _once(road, api)


def _once(road: Road, api: str) -> object:
    road.upstream.script(_claude_stream())
    return road.hear(api, "claude", stream=True)


@pytest.mark.parametrize("repeated", [False, True], ids=["at the end", "on every chunk"])
@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g39_geminis_thoughts_are_part_of_the_output(road: Road, api: str, stream_: bool, repeated: bool) -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 20, "thoughtsTokenCount": 100, "totalTokenCount": 130}
    early: Json = {"promptTokenCount": 10, "thoughtsTokenCount": 60, "totalTokenCount": 70} if repeated else {}
    first, last = gemini([{"text": "Hel"}], **early), gemini([{"text": "lo"}], "STOP", **usage)
    road.upstream.script(
        stream(data(first), data(last)) if stream_ else whole(gemini([{"text": "Hello"}], "STOP", **usage))
    )
    check(road, api, "gemini", {"input": 10, "output": 120, "reasoning": 100, "total": 130}, stream_=stream_)
