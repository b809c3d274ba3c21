"""Counts that cannot be so: the answer comes, the row says which, a metric counts them and the log tells each kind once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from heard import CLIENTS
from public_door import COMPLETIONS, EMBEDDINGS, get, post
from scripted import stream, whole
from usage_answers import event
from usage_kit import EXACT, Json, Road, Shape, build, expected, nano, seen, told_of

CHAT: Json = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
CLAUDE: Json = {"input_tokens": 10, "output_tokens": 5}
GEMINI: Json = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
REPLY: Json = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}

BAD = [
    Shape("missing", "vllm", {"prompt_tokens": 10}, (10, None, None, None, None), None),
    Shape("negative", "vllm", CHAT | {"prompt_tokens": -10}, (None, None, None, 5, None), None, flags="bad_usage input_tokens"),
    Shape("text", "vllm", CHAT | {"completion_tokens": "5"}, (10, None, None, None, None), None, flags="bad_usage output_tokens"),
    Shape("huge", "vllm", CHAT | {"completion_tokens": 2**60}, (10, None, None, None, None), None, flags="bad_usage output_tokens"),
    Shape("larger than a database takes", "vllm", CHAT | {"completion_tokens": 2**80}, (10, None, None, None, None), None,
          flags="bad_usage output_tokens"),
    Shape("a flag", "vllm", CHAT | {"prompt_tokens": True}, (None, None, None, 5, None), None, flags="bad_usage input_tokens"),
    Shape("a fraction", "vllm", CHAT | {"prompt_tokens": 10.5}, (None, None, None, 5, None), None, flags="bad_usage input_tokens"),
    Shape("more cached than read", "vllm", CHAT | {"prompt_tokens_details": {"cached_tokens": 11}}, (10, None, None, 5, None), None,
          flags="bad_usage cached_tokens"),
    Shape("more cached and written than read", "vllm", CHAT | {"prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 6}},
          (10, None, None, 5, None), None, flags="bad_usage cached_tokens cache_write_tokens"),
    Shape("more reasoned than said", "vllm", CHAT | {"completion_tokens_details": {"reasoning_tokens": 6}}, (10, None, None, 5, None),
          nano(input=10, output=5), flags="bad_usage reasoning_tokens"),
    Shape("a total that is none", "vllm", CHAT | {"total_tokens": 14}, (10, None, None, 5, None), nano(input=10, output=5),
          flags="bad_usage total"),
    Shape("several", "vllm", {"prompt_tokens": [], "completion_tokens": {}, "total_tokens": "x"}, (None,) * 5, None,
          flags="bad_usage input_tokens output_tokens total"),
    Shape("no object", "vllm", "many", (None,) * 5, None, flags="bad_usage usage"),
    Shape("details that are none", "vllm", CHAT | {"prompt_tokens_details": 7}, (10, None, None, 5, None), None, flags="bad_usage usage"),
    Shape("claude, text", "claude", CLAUDE | {"cache_read_input_tokens": "4"}, (None, None, None, 5, None), None,
          flags="bad_usage input_tokens cached_tokens"),
    Shape("claude, no object", "claude", [1, 2], (None,) * 5, None, flags="bad_usage usage"),
    Shape("claude, an hour of more than was written", "claude",
          CLAUDE | {"cache_creation_input_tokens": 4, "cache_creation": {"ephemeral_1h_input_tokens": 5}}, (14, None, 4, 5, None), None,
          flags="bad_usage cache_write_1h"),
    Shape("claude, searched minus one time", "claude", CLAUDE | {"server_tool_use": {"web_search_requests": -1}},
          (10, None, None, 5, None), None, flags="bad_usage calls"),
    Shape("gemini, text", "gemini", GEMINI | {"candidatesTokenCount": "5"}, (10, None, None, None, None), None,
          flags="bad_usage output_tokens"),
    Shape("gemini, no object", "gemini", 5, (None,) * 5, None, flags="bad_usage usage"),
    Shape("gemini, more sound than there is", "gemini", GEMINI | {"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 11}]},
          (10, None, None, 5, 0), None, flags="bad_usage input_audio"),
    Shape("responses, negative", "gpt", REPLY | {"output_tokens": -5}, (10, None, None, None, None), None,
          flags="bad_usage output_tokens"),
    Shape("responses, no object", "gpt", "none", (None,) * 5, None, flags="bad_usage usage"),
    Shape("responses, searches that are no number", "other-responses", REPLY, (10, None, None, 5, None), None,
          flags="bad_usage calls", more={"tool_usage": {"web_search": {"num_requests": "two"}}}),
    Shape("a tier that is none", "vllm", CHAT, (10, None, None, 5, None), None, flags="bad_usage service_tier",
          more={"service_tier": {"name": "flex"}}),
]  # fmt: skip


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def flawed(row: Json) -> Json:
    """The row without what is among the parts because of the flaws: their names, and a total that has no halves."""
    return row | {"parts": {name: told for name, told in row["parts"].items() if name not in ("flaws", "total")}}


@pytest.mark.parametrize("shape", BAD, ids=str)
def test_the_answer_comes_and_the_row_names_what_cannot_be_so(road: Road, shape: Shape) -> None:
    for client in shape.clients:
        for streamed in (False, True):
            got = road.ask(shape, client, streamed=streamed)
            assert flawed(told_of(road.row(got))) == expected(shape), (client, streamed)
            if (shape.backend, client) not in EXACT and "tool_usage" not in shape.more:
                told = seen(got, client, shape, streamed=streamed).usage
                assert all(type(count) is int and count >= 0 for count in told.values())
                if shape.row[0] is not None and shape.row[3] is not None:
                    assert (told["input"], told["output"]) == (shape.row[0], shape.row[3])
                elif client != "messages":
                    assert told == {}


def invalid(road: Road, backend: str) -> float:
    text = get(road.live, "/metrics").raw.decode()
    line = f'turnout_usage_invalid_total{{backend="{backend}"}} '
    return sum(float(found.removeprefix(line)) for found in text.splitlines() if found.startswith(line))


def warned(road: Road) -> list[Json]:
    lines = [line for line in road.live.log().splitlines() if '"usage.invalid"' in line]
    return [msgspec.json.decode(line) for line in lines]


def test_every_one_is_counted_and_each_kind_is_told_once(road: Road) -> None:
    def bad(**fields: Any) -> Shape:
        return Shape("bad", "ollama", CHAT | fields, (10, None, None, 5, None), None)

    before, told = invalid(road, "ollama"), len(warned(road))
    for _ in range(3):
        road.ask(bad(total_tokens=14), "chat", streamed=False)
    road.ask(bad(total_tokens=14, prompt_tokens_details={"cached_tokens": 11}), "chat", streamed=True)
    road.ask(bad(), "chat", streamed=False)
    assert invalid(road, "ollama") - before == 4
    lines = warned(road)[told:]
    assert [(line["level"], line["backend"], line["fields"]) for line in lines] == [
        ("warning", "ollama", ["total"]), ("warning", "ollama", ["cached", "total"]),
    ]  # fmt: skip
    assert all(line["mend"] for line in lines)


def test_an_embedding_has_its_price(road: Road) -> None:
    for usage in ({"prompt_tokens": 8, "total_tokens": 8}, {"prompt_tokens": 8}):
        road.upstream.script(whole({"object": "list", "data": [], "model": "m", "usage": usage}))
        (row,) = road.live.rows_of(post(road.live, EMBEDDINGS, {"model": "vllm", "input": "a"}).id)
        assert (row.input_tokens, row.output_tokens, row.cost_nano_usd, row.flags) == (8, 0, nano(input=8), None)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_legacy_completion_has_all_classes(road: Road, streamed: bool) -> None:
    usage = {**CHAT, "prompt_tokens_details": {"cached_tokens": 4}}
    told = {
        "id": "c",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}],
    }
    last = event({**told, "choices": [], "usage": usage})
    road.upstream.script(
        stream(event(told), last, b"data: [DONE]\n\n") if streamed else whole({**told, "usage": usage})
    )
    got = post(road.live, COMPLETIONS, {"model": "vllm", "prompt": "a", "stream": streamed})
    (row,) = road.live.rows_of(got.id)
    assert (row.input_tokens, row.cached_tokens, row.output_tokens) == (10, 4, 5)
    assert row.cost_nano_usd == nano(input=6, cached=4, output=5)
    for usage in ({"prompt_tokens": "x"}, [], "x", {"prompt_tokens": 10, "completion_tokens": -1}):
        road.upstream.script(whole({**told, "usage": usage}))
        assert post(road.live, COMPLETIONS, {"model": "vllm", "prompt": "a"}).status == 200


def test_a_frame_of_nonsense_that_only_we_asked_for_is_not_shown(road: Road) -> None:
    """Usage is asked for with every stream; a client that did not ask sees no trace of it, whatever stands there."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = {
        **chunk,
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    }
    road.upstream.script(stream(event(said), event({**chunk, "choices": [], "usage": "many"}), b"data: [DONE]\n\n"))
    got = post(
        road.live,
        f"/v1{CLIENTS['chat']}",
        {"model": "openai", "messages": [{"role": "user", "content": "Hi"}], "stream": True},
    )
    assert [one["choices"] != [] for one in got.events] == [True]
    assert b"many" not in got.raw
