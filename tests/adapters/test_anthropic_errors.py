"""Claude's error answers as failures, and failures in Claude's words."""

import msgspec
import pytest

from adapters import ir
from adapters.anthropic_messages import DIALECT


def told(kind: str, message: str = "why") -> bytes:
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})


@pytest.mark.parametrize(
    ("status", "word", "kind", "shown", "code"),
    [
        (400, "invalid_request_error", "invalid", 400, None),
        (401, "authentication_error", "upstream_auth", 502, "upstream_auth"),
        (402, "billing_error", "quota", 429, "insufficient_quota"),
        (403, "permission_error", "upstream_auth", 502, "upstream_auth"),
        (404, "not_found_error", "not_found", 404, "model_not_found"),
        (413, "request_too_large", "too_large", 413, "request_too_large"),
        (429, "rate_limit_error", "limited", 429, "rate_limit_exceeded"),
        (500, "api_error", "upstream_error", 502, "upstream_error"),
        (529, "overloaded_error", "overloaded", 503, "upstream_overloaded"),
    ],
)
def test_g45_statuses(status: int, word: str, kind: str, shown: int, code: str | None) -> None:
    failure = DIALECT.read_error(status, {"retry-after": "7"}, told(word))
    assert (failure.kind, failure.status, failure.code) == (kind, shown, code)
    assert (failure.retry_after, failure.upstream_status) == (7.0, status)
    assert kind == "upstream_auth" or failure.message == "why"


def test_g46_context_overflow_has_its_code() -> None:
    failure = DIALECT.read_error(400, {}, told("invalid_request_error", "prompt is too long: 210000 tokens > 200000"))
    assert (failure.kind, failure.status, failure.code) == ("context_length", 400, "context_length_exceeded")


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"{}", b'{"error":5}', b"\xff"])
def test_g47_an_unreadable_body_still_has_a_message(body: bytes) -> None:
    failure = DIALECT.read_error(502, {}, body)
    assert (failure.kind, failure.status) == ("upstream_error", 502)
    assert "html" not in failure.message
    assert failure.message


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [
        ("invalid", 400, "invalid_request_error"),
        ("unauthorized", 401, "authentication_error"),
        ("quota", 429, "billing_error"),
        ("forbidden", 403, "permission_error"),
        ("not_found", 404, "not_found_error"),
        ("too_large", 413, "request_too_large"),
        ("limited", 429, "rate_limit_error"),
        ("overloaded", 503, "overloaded_error"),
        ("timeout", 504, "timeout_error"),
        ("upstream_error", 502, "api_error"),
        ("invalid", 405, "invalid_request_error"),
    ],
)
def test_errors_are_written_in_the_vendors_words(kind: str, status: int, word: str) -> None:
    body = msgspec.json.decode(DIALECT.write_error(ir.Failure(kind, status, "why")))
    assert body == {"type": "error", "error": {"type": word, "message": "why"}}
