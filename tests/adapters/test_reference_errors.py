"""Protocol.md 3.8, row by row: a vendor's error to the status, type, code and waiting time that each client reads."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from reference_kit import CHAT, CLIENTS, GEMINI, MESSAGES, RESPONSES, Json, streamed

from adapters.catalog import DIALECTS


def claude(kind: str, message: str = "m") -> Json:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def google(status: str, message: str = "m", *details: Json) -> Json:
    return {"error": {"code": 0, "message": message, "status": status, "details": list(details)}}


def openai(kind: str, code: Any = None, message: str = "m", param: str | None = None) -> Json:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


INVALID, SERVER = "invalid_request_error", "server_error"
BAD = (400, INVALID, None, "invalid_request_error")
TOO_LONG = (400, INVALID, "context_length_exceeded", "invalid_request_error")
AUTH = (502, SERVER, "upstream_auth", "api_error")
QUOTA = (429, "insufficient_quota", "insufficient_quota", "billing_error")
NO_MODEL = (404, INVALID, "model_not_found", "not_found_error")
LARGE = (413, INVALID, "request_too_large", "request_too_large")
LIMITED = (429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error")
BUSY = (503, SERVER, "upstream_overloaded", "overloaded_error")
BROKEN = (502, SERVER, "upstream_error", "api_error")
NO_TURN = (400, INVALID, "previous_response_not_found", "invalid_request_error")
KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}

ROWS: list[tuple[str, int, Json, tuple[int, str, str | None, str]]] = [
    # vendor, its status and body, (status, type, code) for OpenAI's clients and the type for Anthropic's
    (MESSAGES, 400, claude("invalid_request_error"), BAD),
    (GEMINI, 400, google("INVALID_ARGUMENT"), BAD),
    (GEMINI, 400, google("FAILED_PRECONDITION"), BAD),
    (CHAT, 400, openai("BadRequestError", 400), BAD),
    (CHAT, 422, {"detail": [{"loc": ["body"], "msg": "m"}]}, BAD),
    (CHAT, 409, openai("conflict"), BAD),
    (RESPONSES, 409, openai("conflict"), BAD),
    (MESSAGES, 400, claude("invalid_request_error", "prompt is too long: 3 tokens > 2 maximum"), TOO_LONG),
    (GEMINI, 400, google("INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."), TOO_LONG),
    (CHAT, 400, openai("exceed_context_size_error", 400, "too big"), TOO_LONG),
    (CHAT, 400, openai("BadRequestError", 400, "This model's maximum context length is 4096 tokens."), TOO_LONG),
    (RESPONSES, 400, openai(INVALID, "context_length_exceeded"), TOO_LONG),
    *[(MESSAGES, status, claude("authentication_error"), AUTH) for status in (401, 403)],
    *[(GEMINI, status, google("UNAUTHENTICATED"), AUTH) for status in (401, 403)],
    *[(dialect, status, openai(INVALID, "invalid_api_key"), AUTH) for dialect in (CHAT, RESPONSES) for status in (401, 403)],
    (GEMINI, 400, google("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", KEY), AUTH),
    (MESSAGES, 402, claude("billing_error"), QUOTA),
    (MESSAGES, 400, claude("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), QUOTA),
    (MESSAGES, 400, claude("invalid_request_error", "You have reached your specified API usage limits."), QUOTA),
    (GEMINI, 429, google("RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap."), QUOTA),
    (CHAT, 429, openai("billing_not_active", "billing_not_active"), QUOTA),
    (CHAT, 429, openai("insufficient_quota", "insufficient_quota"), QUOTA),
    (RESPONSES, 429, openai("insufficient_quota", "insufficient_quota"), QUOTA),
    (MESSAGES, 404, claude("not_found_error"), NO_MODEL),
    (GEMINI, 404, google("NOT_FOUND"), NO_MODEL),
    (CHAT, 404, openai("NotFoundError", 404), NO_MODEL),
    (RESPONSES, 404, openai(INVALID, "model_not_found"), NO_MODEL),
    (MESSAGES, 413, claude("request_too_large"), LARGE),
    (CHAT, 413, openai("request_too_large"), LARGE),
    (MESSAGES, 429, claude("rate_limit_error"), LIMITED),
    (GEMINI, 429, google("RESOURCE_EXHAUSTED"), LIMITED),
    (CHAT, 429, openai("tokens", "rate_limit_exceeded"), LIMITED),
    (RESPONSES, 429, openai("requests", "rate_limit_exceeded"), LIMITED),
    (MESSAGES, 529, claude("overloaded_error"), BUSY),
    (GEMINI, 503, google("UNAVAILABLE"), BUSY),
    (CHAT, 503, openai("service_unavailable"), BUSY),
    *[(MESSAGES, status, claude("api_error"), BROKEN) for status in (408, 500, 502, 504)],
    *[(GEMINI, status, google("INTERNAL"), BROKEN) for status in (500, 504)],
    *[(dialect, status, openai(SERVER), BROKEN) for dialect in (CHAT, RESPONSES) for status in (408, 500, 502, 504)],
    (RESPONSES, 400, openai(INVALID, "previous_response_not_found", param="previous_response_id"), NO_TURN),
]  # fmt: skip


@pytest.mark.parametrize(("source", "status", "body", "meant"), ROWS)
def test_an_error_answer(source: str, status: int, body: Json, meant: tuple[int, str, str | None, str]) -> None:
    failure = DIALECTS[source].read_error(status, {}, msgspec.json.encode(body))
    assert (failure.status, failure.type, failure.code) == meant[:3]
    assert (failure.upstream_status, failure.retry_after) == (401 if meant is AUTH and status == 400 else status, None)
    for client in CLIENTS:
        told = msgspec.json.decode(DIALECTS[client].write_error(failure, "req_ours"))
        if client == MESSAGES:
            assert told == {
                "type": "error",
                "error": {"type": meant[3], "message": failure.message},
                "request_id": "req_ours",
            }
        else:
            assert told["error"] == {
                "message": failure.message, "type": meant[1], "param": failure.param, "code": meant[2],
            }  # fmt: skip
    assert failure.status != 409, "an SDK would try again"


@pytest.mark.parametrize(
    ("source", "body"),
    [(MESSAGES, claude("authentication_error", "key sk-1")), (CHAT, openai(INVALID, None, "key sk-1"))],
)
def test_a_refused_key_of_ours_does_not_blame_the_client_or_quote_the_key(source: str, body: Json) -> None:
    failure = DIALECTS[source].read_error(401, {}, msgspec.json.encode(body))
    assert "sk-1" not in failure.message
    assert "operator" in failure.message


INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
DATES = {"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}
WAITS: list[tuple[str, Json, Mapping[str, str], float | None]] = [
    (MESSAGES, claude("rate_limit_error"), {"retry-after": "7"}, 7.0),
    (CHAT, openai("requests"), {"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
    (RESPONSES, openai("requests"), DATES, 30.0),
    (GEMINI, google("RESOURCE_EXHAUSTED", "m", INFO), {}, 34.5),
    (GEMINI, google("RESOURCE_EXHAUSTED", "m", INFO), {"retry-after": "3"}, 3.0),
    (CHAT, openai("requests"), {"retry-after": "1e300"}, 31 * 86_400.0),
    (CHAT, openai("requests"), {"retry-after": "inf"}, None),
    (CHAT, openai("requests"), {"retry-after": "soon"}, None),
    (CHAT, openai("requests"), {"retry-after": "-1"}, None),
]


@pytest.mark.parametrize(("source", "body", "headers", "seconds"), WAITS)
def test_how_long_to_wait(source: str, body: Json, headers: Mapping[str, str], seconds: float | None) -> None:
    assert DIALECTS[source].read_error(429, headers, msgspec.json.encode(body)).retry_after == seconds


IN_STREAM: list[tuple[str, bytes, int, str]] = [
    # vendor, its event, status and kind of the failure
    (MESSAGES, b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"m"}}\n\n', 503, "overloaded"),
    (MESSAGES, b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"m"}}\n\n', 429, "limited"),
    (MESSAGES, b'event: error\ndata: {"type":"error","error":{"type":"billing_error","message":"m"}}\n\n', 429, "quota"),
    (GEMINI, b'data: {"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}\n\n', 503, "overloaded"),
    (GEMINI, b'data: {"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}\n\n', 400, "invalid"),
    (CHAT, b'data: {"error":{"message":"m","type":"server_error","code":500}}\n\n', 502, "upstream_error"),
    (CHAT, b'data: {"error":{"message":"maximum context length is 4096 tokens","type":"BadRequestError","code":400}}\n\n', 400, "context_length"),
    (CHAT, b'data: {"error":"CUDA out of memory"}\n\n', 502, "upstream_error"),
    (RESPONSES, b'data: {"type":"error","code":"rate_limit_exceeded","message":"m","param":null,"sequence_number":0}\n\n', 429, "limited"),
    (RESPONSES, b'data: {"type":"response.failed","sequence_number":0,"response":{"id":"r","object":"response","status":"failed","output":[],"error":{"code":"server_error","message":"m"}}}\n\n', 502, "upstream_error"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "frame", "status", "kind"), IN_STREAM)
def test_an_error_within_a_200_is_known_as_the_same_failure(source: str, frame: bytes, status: int, kind: str) -> None:
    for client in CLIENTS:
        relay, raw = streamed(source, [frame], client)
        assert relay.failure is not None
        assert (relay.failure.status, relay.failure.kind) == (status, kind)
        events = [msgspec.json.decode(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: {")]
        if client == CHAT:
            assert set(events[-1]["error"]) == {"message", "type", "param", "code"}
        elif client == MESSAGES:
            assert (events[-1]["type"], set(events[-1]["error"])) == ("error", {"type", "message"})
        else:
            flat = events[-1]["type"] == "error"
            assert flat or set(events[-1]["response"]["error"]) == {"code", "message"}
            assert not (flat and "error" in events[-1]), "never nested on HTTP"
