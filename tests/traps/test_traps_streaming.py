"""Traps of streaming, through the public door: G01-G09, G86 of the list of failures seen in the field."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx2
import openai
import pytest
from checker import check_chat, check_responses, parse_sse
from heard import PATHS, heard
from road import APIS, BACKENDS, EXACT, FOUR, Road, body, build
from scripted import Answer, stream, whole
from vendors import (
    DONE,
    Call,
    Json,
    Says,
    chunk,
    data,
    events,
    response,
    typed,
)

TWO = (
    Call("get_weather", {"city": "Ōsaka"}, "call_a"),
    Call("get_time", {"zone": "UTC", "n": 2512292042121000001}, "call_b"),
)
UNICODE = Says(("é", "東京 ", "🚂", "naïve"), TWO[:1])


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def calls_of(chunks: list[Json]) -> list[Json]:
    return [call for one in chunks for choice in one["choices"] for call in choice["delta"].get("tool_calls") or []]


@pytest.mark.parametrize("backend", BACKENDS)
def test_g01_parallel_calls_are_counted_from_zero_and_named_once(road: Road, backend: str) -> None:
    road.plays(backend, Says(("Let me look.",), TWO), stream=True)
    pieces = calls_of(parse_sse(road.ask("chat", backend, stream=True).content))
    assert [piece["index"] for piece in pieces if piece.get("id")] == [0, 1]
    assert [piece["function"]["name"] for piece in pieces if piece["function"].get("name")] == [
        "get_weather",
        "get_time",
    ]
    assert sorted({piece["index"] for piece in pieces}) == [0, 1]
    for api in APIS:
        got = road.hear(api, backend, stream=True)
        assert got.calls == [(call.name, call.arguments) for call in TWO]
        assert got.text == "Let me look."
        assert got.finish == "tool_calls"


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g02_text_is_the_same_wherever_the_network_cuts(road: Road, backend: str, api: str) -> None:
    source = b"".join(events(BACKENDS[backend][0], UNICODE))
    within = [at for at, byte in enumerate(source) if byte & 0xC0 == 0x80]
    assert len(within) > 8
    cuts = [[source[at : at + 1] for at in range(len(source))]]  # every byte by itself
    cuts += [[source[:at], source[at:]] for at in within]
    for parts in cuts:
        road.upstream.script(stream(*parts))
        got = road.hear(api, backend, stream=True)
        assert got.text == UNICODE.text
        assert got.calls == [("get_weather", {"city": "Ōsaka"})]


@pytest.mark.parametrize("backend", BACKENDS)
def test_g03_usage_is_one_last_chunk_and_only_when_asked(road: Road, backend: str) -> None:
    road.plays(backend, Says(("Hello",)), stream=True)
    asked = parse_sse(road.ask("chat", backend, stream=True).content)
    assert asked[-1]["choices"] == []
    assert (asked[-1]["usage"]["prompt_tokens"], asked[-1]["usage"]["completion_tokens"]) == (7, 5)
    check_chat(asked, include_usage=True)
    for options in ({}, {"stream_options": None}, {"stream_options": {"include_usage": False}}):
        unasked = parse_sse(road.ask("chat", backend, stream=True, usage=False, **options).content)
        check_chat(unasked, include_usage=False)
        assert all(one["choices"] for one in unasked)


def _ollama() -> Answer:
    call = {
        "id": "call_1",
        "index": 0,
        "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "Rome"}},
    }
    chunks = [
        chunk({"role": "assistant", "content": "I "}),
        chunk({"role": "assistant", "content": "look."}),
        chunk({"role": "assistant", "content": "", "tool_calls": [call]}),
        chunk({"role": "assistant", "content": ""}, "tool_calls"),
    ]
    changing = [{**one, "id": f"chatcmpl-{n}", "created": 1_790_000_000 + n} for n, one in enumerate(chunks)]
    return stream(*map(data, changing), DONE)


def test_g04_ollamas_changing_ids_and_object_arguments(road: Road) -> None:
    road.upstream.script(_ollama())
    chunks = parse_sse(road.ask("chat", "ollama", stream=True).content)
    assert len({(one["id"], one["created"], one["model"]) for one in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all(isinstance(piece["function"].get("arguments", ""), str) for piece in calls_of(chunks))
    for api in APIS:
        got = road.hear(api, "ollama", stream=True)
        assert (got.text, got.calls) == ("I look.", [("get_weather", {"city": "Rome"})])


NOISE = {
    "anthropic_messages": [
        typed({"type": "ping"}),
        typed({"type": "content_block_delta", "index": 0, "delta": {"type": "aura_delta", "aura": "blue"}}),
        typed({"type": "weather_report", "rain": True}),
    ],
    "google_gemini": [data({"candidates": [{"index": 0, "aura": "blue"}]}), data({"promptFeedback": {}})],
    "openai_chat": [data(chunk({"aura": "blue"})), data({**chunk({}), "choices": []})],
    "openai_responses": [typed({"type": "response.aura.delta", "delta": "blue", "sequence_number": 0})],
}
"""Events that a vendor may send some day, or sends today and says nothing with."""
COMMENTS = [b": OPENROUTER PROCESSING\n\n", b":\n\n", b"\n\n"]


@pytest.mark.parametrize(("backend", "api"), sorted({(name, api) for name in BACKENDS for api in APIS} - EXACT))
def test_g05_pings_comments_and_unknown_events_change_nothing(road: Road, backend: str, api: str) -> None:
    dialect, says = BACKENDS[backend][0], Says(("Hello", " you"), TWO)
    road.plays(backend, says, stream=True)
    plain = road.hear(api, backend, stream=True)
    first, second, *rest = events(dialect, says)
    noise = [*NOISE[dialect], *COMMENTS]
    road.upstream.script(stream(b": hi\n\n", first, second, *noise, *rest))
    noisy = road.ask(api, backend, stream=True)
    assert heard(api, noisy.content, stream=True) == plain
    assert b"blue" not in noisy.content
    assert b"OPENROUTER" not in noisy.content


SORRY = "The engine is overloaded"
ERRORS = {
    "claude": typed({"type": "error", "error": {"type": "overloaded_error", "message": SORRY}}),
    "gemini": data({"error": {"code": 503, "message": SORRY, "status": "UNAVAILABLE"}}),
    "openai": data({"error": {"message": SORRY, "type": "server_error", "param": None, "code": "server_error"}}),
    "vllm": data({"error": {"message": SORRY, "type": "InternalServerError", "param": None, "code": 503}}),
    "llama": b'error: {"code":503,"message":"%b","type":"unavailable_error"}\n\n' % SORRY.encode(),
    "ollama": data({"error": SORRY}),
    "gpt": typed({"type": "error", "code": "server_error", "message": SORRY, "param": None, "sequence_number": 5}),
    "lmstudio": typed(
        {"type": "response.failed", "sequence_number": 5,
         "response": response("failed", [], error={"code": "server_error", "message": SORRY})}
    ),
}  # fmt: skip
"""An error in the midst of a stream, as each server tells it."""


def _broken(backend: str) -> Answer:
    dialect = BACKENDS[backend][0]
    told = events(dialect, Says(("Once", " upon", " a time")))
    until = next(n for n, event in enumerate(told) if b"upon" in event) + 1
    return stream(*told[:until], ERRORS[backend])


@pytest.mark.parametrize("backend", BACKENDS)
def test_g06_an_error_in_the_midst_is_an_error_to_chat_clients(road: Road, backend: str) -> None:
    road.upstream.script(_broken(backend))
    got = parse_sse(road.ask("chat", backend, stream=True).content, done=False)
    check_chat(got, include_usage=False, done=False)
    assert SORRY in got[-1]["error"]["message"]
    assert {"message", "type", "code"} <= got[-1]["error"].keys()
    client = openai.OpenAI(base_url=road.live.base_url, api_key="k", max_retries=0)
    said: list[str] = []
    question = [{"role": "user", "content": "Hi!"}]
    with client:
        told = client.chat.completions.create(model=backend, messages=question, stream=True)  # type: ignore[call-overload]
        with pytest.raises(openai.APIError, match=SORRY):
            said.extend(one.choices[0].delta.content or "" for one in told)
    assert "".join(said) == "Once upon"
    road.recovers(backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_g06_an_error_in_the_midst_fails_the_response(road: Road, backend: str) -> None:
    road.upstream.script(_broken(backend))
    got = parse_sse(road.ask("responses", backend, stream=True).content)
    check_responses(got)
    assert got[-1]["type"] == "response.failed"
    assert SORRY in got[-1]["response"]["error"]["message"]
    assert "".join(event["delta"] for event in got if event["type"] == "response.output_text.delta") == "Once upon"
    road.recovers(backend)


LOCAL = {
    "field": b'error: {"code":500,"message":"the slot is gone","type":"server_error"}\n\n',
    "data": data({"error": {"code": 500, "message": "the slot is gone", "type": "server_error"}}),
}
"""llama.cpp, old and new (lc#16109)."""


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("way", LOCAL)
def test_g07_a_local_servers_error_in_a_stream_is_told(road: Road, way: str, api: str) -> None:
    road.upstream.script(stream(data(chunk({"role": "assistant", "content": "Once"})), LOCAL[way]))
    got = parse_sse(road.ask(api, "llama", stream=True).content, done=api == "responses")
    error = got[-1]["error"] if api == "chat" else got[-1]["response"]["error"]
    assert "the slot is gone" in error["message"]
    road.recovers("llama")


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("way", LOCAL)
def test_g07_an_error_as_the_first_event_is_a_real_status(road: Road, way: str, api: str) -> None:
    road.upstream.script(stream(LOCAL[way]))
    got = road.post(api, body(api, "llama", stream=True))
    assert got.status_code == 502
    assert "the slot is gone" in got.json()["error"]["message"]
    assert got.headers["content-type"] == "application/json"
    road.recovers("llama")


def _refusal(backend: str, status: int) -> Json:
    kind = {429: "rate_limit_error", 400: "invalid_request_error"}[status]
    if backend == "claude":
        return {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "req_1"}
    if backend == "gemini":
        return {"error": {"code": status, "message": "no", "status": "X", "details": []}}
    return {"error": {"message": "no", "type": kind, "param": None, "code": None}}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("status", [429, 400])
@pytest.mark.parametrize("backend", BACKENDS)
def test_g86_an_answer_refused_before_it_began_has_a_real_status(
    road: Road, backend: str, status: int, api: str
) -> None:
    refusal = whole(_refusal(backend, status), status)
    late = threading.Event()  # the head leaves before the body: a deferred call
    road.upstream.script(Answer([late, *refusal.parts], status))
    timer = threading.Timer(0.05, late.set)
    timer.start()
    got = road.post(api, body(api, backend, stream=True))
    timer.join()
    assert got.status_code == status
    assert got.headers["content-type"] == "application/json"
    assert got.json()["error"].keys() >= {"message", "type", "param", "code"}
    assert got.json()["error"]["type"] == {429: "rate_limit_error", 400: "invalid_request_error"}[status]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
def test_g08_comments_fill_a_silence_before_and_between_tokens(impatient: Road, backend: str, api: str) -> None:
    dialect, says = BACKENDS[backend][0], Says(("Hello", " you"))
    told = events(dialect, says)
    middle = next(n for n, event in enumerate(told) if b"Hello" in event) + 1
    gates = [threading.Event(), threading.Event()]
    impatient.upstream.script(stream(gates[0], *told[:middle], gates[1], *told[middle:]))
    with impatient.http.stream(
        "POST", impatient.live.base_url + PATHS[api], json=body(api, backend, stream=True)
    ) as got:
        assert got.status_code == 200
        read = _Reading(got)
        read.until(b": keep-alive\n\n")
        gates[0].set()
        read.until(b'"Hello"')
        read.until(b": keep-alive\n\n")
        gates[1].set()
        read.to_the_end()
    impatient.plays(backend, says, stream=True)
    assert heard(api, read.whole, stream=True) == impatient.hear(api, backend, stream=True)


class _Reading:
    """A stream as it arrives; ``until`` looks only at what came after the last thing found."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.whole = b""
        self._seen = 0
        self._chunks = answer.iter_raw()

    def until(self, mark: bytes) -> None:
        while (found := self.whole.find(mark, self._seen)) < 0:
            self.whole += next(self._chunks)
        self._seen = found + len(mark)

    def to_the_end(self) -> None:
        self.whole += b"".join(self._chunks)


@pytest.fixture(scope="module")
def impatient() -> Iterator[Road]:
    with build("timeouts: {commit_after: 40ms, keepalive: 40ms}") as built:
        yield built


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g09_each_event_reaches_the_client_before_the_next_is_sent(road: Road, backend: str, api: str) -> None:
    pieces = [f"word{n} " for n in range(6)]
    told = events(BACKENDS[backend][0], Says(pieces))
    gates: list[threading.Event] = []
    parts: list[bytes | threading.Event] = []
    for event in told:
        parts.append(event)
        if b"word" in event and len(gates) < len(pieces) and f"word{len(gates)}".encode() in event:
            gates.append(threading.Event())
            parts.append(gates[-1])
    assert len(gates) == len(pieces)
    road.upstream.script(stream(*parts))
    waits = []
    with road.http.stream("POST", road.live.base_url + PATHS[api], json=body(api, backend, stream=True)) as got:
        assert got.headers["content-type"].startswith("text/event-stream")
        assert got.headers["cache-control"] == "no-cache"
        assert got.headers["x-accel-buffering"] == "no"
        read, since = _Reading(got), time.monotonic()
        for piece, gate in zip(pieces, gates, strict=True):
            read.until(piece.strip().encode())
            waits.append(time.monotonic() - since)
            since = time.monotonic()
            gate.set()
        read.to_the_end()
    assert min(waits[1:]) < 0.1
    assert heard(api, read.whole, stream=True).text == "".join(pieces)
