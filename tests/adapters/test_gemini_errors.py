"""Google's errors, as what they mean to our client, and ours for a Gemini client."""

from typing import Any

import msgspec
import pytest

from adapters import ir
from adapters.google_gemini import DIALECT


def error(code: int, message: str = "m", status: str = "", details: list[Any] | None = None) -> bytes:
    return msgspec.json.encode(
        {"error": {"code": code, "message": message, "status": status, "details": details or []}}
    )


KEY = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]


@pytest.mark.parametrize(
    ("status", "body", "kind", "shown"),
    [
        (400, error(400, "bad field", "INVALID_ARGUMENT"), "invalid", 400),
        (400, error(400, "API key not valid.", "INVALID_ARGUMENT", KEY), "upstream_auth", 502),
        (400, error(400, "API key not valid. Please pass a valid API key."), "upstream_auth", 502),
        (401, error(401, "no"), "upstream_auth", 502),
        (403, error(403, "no"), "upstream_auth", 502),
        (404, error(404, "models/x is not found"), "not_found", 404),
        (429, error(429, "slow", "RESOURCE_EXHAUSTED"), "limited", 429),
        (500, error(500, "oops", "INTERNAL"), "upstream_error", 502),
        (503, error(503, "full", "UNAVAILABLE"), "overloaded", 503),
        (200, error(503, "full", "UNAVAILABLE"), "overloaded", 503),
        (200, b'{"error":{"status":"RESOURCE_EXHAUSTED","message":"slow"}}', "limited", 429),
        (503, b"[" + error(503, "full") + b"]", "overloaded", 503),
    ],
)
def test_g86_each_error_has_its_meaning(status: int, body: bytes, kind: str, shown: int) -> None:
    failure = DIALECT.read_error(status, {}, body)
    assert (failure.kind, failure.status) == (kind, shown)


def test_g46_too_long_a_prompt() -> None:
    said = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    failure = DIALECT.read_error(400, {}, error(400, said, "INVALID_ARGUMENT"))
    assert (failure.status, failure.type, failure.code) == (400, "invalid_request_error", "context_length_exceeded")
    assert failure.message == said


@pytest.mark.parametrize(
    ("delay", "seconds"), [("17s", 17.0), ("1.5s", 1.5), ("9" * 400 + "s", 2_678_400.0), ("soon", None), (None, None)]
)
def test_how_long_to_wait_stands_among_the_details(delay: str | None, seconds: float | None) -> None:
    info = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure"}, {"retryDelay": delay}]
    assert DIALECT.read_error(429, {}, error(429, "m", "", info)).retry_after == seconds
    assert DIALECT.read_error(429, {"Retry-After": "3"}, error(429, "m", "", info)).retry_after == 3


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b'{"error":"x"}', b"[]", b"[" * 9000])
def test_g47_unreadable_errors_keep_their_status(body: bytes) -> None:
    failure = DIALECT.read_error(502, {}, body)
    assert (failure.kind, failure.status, failure.upstream_status) == ("upstream_error", 502, 502)
    assert "html" not in failure.message


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "INVALID_ARGUMENT"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (502, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ],
)
def test_our_errors_in_googles_shape(status: int, word: str) -> None:
    told = msgspec.json.decode(DIALECT.write_error(ir.Failure("x", status, "why")))
    assert told == {"error": {"code": status, "message": "why", "status": word}}
