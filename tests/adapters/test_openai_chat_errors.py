"""Errors of chat servers: every shape to one failure, and the failure to OpenAI's body."""

import msgspec
import pytest

from adapters import ir
from adapters.openai_chat import DIALECT

OVERFLOW = (
    b'{"error":{"message":"This model\'s maximum context length is 4096 tokens.","type":"BadRequestError","code":400}}',
    b'{"error":{"code":400,"message":"no room","type":"exceed_context_size_error","n_ctx":4096}}',
    b'{"error":{"message":"too big","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}',
    b'{"error":"the request exceeds the available context size"}',
    b'{"object":"error","message":"prompt is too long: 9 tokens > 8 maximum","code":400}',
)


@pytest.mark.parametrize("body", OVERFLOW)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_g46_context_overflow_is_told_in_openais_words(body: bytes, status: int) -> None:
    failure = DIALECT.read_error(status, {}, body)
    assert (failure.kind, failure.status, failure.type, failure.code) == (
        "context_length",
        400,
        "invalid_request_error",
        "context_length_exceeded",
    )
    assert failure.upstream_status == status


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (
            400,
            {"message": "bad", "param": "n", "code": "unsupported_parameter"},
            ("invalid", 400, "unsupported_parameter", "n"),
        ),
        (400, {"message": "bad", "type": "BadRequestError", "param": None, "code": 400}, ("invalid", 400, None, None)),
        (422, {"message": "bad"}, ("invalid", 400, None, None)),
        (404, {"message": "no model x", "code": 404}, ("not_found", 404, "model_not_found", None)),
        (413, {"message": "big"}, ("too_large", 413, "request_too_large", None)),
        (429, {"message": "slow"}, ("limited", 429, "rate_limit_exceeded", None)),
        (429, {"message": "pay", "code": "insufficient_quota"}, ("quota", 429, "insufficient_quota", None)),
        (402, {"message": "pay"}, ("quota", 429, "insufficient_quota", None)),
        (503, {"message": "busy"}, ("overloaded", 503, "upstream_overloaded", None)),
        (529, {"message": "busy"}, ("overloaded", 503, "upstream_overloaded", None)),
        (500, {"message": "boom"}, ("upstream_error", 502, "upstream_error", None)),
        (408, {"message": "late"}, ("upstream_error", 502, "upstream_error", None)),
    ],
)
def test_statuses_to_the_client(status: int, error: dict, expected: tuple) -> None:
    failure = DIALECT.read_error(status, {}, msgspec.json.encode({"error": error}))
    assert (failure.kind, failure.status, failure.code, failure.param) == expected
    assert failure.message == error["message"]


@pytest.mark.parametrize("status", [401, 403])
def test_g65_our_own_credential_is_not_the_clients_fault_nor_shown(status: int) -> None:
    failure = DIALECT.read_error(status, {}, b'{"error":{"message":"Incorrect API key provided: sk-abc"}}')
    assert (failure.kind, failure.status, failure.code) == ("upstream_auth", 502, "upstream_auth")
    assert "sk-abc" not in failure.message


@pytest.mark.parametrize(
    "body", [b"", b"<html><h1>Bad gateway</h1></html>", b"{}", b"[]", b'"', b'{"error":{}}', b"\xff\xfe"]
)
def test_g47_bodies_that_say_nothing(body: bytes) -> None:
    failure = DIALECT.read_error(502, {}, body)
    assert (failure.status, failure.kind) == (502, "upstream_error")
    assert failure.message == "The upstream answered HTTP 502 without a readable error."
    error = msgspec.json.decode(DIALECT.write_error(failure))["error"]
    assert error.keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "soon", "date": "now"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict, seconds: float | None) -> None:
    assert DIALECT.read_error(429, headers, b'{"error":{"message":"slow"}}').retry_after == seconds


def test_fastapis_detail_and_long_messages() -> None:
    failure = DIALECT.read_error(422, {}, b'{"detail":[{"loc":["body"],"msg":"bad"}]}')
    assert failure.message == '[{"loc":["body"],"msg":"bad"}]'
    long = DIALECT.read_error(400, {}, msgspec.json.encode({"error": {"message": "x" * 9000}}))
    assert len(long.message) == 4000


def test_a_cut_is_one_error_frame() -> None:
    failure = ir.Failure("timeout", 504, "too late", "server_error", "upstream_timeout")
    (line,) = DIALECT.cut(failure, None, None, ir.Echo("a", 1, "m"))
    assert (
        line
        == b'data: {"error":{"message":"too late","type":"server_error","param":null,"code":"upstream_timeout"}}\n\n'
    )
