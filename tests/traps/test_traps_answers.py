"""Traps of answers as a whole, through the public door: G23, G45, G47, G48, G66, G72, G73, G80, G82 of the list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import openai
import pytest
from checker import check_chat, check_responses, parse_sse
from road import APIS, BACKENDS, EXACT, FOUR, MODES, Road, body, build
from scripted import Answer, stream, whole
from vendors import DONE, Call, Json, Says, chunk, data, events, gemini

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WEATHER = Call("get_weather", {"city": "Rome"})
HELLO = Says(("Hello", " there"))


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


@pytest.fixture(scope="module")
def upstreams_name() -> Iterator[Road]:
    with build("server: {response_model: upstream}") as built:
        yield built


# --- G23 -----------------------------------------------------------------------------------------------------------


def _split_gemini() -> Answer:
    call = {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}}
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
    return stream(data(gemini([call])), data(gemini([{"text": ""}], "STOP", **usage)))


def _ollama() -> Answer:
    """The call in one chunk, ``stop`` in the last."""
    call = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'},
    }
    first = chunk({"role": "assistant", "content": "", "tool_calls": [call]})
    return stream(data(first), data(chunk({"content": ""}, "stop")), DONE)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("backend", "answer"), [("gemini", _split_gemini()), ("ollama", _ollama())])
def test_g23_a_call_long_before_the_last_chunk_is_remembered(
    road: Road, backend: str, answer: Answer, api: str
) -> None:
    road.upstream.script(answer)
    got = road.hear(api, backend, stream=True)
    assert got.calls == [("get_weather", {"city": "Rome"})]
    assert got.finish == "tool_calls"


# --- G45, G47 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
def test_g45_claudes_overload_is_a_503_that_may_be_tried_again(road: Road, api: str, stream_: bool) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    road.upstream.script(whole(overloaded, 529))
    got = road.post(api, body(api, "claude", stream=stream_))
    assert got.status_code == 503
    assert set(got.json()["error"]) == {"message", "type", "param", "code"}
    assert got.json()["error"]["type"] == "server_error"
    road.recovers("claude")


PAGES = {
    "html": (b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html"),
    "empty": (b"", "application/json"),
    "text": (b"upstream connect error", "text/plain"),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
def test_g47_a_gateways_page_is_an_openai_error(road: Road, backend: str, api: str, stream_: bool, page: str) -> None:
    content, kind = PAGES[page]
    road.upstream.script(Answer([content], 502, kind))
    got = road.post(api, body(api, backend, stream=stream_))
    assert got.status_code == 502
    assert got.headers["content-type"] == "application/json"
    error = got.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "<html>" not in error["message"]
    road.recovers(backend)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
def test_g47_a_page_under_a_200_is_an_error_too(road: Road, backend: str, api: str) -> None:
    road.upstream.script(Answer([PAGES["html"][0]], 200, "text/html"))
    got = road.post(api, body(api, backend))
    assert got.status_code == 502
    assert got.json()["error"]["message"]
    road.recovers(backend)


# --- G48 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
def test_g48_what_was_said_is_never_said_again(road: Road, backend: str, api: str) -> None:
    told = events(BACKENDS[backend][0], Says(("Once", " upon", " a time")))
    until = next(n for n, event in enumerate(told) if b"upon" in event) + 1
    road.upstream.script(stream(*told[:until]))
    got = road.ask(api, backend, stream=True).content
    assert len(road.upstream.asked) == 1
    assert got.count(b"Once") == 1 or api == "responses"
    if api == "chat":
        chunks = parse_sse(got, done=False)
        check_chat(chunks, include_usage=False, done=False)
        assert chunks[-1]["error"]
    else:
        seen = parse_sse(got)
        check_responses(seen)
        assert seen[-1]["type"] == "response.failed"
    road.recovers(backend)


# --- G66 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
def test_g66_every_answer_has_our_id_and_the_upstreams(road: Road, backend: str, api: str, stream_: bool) -> None:
    dialect = BACKENDS[backend][0]
    good = stream(*events(dialect, HELLO)) if stream_ else None
    for answer, status in (
        (Answer(good.parts, kind=good.kind, headers={"x-request-id": "req_up"}) if good else None, 200),
        (whole({"error": {"message": "no", "type": "invalid_request_error"}}, 400, x_request_id="req_up"), 400),
    ):
        if answer is not None:
            road.upstream.script(answer)
            got = road.post(api, body(api, backend, stream=stream_))
            assert got.status_code == status
            assert got.headers["x-upstream-request-id"] == "req_up"
            assert UUID.fullmatch(got.headers["x-request-id"])
    refused = road.post(api, {"model": backend})
    assert refused.status_code == 400
    assert UUID.fullmatch(refused.headers["x-request-id"])


# --- G72, G80 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name not in ("openai", "gpt")])
def test_g72_every_shape_passes_openais_types_with_every_literal(
    road: Road, backend: str, api: str, stream_: bool
) -> None:
    for says in (HELLO, Says((), (WEATHER,)), Says(("Let me look.",), (WEATHER, Call("get_time", {})))):
        road.plays(backend, says, stream=stream_)
        got = road.hear(api, backend, stream=stream_)  # validates with literals and runs the checker
        assert got.finish == ("tool_calls" if says.calls else "stop")


def test_g72_words_that_no_client_knows_do_not_reach_it(road: Road) -> None:
    odd = chunk({"role": "assistant", "content": "Hi"}, service_tier="standard")
    road.upstream.script(stream(data(odd), data(chunk({}, "eos")), DONE))
    assert road.hear("chat", "vllm", stream=True).finish == "stop"
    answer = {**odd, "object": "chat.completion", "created": None}
    answer["choices"] = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "eos"}]
    road.upstream.script(whole(answer))
    assert road.hear("chat", "vllm").finish == "stop"


@pytest.mark.parametrize("backend", FOUR)
def test_g80_a_whole_response_has_every_field(road: Road, backend: str) -> None:
    road.plays(backend, HELLO, stream=False)
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    got = road.ask("responses", backend, tools=[tool], tool_choice="auto", parallel_tool_calls=False).json()
    assert got["object"] == "response"
    assert (backend, "responses") in EXACT or got["id"].startswith("resp_")
    assert isinstance(got["created_at"], int)
    assert (got["status"], got["error"], got["incomplete_details"]) == ("completed", None, None)
    assert {"output", "tools", "tool_choice", "parallel_tool_calls", "text", "usage"} <= got.keys()
    if (backend, "responses") not in EXACT:
        assert got["tools"][0]["name"] == "f"
        assert got["parallel_tool_calls"] is False
    with openai.OpenAI(base_url=road.live.base_url, api_key="k", max_retries=0) as client:
        assert client.responses.create(model=backend, input="Hi!").output_text == "Hello there"


# --- G73 -----------------------------------------------------------------------------------------------------------


def _models(api: str, got: bytes, *, stream_: bool) -> set[str]:
    told = parse_sse(got) if stream_ else [json.loads(got)]
    if api == "chat" or not stream_:
        return {one["model"] for one in told}
    return {one["response"]["model"] for one in told if "response" in one}


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
def test_g73_the_model_is_the_alias_or_the_upstreams_as_configured(
    road: Road, upstreams_name: Road, backend: str, api: str, stream_: bool
) -> None:
    for one, shown in ((road, {backend}), (upstreams_name, None)):
        one.plays(backend, HELLO, stream=stream_)
        answer = one.ask(api, backend, stream=stream_)
        models = _models(api, answer.content, stream_=stream_)
        assert models == (shown or {answer.headers["x-turnout-model"]})
        (row,) = one.live.rows_of(answer.headers["x-request-id"])
        assert row.upstream_model.endswith("-up")  # the one that really answered, whatever was shown


# --- G82 -----------------------------------------------------------------------------------------------------------


def _counts(api: str, got: bytes, *, stream_: bool) -> Json:
    told = parse_sse(got)[-1] if stream_ else json.loads(got)
    found: Json = told["response"]["usage"] if stream_ and api == "responses" else told["usage"]
    return found


def _all_integers(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_all_integers, value.values()))
    return isinstance(value, int) and not isinstance(value, bool)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g82_counts_are_integers_that_add_up_alike_in_both_modes(road: Road, backend: str, api: str) -> None:
    found = []
    for stream_ in MODES:
        road.plays(backend, HELLO, stream=stream_)
        usage = _counts(api, road.ask(api, backend, stream=stream_).content, stream_=stream_)
        assert _all_integers(usage), usage
        read, written = ("input", "output") if api == "responses" else ("prompt", "completion")
        assert usage["total_tokens"] == usage[f"{read}_tokens"] + usage[f"{written}_tokens"] == 12
        cached = usage.get(f"{read}_tokens_details", {}).get("cached_tokens", 0)
        thought = usage.get(f"{written}_tokens_details", {}).get("reasoning_tokens", 0)
        assert cached <= usage[f"{read}_tokens"]
        assert thought <= usage[f"{written}_tokens"]
        found.append(usage)
    assert found[0] == found[1]
