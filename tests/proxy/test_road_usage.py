"""Every shape of usage of protocol.md and of traps G37-G40 and G82: the row to the token and the nano-dollar, the same
whole and streamed and whoever asks, and what each client sees of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from heard import CLIENTS
from usage_kit import EXACT, Json, Road, Shape, build, expected, nano, seen, told_of


def chat(prompt: int, completion: int, ins: Json | None = None, outs: Json | None = None, **more: Any) -> Json:
    """Counts of a chat server."""
    details = {"prompt_tokens_details": ins, "completion_tokens_details": outs}
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**counts, **{name: told for name, told in details.items() if told is not None}, **more}


def responses(read: int, said: int, ins: Json | None = None, reasoning: int = 0, **more: Any) -> Json:
    """Counts of a Responses server."""
    counts = {"input_tokens": read, "output_tokens": said, "total_tokens": read + said}
    details = {"cached_tokens": 0, "cache_write_tokens": 0, **(ins or {})}
    return {**counts, "input_tokens_details": details, "output_tokens_details": {"reasoning_tokens": reasoning}, **more}


def claude(plain: int, read: int | None, written: int | None, said: int, **more: Any) -> Json:
    """Anthropic's counts, which add up."""
    caches = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    return {"input_tokens": plain, **{n: c for n, c in caches.items() if c is not None}, "output_tokens": said, **more}


def step(kind: str, plain: int, read: int, written: int, hour: int, said: int) -> Json:
    """One of Anthropic's iterations."""
    kept = {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour}
    return {**claude(plain, read, written, said), "cache_creation": kept, "type": kind, "model": "claude-other"}


def kinds(**counts: int) -> list[Json]:
    """Google's breakdown."""
    return [{"modality": kind.upper(), "tokenCount": count} for kind, count in counts.items()]


HOUR = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}
NO_IMAGES = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
PAGE = {
    "id": "ws_2",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "open_page", "url": "https://h/"},
}
FILES = {"id": "fs_1", "type": "file_search_call", "status": "completed", "queries": ["q"], "results": None}
CODE = {
    "id": "ci_1",
    "type": "code_interpreter_call",
    "status": "completed",
    "code": "1",
    "container_id": "c",
    "outputs": None,
}
DRAWN = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "aGk="}
QUERIES = {"webSearchQueries": ["a", "b", "a", ""], "groundingChunks": [{"web": {"uri": "https://h/", "title": "h"}}]}

CHAT = [
    Shape("openai chat", "openai", chat(17, 5, {"cached_tokens": 4, "cache_write_tokens": 3}, {"reasoning_tokens": 2}),
          (17, 4, 3, 5, 2), nano(input=10, cached=4, cache_write=3, output=5)),
    Shape("openai, sound and images", "openai",
          chat(100, 50, {"cached_tokens": 20, "audio_tokens": 30, "image_tokens": 10, "text_tokens": 60},
               {"reasoning_tokens": 10, "audio_tokens": 25, "text_tokens": 15, "accepted_prediction_tokens": 1}),
          (100, 20, None, 50, 10),
          nano(input=40, cached=20, input_audio=30, input_image=10, output_audio=25, output=25),
          {"input_audio": 30, "input_image": 10, "output_audio": 25}),
    Shape("openai, sound from the cache", "openai",
          chat(100, 5, {"cached_tokens": 20, "audio_tokens": 30, "cached_tokens_details": {"audio_tokens": 8, "text_tokens": 12}}),
          (100, 20, None, 5, None), nano(input=58, cached=12, input_audio=22, cached_audio=8, output=5),
          {"input_audio": 30, "cached_audio": 8}),
    Shape("openai, flex", "openai", chat(10, 5), (10, None, None, 5, None), nano(input=10, output=5), tier="flex",
          more={"service_tier": "flex"}),
    Shape("openai, the usual tier", "openai", chat(10, 5), (10, None, None, 5, None), nano(input=10, output=5),
          more={"service_tier": "default"}),
    Shape("vllm as shipped", "vllm", chat(17, 5, None, {"reasoning_tokens": 2}), (17, None, None, 5, 2), nano(input=17, output=5)),
    Shape("vllm with details", "vllm", chat(17, 5, {"cached_tokens": 4, "created_cache_tokens": 3}, {"reasoning_tokens": 0}),
          (17, 4, 3, 5, 0), nano(input=10, cached=4, cache_write=3, output=5)),
    Shape("vllm, counts in every chunk", "vllm", chat(17, 5), (17, None, None, 5, None), nano(input=17, output=5),
          more={"every_chunk": True}),
    Shape("vllm, no details", "vllm", {**chat(17, 5), "prompt_tokens_details": None, "completion_tokens_details": None},
          (17, None, None, 5, None), nano(input=17, output=5)),
    Shape("llama.cpp", "llama", chat(17, 5, {"cached_tokens": 4}), (17, 4, None, 5, None), nano(input=13, cached=4, output=5),
          more={"timings": {"cache_n": 4, "prompt_n": 13, "predicted_n": 5, "prompt_ms": 1.5}}),
    Shape("ollama", "ollama", chat(17, 5), (17, None, None, 5, None), nano(input=17, output=5)),
    Shape("deepseek", "other",
          chat(339, 83, {"cached_tokens": 320}, {"reasoning_tokens": 39}, prompt_cache_hit_tokens=320, prompt_cache_miss_tokens=19),
          (339, 320, None, 83, 39), nano(input=19, cached=320, output=83)),
    Shape("deepseek, old", "other", chat(339, 83, prompt_cache_hit_tokens=320, prompt_cache_miss_tokens=19),
          (339, 320, None, 83, None), nano(input=19, cached=320, output=83)),
    Shape("xai, reasoning in the total alone", "other",
          {**chat(10, 20, {"cached_tokens": 4, "audio_tokens": 0, "image_tokens": 0, "text_tokens": 10}, {"reasoning_tokens": 100}),
           "total_tokens": 130, "num_sources_used": 3},
          (10, 4, None, 120, 100), nano({"live_search": 3}, input=6, cached=4, output=120), {"calls": {"live_search": 3}}),
    Shape("google's compatible endpoint", "other", {**chat(10, 20), "total_tokens": 130}, (10, None, None, 120, None),
          nano(input=10, output=120)),
    Shape("mistral", "other", chat(152, 12, num_cached_tokens=151), (152, 151, None, 12, None), nano(input=1, cached=151, output=12)),
    Shape("moonshot", "other", chat(152, 12, cached_tokens=100), (152, 100, None, 12, None), nano(input=52, cached=100, output=12)),
    Shape("groq", "other", chat(17, 649, None, {"reasoning_tokens": 570}, queue_time=0.3, total_time=1.2),
          (17, None, None, 649, 570), nano(input=17, output=649)),
    Shape("openrouter", "other",
          chat(2317, 53, {"cached_tokens": 0, "cache_write_tokens": 17, "audio_tokens": 0, "video_tokens": 300},
               {"reasoning_tokens": 0, "image_tokens": 20, "audio_tokens": 0}, cost=0.0076, is_byok=False,
               server_tool_use_details={"web_search_requests": 1, "tool_calls_requested": 1, "tool_calls_executed": 1}),
          (2317, 0, 17, 53, 0),
          nano({"web_search": 1}, input=2000, cache_write=17, input_video=300, output_image=20, output=33),
          {"input_video": 300, "output_image": 20, "calls": {"web_search": 1}}),
    Shape("perplexity", "other", chat(10, 5, num_search_queries=2), (10, None, None, 5, None),
          nano({"web_search": 2}, input=10, output=5), {"calls": {"web_search": 2}}),
    Shape("numbers with a point", "other", {"prompt_tokens": 10.0, "completion_tokens": 5.0, "total_tokens": 15.0},
          (10, None, None, 5, None), nano(input=10, output=5)),
]  # fmt: skip
RESPONSES = [
    Shape("openai responses", "gpt", responses(17, 5, {"cached_tokens": 4, "cache_write_tokens": 3}, 2),
          (17, 4, 3, 5, 2), nano(input=10, cached=4, cache_write=3, output=5)),
    Shape("g40 openai, 30 m and 12 h", "gpt",
          responses(100, 5, {"cached_tokens": 40, "cache_write_tokens": 30,
                             "cache_write_tokens_details": {"ttl_30m_tokens": 10, "ttl_12h_tokens": 20}}),
          (100, 40, 30, 5, 0), nano(input=30, cached=40, cache_write=10, cache_write_12h=20, output=5), {"cache_write_12h": 20}),
    Shape("openai, cut at the limit", "gpt", responses(17, 5, None, 5), (17, 0, 0, 5, 5), nano(input=17, output=5),
          more={"status": "incomplete"}),
    Shape("openai, fast", "gpt", responses(17, 5), (17, 0, 0, 5, 0), nano(input=17, output=5), tier="fast",
          more={"service_tier": "fast"}),
    Shape("openai, tools counted by their items", "gpt", responses(17, 5), (17, 0, 0, 5, 0),
          nano({"web_search": 1, "file_search": 1, "code_interpreter": 1, "image_generation": 1}, input=17, output=5),
          {"calls": {"web_search": 1, "file_search": 1, "code_interpreter": 1, "image_generation": 1}},
          more={"items": [SEARCH, PAGE, FILES, CODE, DRAWN]}),
    Shape("openai, tools as told", "gpt", responses(17, 5), (17, 0, 0, 5, 0),
          nano({"web_search": 2}, input=17, output=5), {"calls": {"web_search": 2}},
          more={"items": [SEARCH, PAGE], "tool_usage": {"image_gen": NO_IMAGES, "web_search": {"num_requests": 2}}}),
    Shape("openai, no tool was charged for", "gpt", responses(17, 5), (17, 0, 0, 5, 0), nano(input=17, output=5),
          more={"items": [SEARCH], "tool_usage": {"image_gen": NO_IMAGES, "web_search": {"num_requests": 0}}}),
    Shape("xai responses", "other-responses",
          responses(216, 923, {"cached_tokens": 192}, 323, num_sources_used=0, num_server_side_tools_used=3,
                    server_side_tool_usage_details={"web_search_calls": 1, "x_search_calls": 2, "mcp_calls": 0}),
          (216, 192, 0, 923, 323), nano({"web_search": 1, "x_search": 2}, input=24, cached=192, output=923),
          {"calls": {"web_search": 1, "x_search": 2}}),
    Shape("vllm responses", "vllm-responses",
          responses(17, 5, {"cached_tokens": 4, "input_tokens_per_turn": [17], "cached_tokens_per_turn": [4]}, 2),
          (17, 4, 0, 5, 2), nano(input=13, cached=4, output=5)),
    Shape("a server without details", "other-responses", {"input_tokens": 17, "output_tokens": 5, "total_tokens": 22},
          (17, None, None, 5, None), nano(input=17, output=5)),
]  # fmt: skip
CLAUDE = [
    Shape("g37 g38 claude", "claude", claude(3, 1000, 200, 10, service_tier="standard", inference_geo="global"),
          (1203, 1000, 200, 10, None), nano(input=3, cached=1000, cache_write=200, output=10)),
    Shape("g40 claude, 5 m and 1 h", "claude", claude(11, 700, 300, 20, cache_creation=HOUR),
          (1011, 700, 300, 20, None), nano(input=11, cached=700, cache_write=100, cache_write_1h=200, output=20),
          {"cache_write_1h": 200}),
    Shape("claude without caches", "claude", claude(10, None, None, 5), (10, None, None, 5, None), nano(input=10, output=5)),
    Shape("claude thought", "claude", claude(10, 0, 0, 50, output_tokens_details={"thinking_tokens": 30}),
          (10, 0, 0, 50, 30), nano(input=10, output=50)),
    Shape("claude searched and fetched", "claude",
          claude(10, 0, 0, 5, server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1, "code_execution_requests": 1}),
          (10, 0, 0, 5, None), nano({"web_search": 2}, input=10, output=5),
          {"calls": {"web_search": 2, "web_fetch": 1, "code_execution": 1}}),
    Shape("claude, batch", "claude", claude(10, 0, 0, 5, service_tier="batch"), (10, 0, 0, 5, None),
          nano(input=10, output=5), tier="batch"),
    Shape("claude, fast", "claude", claude(10, 0, 0, 5, service_tier="standard", speed="fast"), (10, 0, 0, 5, None),
          nano(input=10, output=5), {"speed": "fast"}, tier="fast"),
    Shape("claude, in one country", "claude", claude(10, 0, 0, 5, service_tier="standard", inference_geo="us"),
          (10, 0, 0, 5, None), nano(input=10, output=5), tier="us"),
    Shape("claude compacted", "claude",
          claude(10, 20, 30, 5, cache_creation={"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 0},
                 iterations=[step("compaction", 1000, 200, 300, 100, 50), step("message", 10, 20, 30, 0, 5)]),
          (1560, 220, 330, 55, None), nano(input=1010, cached=220, cache_write=230, cache_write_1h=100, output=55),
          {"cache_write_1h": 100}),
    Shape("claude asked an advisor", "claude",
          claude(10, 0, 0, 5, iterations=[step("message", 10, 0, 0, 0, 5), step("advisor_message", 900, 0, 0, 0, 70)]),
          (10, 0, 0, 5, None), None, {"calls": {"advisor": 1}}),
    Shape("vllm's messages", "vllm-messages", claude(10, None, None, 5), (10, None, None, 5, None), nano(input=10, output=5)),
]  # fmt: skip
GEMINI = [
    Shape("g39 gemini", "gemini",
          {"promptTokenCount": 10, "candidatesTokenCount": 20, "thoughtsTokenCount": 100, "totalTokenCount": 130},
          (10, None, None, 120, 100), nano(input=10, output=120)),
    Shape("gemini, cached and fed by tools", "gemini",
          {"promptTokenCount": 10, "cachedContentTokenCount": 4, "candidatesTokenCount": 5, "thoughtsTokenCount": 6,
           "toolUsePromptTokenCount": 3, "totalTokenCount": 24},
          (13, 4, None, 11, 6), nano(input=9, cached=4, output=11), {"tool_input": 3}),
    Shape("gemini, without thoughts", "gemini", {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
          (10, None, None, 5, 0), nano(input=10, output=5)),
    Shape("gemini, thoughts untold", "gemini", {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 20},
          (10, None, None, 5, None), nano(input=10, output=5), {"total": 20}),
    Shape("gemini, zeros left out", "gemini", {"promptTokenCount": 10, "totalTokenCount": 10}, (10, None, None, 0, 0), nano(input=10)),
    Shape("gemini, a film from the cache", "gemini",
          {"promptTokenCount": 17713, "promptTokensDetails": kinds(text=16, video=15780, audio=1917),
           "cachedContentTokenCount": 17379, "cacheTokensDetails": kinds(audio=1881, text=15, video=15483),
           "candidatesTokenCount": 68, "thoughtsTokenCount": 821, "totalTokenCount": 18602, "serviceTier": "standard"},
          (17713, 17379, None, 889, 821),
          nano(input=1, cached=15 + 15483, input_audio=36, cached_audio=1881, input_video=297, output=889),
          {"input_audio": 1917, "input_video": 15780, "cached_audio": 1881, "cached_video": 15483}),
    Shape("gemini read a page with pictures", "gemini",
          {"promptTokenCount": 20, "promptTokensDetails": kinds(text=10, image=7, document=3), "toolUsePromptTokenCount": 30,
           "toolUsePromptTokensDetails": kinds(text=18, image=12), "candidatesTokenCount": 5, "totalTokenCount": 55},
          (50, None, None, 5, 0), nano(input=31, input_image=19, output=5), {"tool_input": 30, "input_image": 19}),
    Shape("gemini drew", "gemini",
          {"promptTokenCount": 10, "candidatesTokenCount": 1300, "candidatesTokensDetails": kinds(image=1290),
           "totalTokenCount": 1310},
          (10, None, None, 1300, 0), nano(input=10, output=10, output_image=1290), {"output_image": 1290}),
    Shape("gemini, flex", "gemini",
          {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15, "serviceTier": "flex"},
          (10, None, None, 5, 0), nano(input=10, output=5), tier="flex"),
    Shape("gemini by traffic type", "gemini",
          {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15, "trafficType": "PROVISIONED_THROUGHPUT"},
          (10, None, None, 5, 0), nano(input=10, output=5), tier="provisioned"),
    Shape("gemini on demand", "gemini",
          {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15, "trafficType": "ON_DEMAND"},
          (10, None, None, 5, 0), nano(input=10, output=5)),
    Shape("gemini 3 pays for queries", "gemini", {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
          (10, None, None, 5, 0), nano({"web_search": 2}, input=10, output=5), {"calls": {"web_search": 2}},
          more={"grounding": QUERIES}),
    Shape("gemini 2.5 pays for prompts", "gemini", {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
          (10, None, None, 5, 0), nano({"web_search": 1}, input=10, output=5), {"calls": {"web_search": 1}},
          more={"grounding": QUERIES, "version": "gemini-2.5-flash"}),
    Shape("gemini looked at a map", "gemini", {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
          (10, None, None, 5, 0), nano({"maps": 1}, input=10, output=5), {"calls": {"maps": 1}},
          more={"grounding": {"groundingChunks": [{"maps": {"uri": "https://h/", "title": "h"}}]}}),
]  # fmt: skip
SHAPES = [*CHAT, *RESPONSES, *CLAUDE, *GEMINI]


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_row_is_the_same_whole_and_streamed_and_whoever_asks(road: Road, shape: Shape) -> None:
    for client in shape.clients:
        for streamed in (False, True):
            got = road.ask(shape, client, streamed=streamed)
            assert told_of(road.row(got)) == expected(shape), (client, streamed)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_a_client_sees_is_whole_numbers_that_agree(road: Road, shape: Shape) -> None:
    """G82, by the SDKs' own strict types; whole and streamed alike."""
    read, cached, written, said, reasoned = shape.row
    for client in shape.clients:
        if (shape.backend, client) in EXACT:
            continue
        views = [
            seen(road.ask(shape, client, streamed=mode), client, shape, streamed=mode).usage for mode in (False, True)
        ]
        assert views[0] == views[1]
        told = views[0]
        assert (told["input"], told["output"], told["total"]) == (read, said, (read or 0) + (said or 0)), client
        for name, count in (("cached", cached), ("cache_write", written), ("reasoning", reasoned)):
            # Responses requires every count, and a Messages client reads an absent one as 0.
            assert told.get(name, 0) == (count or 0) if client != "chat" else told.get(name) == count, (client, name)


def test_the_classes_reach_the_clients_that_have_a_place_for_them(road: Road) -> None:
    shapes = {shape.name: shape for shape in SHAPES}

    def usage(name: str, client: str) -> Json:
        found: Json = road.ask(shapes[name], client, streamed=False).body["usage"]
        return found

    assert usage("gemini, a film from the cache", "chat")["prompt_tokens_details"] == {
        "cached_tokens": 17379, "audio_tokens": 1917,
    }  # fmt: skip
    assert usage("gemini drew", "chat")["completion_tokens_details"] == {"reasoning_tokens": 0}
    writes = usage("g40 openai, 30 m and 12 h", "responses")["input_tokens_details"]["cache_write_tokens_details"]
    assert writes == {"ttl_30m_tokens": 10, "ttl_12h_tokens": 20}
    assert usage("g40 claude, 5 m and 1 h", "messages")["cache_creation"] == HOUR
    assert "cache_creation" not in usage("g40 openai, 30 m and 12 h", "messages"), "12 hours are no hour"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("backend", ["vllm", "gpt", "claude", "gemini"])
def test_an_upstream_that_counts_nothing_has_an_unknown_row(
    road: Road, backend: str, client: str, streamed: bool
) -> None:
    shape = Shape("nothing", backend, None, (None,) * 5, None)
    got = road.ask(shape, client, streamed=streamed)
    assert told_of(road.row(got)) == expected(shape)
    if (backend, client) not in EXACT:
        told = seen(got, client, shape, streamed=streamed).usage
        # The Messages schema has no unknown.
        assert told == (
            {"input": 0, "cached": 0, "cache_write": 0, "output": 0, "total": 0} if client == "messages" else {}
        )
