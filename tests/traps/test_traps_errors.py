"""Traps of errors, secrets and bad input, through the public door: G46, G65, G78 of the list of failures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from road import APIS, BACKENDS, MODES, Road, body, build, secret
from scripted import stream, whole
from vendors import Json, Says

CLIENT_KEY = "sk-canary-of-the-client-9876543210"
COOKIE = "session=canary-cookie-of-the-client"


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


# --- G46 -----------------------------------------------------------------------------------------------------------


def _openai(message: str, kind: str, code: Any, **more: Any) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


_CLAUDE = "prompt is too long: 200082 tokens > 200000 maximum"
_GEMINI = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
_VLLM = "This model's maximum context length is 4096 tokens. However, you requested 5012 tokens in the messages."
_LLAMA = "the request exceeds the available context size (8192 tokens), try increasing it"
_GPT = "Your input exceeds the context window of this model. Please adjust your input and try again."
OVERFLOWS: dict[str, Json] = {
    "claude": {"type": "error", "error": {"type": "invalid_request_error", "message": _CLAUDE}, "request_id": "req_1"},
    "gemini": {"error": {"code": 400, "message": _GEMINI, "status": "INVALID_ARGUMENT"}},
    "vllm": _openai(_VLLM, "BadRequestError", 400),
    "llama": _openai(_LLAMA, "exceed_context_size_error", 400, n_prompt_tokens=9000, n_ctx=8192),
    "openai": _openai(_VLLM, "invalid_request_error", "context_length_exceeded"),
    "gpt": _openai(_GPT, "invalid_request_error", "context_length_exceeded"),
}


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", OVERFLOWS)
def test_g46_too_long_a_prompt_is_context_length_exceeded(road: Road, backend: str, api: str, stream_: bool) -> None:
    road.upstream.script(whole(OVERFLOWS[backend], 400))
    got = road.post(api, body(api, backend, stream=stream_))
    assert got.status_code == 400
    error = got.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "context_length_exceeded")
    assert len(road.upstream.asked) == 1


# --- G65 -----------------------------------------------------------------------------------------------------------

CREDENTIAL = {"claude": ("x-api-key", ""), "gemini": ("x-goog-api-key", "")}
"""backend -> header and prefix; the others take a bearer."""


def _client_headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {CLIENT_KEY}", "Cookie": COOKIE, "X-Api-Key": CLIENT_KEY}


def secrets() -> list[str]:
    return [CLIENT_KEY, COOKIE.partition("=")[2], *map(secret, BACKENDS)]


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g65_each_vendor_gets_its_own_key_and_never_the_clients(
    road: Road, backend: str, api: str, stream_: bool
) -> None:
    road.plays(backend, Says(("Hello",)), stream=stream_)
    got = road.post(api, body(api, backend, stream=stream_), **_client_headers())
    assert got.status_code == 200
    (asked,) = road.upstream.asked
    name, prefix = CREDENTIAL.get(backend, ("authorization", "Bearer "))
    assert asked.headers[name] == prefix + secret(backend)
    assert ("anthropic-version" in asked.headers) == (backend == "claude")
    assert asked.headers.keys().isdisjoint({"authorization", "x-api-key", "x-goog-api-key", "cookie"} - {name})
    assert not [key for key in secrets() if key.encode() in asked.head + asked.raw and key != secret(backend)]
    assert "key=" not in asked.path


LEAKS = (400, 401, 403, 429, 500)


@pytest.fixture(scope="module")
def leaky() -> Iterator[Road]:
    """A road with a backend per status: a key that is refused takes its backend away."""
    with build(twins=[f"-{status}" for status in LEAKS]) as built:
        yield built


@pytest.mark.parametrize("status", LEAKS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_g65_no_key_stands_in_an_error_or_a_log(leaky: Road, backend: str, status: int) -> None:
    message = f"Incorrect API key provided: {secret(backend)}. Find yours at the vendor's."
    told = _openai(message, "invalid_request_error", "invalid_api_key")
    if backend == "claude":
        told = {"type": "error", "error": {"type": "authentication_error", "message": message}}
    elif backend == "gemini":
        told = {"error": {"code": status, "message": message, "status": "UNAUTHENTICATED"}}
    leaky.upstream.script(whole(told, status))
    for api in APIS:
        for stream_ in MODES:
            got = leaky.post(api, body(api, f"{backend}-{status}", stream=stream_), **_client_headers())
            assert got.status_code >= 400
            assert not _leaked(got.text + repr(got.headers))
    assert leaky.upstream.asked
    assert not _leaked(leaky.live.log())


@pytest.mark.parametrize(("backend", "api"), [("openai", "chat"), ("claude", "chat"), ("claude", "responses")])
def test_g65_no_key_stands_in_an_error_inside_a_stream(road: Road, backend: str, api: str) -> None:
    message = f"Your key {secret(backend)} has run out."
    error = {"error": {"message": message, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}}
    delta = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
             "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None}]}  # fmt: skip
    parts = [f"data: {json.dumps(delta)}\n\n".encode(), f"data: {json.dumps(error)}\n\n".encode()]
    if backend == "claude":
        started = {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c",
                   "content": [], "stop_reason": None, "stop_sequence": None,
                   "usage": {"input_tokens": 1, "output_tokens": 1}}}  # fmt: skip
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        broken = {"type": "error", "error": {"type": "overloaded_error", "message": message}}
        parts = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in (started, block, broken)]
    road.upstream.script(stream(*parts))
    got = road.post(api, body(api, backend, stream=True), **_client_headers())
    assert "has run out" in got.text
    assert not _leaked(got.text + road.live.log())


def _leaked(text: str) -> list[str]:
    return [key for key in secrets() if key in text]


def test_g65_no_key_stands_in_what_an_operator_reads(leaky: Road) -> None:
    for path in ("/metrics", "/admin/config", "/health/ready", "/v1/models"):
        status, told = leaky.live.get(path)
        assert status == 200, path
        assert not _leaked(repr(told)), path
    kept = [path for path in leaky.live.folder.iterdir() if path.is_file() and path != leaky.live.config]
    assert {path.name for path in kept} >= {"log"}
    assert not [path.name for path in kept if _leaked(path.read_bytes().decode("latin-1"))]


# --- G78 -----------------------------------------------------------------------------------------------------------

_USER = {"role": "user", "content": "Hi!"}
BAD: dict[str, tuple[str, Any, int, str | None]] = {
    "no messages": ("chat", {"model": "vllm"}, 400, "messages"),
    "empty messages": ("chat", {"model": "vllm", "messages": []}, 400, "messages"),
    "messages of the wrong type": ("chat", {"model": "vllm", "messages": "Hi!"}, 400, "messages"),
    "unknown role": ("chat", {"model": "vllm", "messages": [{"role": "robot", "content": "Hi!"}]}, 400, "messages[0].role"),
    "no role": ("chat", {"model": "vllm", "messages": [{"content": "Hi!"}]}, 400, "messages[0].role"),
    "no model": ("chat", {"messages": [_USER]}, 400, "model"),
    "empty model": ("chat", {"model": "", "messages": [_USER]}, 400, "model"),
    "model of the wrong type": ("chat", {"model": 7, "messages": [_USER]}, 400, "model"),
    "unknown model": ("chat", {"model": "nobody", "messages": [_USER]}, 404, "model"),
    "temperature of the wrong type": ("chat", {"model": "vllm", "messages": [_USER], "temperature": "hot"}, 400, "temperature"),
    "stream of the wrong type": ("chat", {"model": "vllm", "messages": [_USER], "stream": "yes"}, 400, "stream"),
    "invalid JSON": ("chat", b'{"model": "vllm", "messages": [', 400, None),
    "not an object": ("chat", b'["vllm"]', 400, None),
    "nothing": ("chat", b"", 400, None),
    "invalid UTF-8": ("chat", b'{"model": "vllm", "messages": [{"role":"user","content":"\xff"}]}', 400, None),
    "bottomless": ("chat", b'{"model": "vllm", "messages": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, None),
    "R no input": ("responses", {"model": "vllm"}, 400, "input"),
    "R input of the wrong type": ("responses", {"model": "vllm", "input": 7}, 400, "input"),
    "R unknown role": ("responses", {"model": "vllm", "input": [{"role": "robot", "content": "Hi!"}]}, 400, "input[0].role"),
    "R no model": ("responses", {"input": "Hi!"}, 400, "model"),
    "R unknown model": ("responses", {"model": "nobody", "input": "Hi!"}, 404, "model"),
    "R invalid JSON": ("responses", b"{", 400, None),
    "R not an object": ("responses", b"7", 400, None),
}  # fmt: skip


@pytest.mark.parametrize("exact", [False, True], ids=["translated", "exact"])
@pytest.mark.parametrize("name", BAD)
def test_g78_bad_input_is_refused_in_openais_words_and_goes_nowhere(road: Road, name: str, exact: bool) -> None:
    api, asked, status, param = BAD[name]
    backend = {"chat": "openai", "responses": "gpt"}[api] if exact else "vllm"
    road.plays("vllm", Says(("never",)), stream=False)
    if isinstance(asked, dict) and asked.get("model") == "vllm":
        asked = {**asked, "model": backend}
    got = road.post(api, asked.replace(b"vllm", backend.encode()) if isinstance(asked, bytes) else asked)
    assert got.status_code == status, got.text
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-request-id"]
    assert got.json().keys() == {"error"}
    error = got.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert error["param"] == param
    assert not road.upstream.asked


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stream_", MODES)
def test_g78_a_broken_message_goes_to_no_backend_at_all(road: Road, backend: str, stream_: bool) -> None:
    road.plays(backend, Says(("never",)), stream=stream_)
    for api, more in (
        ("chat", {"messages": []}),
        ("chat", {"messages": [_USER], "n": "two"}),
        ("responses", {"input": 7}),
    ):
        got = road.post(api, {**body(api, backend, stream=stream_), **more})
        assert got.status_code == 400, got.text
        assert got.json()["error"]["type"] == "invalid_request_error"
        assert not road.upstream.asked
