"""Bad input through the public door: always OpenAI's error body, never a framework's, and no upstream is ever asked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from live import Live, demo_config, demo_upstream

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
PATHS = (CHAT, RESPONSES)
KEY = "sk-turnout-test-key"


class Said(NamedTuple):
    """One answer, read from a socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        found = msgspec.json.decode(self.body)
        assert list(found) == ["error"]
        assert set(found["error"]) == {"message", "type", "param", "code"}
        assert found["error"]["message"]
        assert found["error"]["type"]
        return dict(found["error"])


@pytest.fixture(scope="module")
def journal() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def demo(journal: list[dict[str, Any]]) -> Iterator[str]:
    with demo_upstream(journal=journal) as url:
        yield url


@pytest.fixture(scope="module")
def live(demo: str) -> Iterator[Live]:
    with Live(demo_config(demo, "server: {max_body: 64KiB}")) as made:
        yield made


@pytest.fixture(scope="module")
def locked(demo: str) -> Iterator[Live]:
    """A Turnout with a key."""
    with Live(demo_config(demo, f"keys: [{{name: ci, secret: {KEY}}}]")) as made:
        made.until(lambda: made.get("/health/live")[0] == 200, "alive")
        yield made


@pytest.fixture(autouse=True)
def nobody_is_asked(journal: list[dict[str, Any]]) -> Iterator[None]:
    before = len(journal)
    yield
    assert journal[before:] == []


def speak(live: Live, raw: bytes) -> Said:
    """Raw bytes out, one answer in."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=20) as line:
        line.sendall(raw)
        reader = line.makefile("rb")
        status = int(reader.readline().split()[1])
        headers: dict[str, str] = {}
        while (field := reader.readline().decode().strip()) != "":
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length")
        body = reader.read(int(length)) if length is not None else b""
    said = Said(status, headers, body)
    assert said.headers["x-request-id"]
    return said


def send(live: Live, path: str, body: bytes, *more: str, method: str = "POST", host: str = "localhost") -> Said:
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *more]
    return speak(live, "\r\n".join([*head, "", ""]).encode("latin-1") + body)


def whole(path: str, **more: Any) -> dict[str, Any]:
    """A good request."""
    asked = {"messages": [{"role": "user", "content": "Hi!"}]} if path == CHAT else {"input": "Hi!"}
    return {"model": "auto", **asked, **more}


def without(path: str, field: str) -> dict[str, Any]:
    return {name: value for name, value in whole(path).items() if name != field}


def question(path: str, value: Any) -> dict[str, Any]:
    return whole(path, **{"messages" if path == CHAT else "input": value})


TWICE = b'{"model": "to-claude", "model": "to-local", "messages": [{"role": "user", "content": "Hi!"}]}'
TWICE_BELOW = b'{"model": "to-local", "messages": [{"role": "user", "content": "Hi!", "r\\u006fle": "system"}]}'
Bad = Callable[[str], Any]
BODIES: dict[str, tuple[Bad, int]] = {
    "no question": (lambda path: without(path, "messages" if path == CHAT else "input"), 400),
    "question is null": (lambda path: question(path, None), 400),
    "question is empty": (lambda path: question(path, []), 400),
    "question is a number": (lambda path: question(path, 7), 400),
    "question holds a string": (lambda path: question(path, ["hello"]), 400),
    "unknown role": (lambda path: question(path, [{"role": "wizard", "content": "Hi!"}]), 400),
    "role is a number": (lambda path: question(path, [{"role": 1, "content": "Hi!"}]), 400),
    "content is a number": (lambda path: question(path, [{"role": "user", "content": 7}]), 400),
    "unknown part": (
        lambda path: {**question(path, [{"role": "user", "content": [{"type": "smell"}]}]), "model": "to-claude"},
        400,
    ),
    "a line break in the model": (lambda path: {**whole(path), "model": "auto\r\nx-evil: 1"}, 400),
    "an escape in the model": (lambda path: {**whole(path), "model": "backend/\x1b[2J"}, 400),
    "an endless model": (lambda path: {**whole(path), "model": "m" * 257}, 400),
    "no model": (lambda path: without(path, "model"), 400),
    "model is null": (lambda path: whole(path, model=None), 400),
    "model is empty": (lambda path: whole(path, model=""), 400),
    "model is a list": (lambda path: whole(path, model=["auto"]), 400),
    "unknown model": (lambda path: whole(path, model="gpt-nine"), 404),
    "unknown backend": (lambda path: whole(path, model="backend/nobody"), 404),
    "stream is a word": (lambda path: whole(path, stream="yes"), 400),
    "temperature is a word": (lambda path: whole(path, temperature="hot"), 400),
    "tools is a map": (lambda path: whole(path, tools={}), 400),
    "a tool is a string": (lambda path: whole(path, tools=["f"]), 400),
    "a tool without a name": (lambda path: whole(path, tools=[{"type": "function", "function": {}}]), 400),
}
RAW: dict[str, bytes] = {
    "empty": b"",
    "white space": b"  \n",
    "no JSON": b"hello",
    "half a JSON": b'{"model": "auto", "messages": [',
    "an array": b"[]",
    "a string": b'"auto"',
    "null": b"null",
    "a number": b"7",
    "invalid UTF-8": b'{"model": "auto", "input": "\xff\xfe", "messages": []}',
    "half a surrogate pair": b'{"model": "auto", "input": "\\ud800", "messages": [{"role": "user", "content": "\\ud800"}]}',
    "NaN": b'{"model": "auto", "temperature": NaN, "input": "Hi!", "messages": [{"role": "user", "content": "Hi!"}]}',
    "1e999": b'{"model": "auto", "temperature": 1e999, "input": "Hi!", "messages": [{"role": "user", "content": "Hi!"}]}',
    "something after it": b'{"model": "auto", "input": "Hi!", "messages": []} {}',
    "nested too deep": b'{"model": "auto", "input": ' + b"[" * 30_000 + b"]" * 30_000 + b', "messages": []}',
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", BODIES)
def test_a_wrong_field_is_named(live: Live, path: str, case: str) -> None:
    bad, status = BODIES[case]
    said = send(live, path, msgspec.json.encode(bad(path)))
    assert (said.status, said.error["type"]) == (status, "invalid_request_error")
    assert said.headers["content-type"] == "application/json"
    assert said.headers["x-turnout-generation"] == "1"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", RAW)
def test_what_is_no_request_is_a_400(live: Live, path: str, case: str) -> None:
    said = send(live, path, RAW[case])
    assert (said.status, said.error["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("path", PATHS)
def test_the_messages_help(live: Live, path: str) -> None:
    def told(body: Any) -> tuple[str, str | None, str | None]:
        error = send(live, path, body if isinstance(body, bytes) else msgspec.json.encode(body)).error
        return error["message"], error["param"], error["code"]

    message, param, code = told(whole(path, model="aut"))
    assert (param, code) == ("model", "model_not_found")
    assert "did you mean auto" in message
    assert told(without(path, "model"))[1] == "model"
    assert told(without(path, "messages" if path == CHAT else "input"))[1] == ("messages" if path == CHAT else "input")
    assert "UTF-8" in told(RAW["invalid UTF-8"])[0]
    assert "deep" in told(RAW["nested too deep"])[0]
    assert "object" in told(RAW["an array"])[0]
    assert "empty" in told(b"")[0]


@pytest.mark.parametrize("path", PATHS)
def test_nested_a_hundred_thousand_deep(locked: Live, path: str) -> None:
    """C5: with the default limit of 64 MiB the depth itself must be refused."""
    for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
        body = b'{"model": "auto", "input": ' + opened * 100_000 + b"1" + closed * 100_000 + b"}"
        said = send(locked, path, body, f"Authorization: Bearer {KEY}")
        assert said.status == 400
        assert "deep" in said.error["message"]
    assert locked.get("/health/live")[0] == 200


@pytest.mark.parametrize("path", PATHS)
def test_c4_a_body_over_the_limit(live: Live, path: str) -> None:
    """Declared, it is refused unread; without a length, while it arrives."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
    declared = speak(live, f"{head}Content-Length: 65537\r\n\r\n".encode())
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    chunked = speak(live, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 5)
    for said in (declared, chunked):
        assert (said.status, said.error["code"]) == (413, "request_too_large")
        assert "65536" in said.error["message"]
        assert said.headers["connection"] == "close"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", ["compress", "lzma", "gzip, br", "gzip, gzip"])
def test_an_unknown_encoding_is_refused_with_those_that_are_known(live: Live, path: str, encoding: str) -> None:
    said = send(live, path, b"\x1f\x8b", f"Content-Encoding: {encoding}")
    assert (said.status, said.error["code"]) == (415, "unsupported_encoding")
    assert "gzip, deflate, br, zstd" in said.error["message"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_not_what_its_encoding_says(live: Live, path: str, encoding: str) -> None:
    for body in (b'{"model": "auto"}', b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x9c"):
        said = send(live, path, body, f"Content-Encoding: {encoding}")
        assert (said.status, said.error["code"]) == (400, "invalid_encoding")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", [None, "Bearer sk-wrong", "Bearer", "Basic abc", f"Bearer {KEY}x", f"Token {KEY}"])
def test_a_wrong_or_missing_key(locked: Live, path: str, header: str | None) -> None:
    more = [f"Authorization: {header}"] if header else []
    said = send(locked, path, b"not even JSON", *more)
    assert (said.status, said.error["code"]) == (401, "invalid_api_key")
    assert KEY not in said.body.decode()
    listed = send(locked, "/v1/models", b"", *more, method="GET")
    assert (listed.status, listed.error["code"]) == (401, "invalid_api_key")


def test_the_right_key_opens(locked: Live) -> None:
    assert send(locked, "/v1/models", b"", f"Authorization: Bearer {KEY}", method="GET").status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_d21_other_methods(live: Live, path: str, method: str) -> None:
    said = send(live, path, b"", method=method)
    assert (said.status, said.error["code"]) == (405, "method_not_allowed")
    assert said.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/v1/models", "/health/live"])
def test_d21_a_post_where_only_get_is(live: Live, path: str) -> None:
    said = send(live, path, b"{}")
    assert (said.status, said.error["code"]) == (405, "method_not_allowed")
    assert "GET" in said.headers["allow"]


HINTS = {
    "/chat/completions": "followed by /v1",
    "/responses": "followed by /v1",
    "/models": "followed by /v1",
    "/v1/v1/chat/completions": "one /v1",
    "/v1/v1/responses": "one /v1",
    "/v1/audio/speech": "POST /v1/chat/completions",
    "/v1/chat/completions/extra": "POST /v1/chat/completions",
    "/": "POST /v1/chat/completions",
    "/v1": "POST /v1/chat/completions",
    "/nowhere": "POST /v1/chat/completions",
    "/v1/chat/%2e%2e/completions": "",
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("path", HINTS)
def test_d21_an_unknown_path_says_what_exists(live: Live, path: str, method: str) -> None:
    said = send(live, path, b"", method=method)
    assert (said.status, said.error["code"]) == (404, "unknown_url")
    assert HINTS[path] in said.error["message"]


def test_an_unknown_model_of_the_list_is_a_404(live: Live) -> None:
    said = send(live, "/v1/models/nothing", b"", method="GET")
    assert (said.status, said.error["code"]) == (404, "model_not_found")


DISTRUST = {
    "a foreign Host": ("evil.example", []),
    "a foreign Host with a port": ("evil.example:4000", []),
    "a Host that begins like ours": ("localhost.evil.example", []),
    "a rebound address": ("127.0.0.1.nip.io", []),
    "an empty Host": ("", []),
    "an Origin": ("localhost", ["Origin: http://localhost:3000"]),
    "X-Forwarded-For": ("localhost", ["X-Forwarded-For: 127.0.0.1"]),
    "X-Forwarded-Host": ("localhost", ["X-Forwarded-Host: localhost"]),
    "Forwarded": ("localhost", ["Forwarded: for=127.0.0.1"]),
    "Via": ("localhost", ["Via: 1.1 proxy"]),
}


@pytest.mark.parametrize("path", [*PATHS, "/v1/models", "/admin/config", "/admin/config/reload"])
@pytest.mark.parametrize("case", DISTRUST)
def test_d22_loopback_trust_ends(live: Live, path: str, case: str) -> None:
    host, more = DISTRUST[case]
    method = "GET" if path in ("/v1/models", "/admin/config") else "POST"
    said = send(live, path, b"{}", *more, method=method, host=host)
    assert (said.status, said.error["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("host", ["localhost", "localhost:4000", "127.0.0.1", "[::1]:4000", "LOCALHOST"])
def test_d22_loopback_trust_holds(live: Live, host: str) -> None:
    assert send(live, "/v1/models", b"", method="GET", host=host).status == 200
    assert send(live, "/admin/config", b"", method="GET", host=host).status == 200


def test_d22_an_admin_key_ends_loopback_trust(demo: str) -> None:
    with Live(demo_config(demo, "server: {admin_key: sk-admin}")) as guarded:
        for path, method in ((CHAT, "POST"), ("/admin/config", "GET"), ("/admin/config/reload", "POST")):
            said = send(guarded, path, b"{}", method=method)
            assert (said.status, said.error["code"]) == (401, "invalid_api_key")
        assert send(guarded, "/admin/config", b"", "Authorization: Bearer sk-admin", method="GET").status == 200
        assert send(guarded, CHAT, b"{}", "Authorization: Bearer sk-admin").status == 401


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\x00b\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"hello\r\n\r\n",
    ],
    ids=["control character", "two lengths", "length and chunks", "no HTTP"],
)
def test_c7_c8_what_is_no_http_is_refused_in_our_words(live: Live, raw: bytes) -> None:
    said = speak(live, raw)
    assert (said.status, said.error["code"]) == (400, "invalid_http")
    assert said.headers["connection"] == "close"


def test_of_a_top_level_key_told_twice_the_last_wins_and_goes_out_once(
    live: Live, journal: list[dict[str, Any]]
) -> None:
    """D10: no second reader can see another key than we did."""
    said = send(live, CHAT, TWICE)
    assert (said.status, said.headers["x-turnout-backend"]) == (200, "local")
    assert journal.pop()["body"]["model"] == "demo-local"


def test_strict_json_refuses_keys_told_twice_at_any_depth(demo: str) -> None:
    with Live(demo_config(demo, "server: {strict_json: true}")) as strict:
        for body, name in ((TWICE, "model"), (TWICE_BELOW, "role")):
            said = send(strict, CHAT, body)
            assert (said.status, said.error["type"]) == (400, "invalid_request_error")
            assert f"'{name}'" in said.error["message"]
