"""C5, C6 and C9 to C16 of the fault matrix: what callers may try, and that it stays without effect."""

from __future__ import annotations

import ast
import gzip
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from callers import ADMIN, BACKENDS, BASES, KEY, PATHS, Said, body, config, guarded, refusing, send, with_raw
from live import Live
from scripted import Upstream, scripted, whole

from adapters import addresses
from proxy import keys
from proxy.telemetry.metrics import Meters

ROOT = Path(__file__).resolve().parent.parent.parent
ADMIN_POSTS = ("/admin/explain", "/admin/keys", "/admin/keys/nobody/rotate")
DEEP = {"arrays": b"[" * 100_000 + b"]" * 100_000, "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with scripted() as made:
        made.reply = refusing
        yield made


@pytest.fixture(scope="module")
def live(upstream: Upstream) -> Iterator[Live]:
    """With keys: nothing is open."""
    with guarded(upstream) as made:
        yield made


@pytest.fixture(scope="module")
def trusting(upstream: Upstream) -> Iterator[Live]:
    """Without keys: loopback is trusted."""
    text = config(upstream.url, "media: {fetch: true}").replace(f"keys: [{{name: me, secret: {KEY}}}]", "")
    with Live(text) as made:
        yield made


@pytest.fixture(autouse=True)
def fresh(upstream: Upstream) -> None:
    upstream.asked.clear()
    upstream.reply = refusing


def refused(said: Said, *, status: int = 400) -> str:
    """The message of a refusal in words of ours."""
    assert said.status == status, said.body
    assert said.headers["content-type"] == "application/json"
    return str(said.error["message"])


# --- C5: nesting ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize("path", PATHS)
def test_c5_a_hundred_thousand_levels_are_refused_wherever_they_stand(
    live: Live, upstream: Upstream, path: str, shape: str
) -> None:
    for field in ("input", "messages", "tools", "metadata", "nobody_knows"):
        raw = with_raw(path, "chat", field, DEEP[shape])
        assert "nested deeper than 200 levels" in refused(send(live, "POST", path, raw, key=KEY))
    schema = b'[{"type":"function","name":"f","parameters":%b}]' % DEEP[shape]
    assert "nested" in refused(send(live, "POST", path, with_raw(path, "vllm", "tools", schema), key=KEY))
    assert upstream.asked == []


@pytest.mark.parametrize("path", PATHS)
def test_c5_a_small_compressed_body_may_hold_it_too(live: Live, upstream: Upstream, path: str) -> None:
    raw = gzip.compress(with_raw(path, "chat", "metadata", DEEP["arrays"]))
    assert len(raw) < 1000
    assert "nested" in refused(send(live, "POST", path, raw, "Content-Encoding: gzip", key=KEY))
    assert upstream.asked == []


@pytest.mark.parametrize("path", ADMIN_POSTS)
def test_c5_nor_do_admin_routes_read_it(live: Live, path: str) -> None:
    for deep in (*DEEP.values(), b"[" * 9000 + b"]" * 9000, b'{"a":' * 9000 + b"1" + b"}" * 9000):
        for raw in (deep, b'{"request":%b}' % deep, b'{"name":%b}' % deep, b'{"grace":%b}' % deep):
            said = send(live, "POST", path, raw, key=ADMIN)
            large = "keys" in path and len(raw) > 64 * 1024
            assert ("larger than" if large else "nested deeper") in refused(said, status=413 if large else 400)
    assert "internal_error" not in live.log()


def test_c5_arguments_of_a_tool_call_are_text_and_are_not_read_for_their_depth(live: Live, upstream: Upstream) -> None:
    """A text may hold anything; where it must be read for another dialect, it is refused or carried, and nobody falls."""
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": DEEP["arrays"].decode()}}
    history = [{"role": "user", "content": "Hi!"}, {"role": "assistant", "tool_calls": [called]},
               {"role": "tool", "tool_call_id": "c", "content": "x"}]  # fmt: skip
    for backend in BACKENDS:
        raw = msgspec.json.encode({"model": f"backend/{backend}", "messages": history})
        said = send(live, "POST", "/v1/chat/completions", raw, key=KEY)
        assert said.status == 400
    assert "internal_error" not in live.log()
    assert "internal_error" not in live.log()


# --- C6: what is no JSON, or not the same to everybody -------------------------------------------------------------

NO_JSON: dict[str, tuple[bytes, str]] = {
    "NaN": (b"NaN", "NaN is no number in JSON"),
    "Infinity": (b"Infinity", "Infinity is no number in JSON"),
    "-Infinity": (b"-Infinity", "-Infinity is no number in JSON"),
    "half a pair": (b'"\\ud800"', "half of a surrogate pair"),
    "half a pair, more text": (b'"a \\uD83D and more text"', "half of a surrogate pair"),
    "the second half": (b'"\\udc00\\ud800"', "half of a surrogate pair"),
    "a half as a key": (b'{"\\udfff":1}', "half of a surrogate pair"),
    "NUL": (b'"a\x00b"', "invalid character"),
    "a control character": (b'"a\x1fb"', "invalid character"),
    "invalid UTF-8": (b'"\xff\xfe"', "not valid UTF-8"),
    "an overlong form": (b'"\xc0\xaf"', "not valid UTF-8"),
    "a surrogate in UTF-8": (b'"\xed\xa0\x80"', "not valid UTF-8"),
    "half a character": (b'"\xe2\x82"', "not valid UTF-8"),
    "UTF-16": ('"Hi!"'.encode("utf-16"), "not valid UTF-8"),
    "a leading zero": (b"01", "invalid number"),
    "no digits after the point": (b"1.", "invalid number"),
    "a plus": (b"+1", "invalid character"),
    "hexadecimal": (b"0x10", "not valid JSON"),
    "a comment": (b"1/*x*/", "not valid JSON"),
    "single quotes": (b"'a'", "not valid JSON"),
    "a trailing comma": (b"[1,]", "trailing comma"),
}
OUT_OF_RANGE = {
    "1e999": b"1e999",
    "-1e999": b"-1e999",
    "2^63": b"9223372036854775808",
    "-2^63-1": b"-9223372036854775809",
    "2^64": b"18446744073709551616",
    "400 digits": b"9" * 400,
    "5,000 digits": b"9" * 5000,
    "an endless exponent": b"1e" + b"9" * 5000,
}


@pytest.mark.parametrize("case", NO_JSON)
@pytest.mark.parametrize("path", PATHS)
def test_c6_what_is_no_json_is_refused_with_the_reason_wherever_it_stands(
    live: Live, upstream: Upstream, path: str, case: str
) -> None:
    raw, reason = NO_JSON[case]
    for field, value in (("temperature", raw), ("nobody_knows", raw), ("metadata", b'{"a":[%b]}' % raw)):
        made = with_raw(path, "chat", field, value)
        assert reason in refused(send(live, "POST", path, made, key=KEY))
    packed = zlib.compress(with_raw(path, "chat", "user", raw))
    assert reason in refused(send(live, "POST", path, packed, "Content-Encoding: deflate", key=KEY))
    assert upstream.asked == []


@pytest.mark.parametrize("case", OUT_OF_RANGE)
@pytest.mark.parametrize("path", PATHS)
def test_c6_a_number_that_others_would_read_otherwise_is_refused_and_named(
    live: Live, upstream: Upstream, path: str, case: str
) -> None:
    """Also where the body would have passed unread."""
    for field in ("temperature", "seed", "max_tokens", "nobody_knows"):
        said = send(live, "POST", path, with_raw(path, "chat", field, OUT_OF_RANGE[case]), key=KEY)
        assert f"'{field}' is out of range" in refused(said)
    assert upstream.asked == []


@pytest.mark.parametrize("raw", [b"-0", b"-0.0", b"1e-999", b"9223372036854775807", b"-9223372036854775808", b"1e308"])
def test_c6_an_odd_number_that_everybody_reads_alike_is_carried(live: Live, upstream: Upstream, raw: bytes) -> None:
    path = "/v1/chat/completions"
    assert send(live, "POST", path, with_raw(path, "chat", "nobody_knows", raw), key=KEY).status == 400
    [asked] = upstream.asked
    assert b'"nobody_knows":' + raw in asked.raw


def test_c6_a_nul_that_is_written_as_an_escape_is_text(live: Live, upstream: Upstream) -> None:
    path = "/v1/chat/completions"
    raw = msgspec.json.encode({**body(path, "chat"), "messages": [{"role": "user", "content": "a\0b"}], "user": "a\0b"})
    assert send(live, "POST", path, raw, key=KEY).status == 400
    [asked] = upstream.asked
    assert asked.body["messages"][0]["content"] == "a\0b"


def test_c6_of_a_key_told_twice_the_last_wins_and_only_it_goes_out(live: Live, upstream: Upstream) -> None:
    """D10: no second reader can see another key than we did."""
    raw = b'{"model":"backend/claude","m\\u006fdel":"backend/chat","messages":[{"role":"user","content":"Hi!"}]}'
    send(live, "POST", "/v1/chat/completions", raw, key=KEY)
    [asked] = upstream.asked
    assert asked.raw.count(b'"model"') == 1
    assert asked.body["model"] == "gpt-5.6"


def test_c6_strict_json_refuses_at_any_depth_what_two_readers_may_read_differently(upstream: Upstream) -> None:
    path = "/v1/chat/completions"
    with guarded(upstream, "server: {strict_json: true}") as strict:
        twice = with_raw(path, "chat", "metadata", b'{"a":"1","\\u0061":"2"}')
        assert "'a' stands twice" in refused(send(strict, "POST", path, twice, key=KEY))
        top = b'{"model":"any","model":"backend/chat","messages":[{"role":"user","content":"Hi!"}]}'
        assert "'model' stands twice" in refused(send(strict, "POST", path, top, key=KEY))
        for number in (b"1e999", b"9" * 5000):
            schema = b'[{"type":"function","function":{"name":"f","parameters":{"maximum":%b}}}]' % number
            said = send(strict, "POST", path, with_raw(path, "chat", "tools", schema), key=KEY)
            assert "out of range" in refused(said)
        assert upstream.asked == []
        assert send(strict, "POST", path, msgspec.json.encode(body(path, "chat")), key=KEY).status == 400
        assert len(upstream.asked) == 1


@pytest.mark.parametrize("path", ADMIN_POSTS)
def test_c6_admin_routes_read_as_strictly(live: Live, path: str) -> None:
    for raw, _ in NO_JSON.values():
        for made in (raw, b'{"name":%b}' % raw, b'{"request":%b}' % raw, b'{"grace":%b}' % raw):
            assert refused(send(live, "POST", path, made, key=ADMIN))
    assert "internal_error" not in live.log()


# --- C9: the way to admin routes -----------------------------------------------------------------------------------

ADMIN_TARGETS = (
    "/admin/config", "/admin/usage", "/admin/keys", "//admin/config", "/admin//config", "/./admin/config",
    "/v1/../admin/config", "/v1/%2e%2e/admin/config", "/admin%2fconfig", "/admin%2Fconfig", "/%61dmin/config",
    "/ADMIN/config", "/Admin/Config", "/admin/config/", "/admin/config//", "/admin/config;x", "/admin;x/config",
    "/admin/config%00", "/admin/config%20", "/admin/config%2e", "/admin/config.json", "/admin/config?x=1",
    "/admin/config#f", "/health/live/../../admin/config", "/health/live/..;/../admin/config", "/admin/./config",
    "/v1/models/../../admin/config", "/v1/models/%2e%2e%2f%2e%2e%2fadmin%2fconfig", "/v1/usage/..%2f..%2fadmin%2fconfig",
    "/v1/responses/..%2f..%2fadmin%2fconfig", "http://localhost/admin/config", "http://evil.example/admin/config",
    "http://localhost@evil.example/admin/config", "/admin/%63onfig", "/%2561dmin/config", "/admin\\config",
    "/admin/config/reload", "/admin/config/../config", "/metrics/../admin/config", "//evil.example/admin/config",
)  # fmt: skip
HEADERS = (
    (), ("X-Original-URL: /admin/config",), ("X-Rewrite-URL: /admin/config",), ("X-Forwarded-For: 127.0.0.1",),
    ("X-Forwarded-Host: localhost",), ("X-Forwarded-Prefix: /admin",), ("X-Real-IP: 127.0.0.1",),
    ("Forwarded: for=127.0.0.1;host=localhost",), ("X-HTTP-Method-Override: GET",), ("X-Method-Override: GET",),
    ("X-Turnout-Key: " + KEY,), ("X-Api-Key: " + ADMIN,), ("Cookie: admin_key=" + ADMIN,), ("X-Admin-Key: " + ADMIN,),
)  # fmt: skip
SECRET = b"sk-backend"


@pytest.mark.parametrize("target", ADMIN_TARGETS)
def test_c9_no_spelling_of_an_admin_path_leads_past_the_admin_key(live: Live, target: str) -> None:
    for key in (None, KEY, f"{ADMIN}x", ADMIN[:-1]):
        for method in ("GET", "POST", "DELETE"):
            said = send(live, method, target, b"{}", key=key)
            assert said.status in (400, 401, 404, 405), (method, said)
            assert b'"config"' not in said.body
            assert said.error["message"]


@pytest.mark.parametrize("more", HEADERS, ids=str)
def test_c9_no_header_leads_past_it_either(live: Live, more: tuple[str, ...]) -> None:
    for method, path in (("GET", "/admin/config"), ("POST", "/admin/config/reload"), ("POST", "/admin/keys"),
                         ("DELETE", "/admin/keys/me"), ("POST", "/admin/explain"), ("GET", "/admin/usage")):  # fmt: skip
        for key in (None, KEY):
            said = send(live, method, path, b"{}", *more, key=key)
            assert (said.status, said.error["code"]) == (401, "invalid_api_key")
    for path in ("/", "/health/live", "/nowhere"):
        assert b'"config"' not in send(live, "GET", path, b"", *more).body.replace(b'"config":"', b"")


def test_c9_the_right_key_opens_whatever_the_host_says(live: Live) -> None:
    for host in ("localhost", "evil.example", "turnout.internal:8080"):
        assert send(live, "GET", "/admin/config", key=ADMIN, host=host).status == 200


@pytest.mark.parametrize("target", ["/admin/config", "//admin/config", "/admin%2fconfig", "/%61dmin/config", "/admin/config/"])  # fmt: skip
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "localhost@evil.example",
                                  "0x7f000001", "2130706433", "127.1", "localhost:80:90", "[::1", "localhost.", ""])  # fmt: skip
def test_c9_a_host_may_end_loopback_trust_and_never_begin_it(trusting: Live, target: str, host: str) -> None:
    said = send(trusting, "GET", target, host=host)
    assert (said.status, said.error["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
def test_c9_no_browser_is_let_in_from_another_site(trusting: Live, method: str) -> None:
    for path in ("/admin/config", "/admin/config/reload", "/v1/models", "/v1/chat/completions"):
        asks = "Access-Control-Request-Method: POST"
        said = send(trusting, method, path, b"{}", "Origin: http://evil.example", asks)
        assert not [name for name in said.headers if name.startswith("access-control-")]
        assert said.status in (204, 401, 405)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_c9_nor_where_a_browser_sends_no_origin(trusting: Live, site: str) -> None:
    """As with a GET that a page makes without reading its answer."""
    for path in ("/admin/config", "/v1/models"):
        assert send(trusting, "GET", path, b"", f"Sec-Fetch-Site: {site}").status == 401
        assert send(trusting, "GET", path, b"", "Sec-Fetch-Site: none").status == 200


# --- C10: where and as whom ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_c10_no_body_says_where_a_request_goes_or_as_whom(live: Live, upstream: Upstream, path: str) -> None:
    for field in sorted(addresses.FIELDS):
        for value in ("http://169.254.169.254/", {"authorization": "Bearer stolen"}, None):
            raw = msgspec.json.encode(body(path, "chat", **{field: value}))
            said = send(live, "POST", path, raw, key=KEY)
            assert f"'{field}' is not allowed" in refused(said)
    assert upstream.asked == []


def test_c10_nor_does_a_question_to_explain(live: Live) -> None:
    raw = msgspec.json.encode({"request": body("/v1/chat/completions", "chat", base_url="http://169.254.169.254/")})
    said = send(live, "POST", "/admin/explain", raw, key=ADMIN)
    assert "base_url" in said.body.decode()
    assert b'"backend":"chat"' not in said.body


TOLD = {"accept", "accept-encoding", "content-type", "content-length", "host", "user-agent", "traceparent"}
"""Every header that a backend gets, beside its own credential."""
OWN = {"chat": {"authorization"}, "responses": {"authorization"}, "gemini": {"x-goog-api-key"}, "vllm": set(),
       "claude": {"x-api-key", "anthropic-version"}}  # fmt: skip
FORBIDDEN = (
    "Cookie: session=canary", "X-Forwarded-For: 10.9.8.7", "X-Forwarded-Host: canary.example", "Via: 1.1 canary",
    "Forwarded: for=10.9.8.7", "X-Real-IP: 10.9.8.7", "Proxy-Authorization: Basic canary", "OpenAI-Organization: canary",
    "OpenAI-Project: canary", "OpenAI-Beta: canary", "X-Goog-Api-Key: canary", "X-Goog-User-Project: canary",
    "Api-Key: canary", "X-Stainless-Lang: canary", "X-Request-Id: canary", "X-Client-Request-Id: canary",
    "Tracestate: canary=1", "Baggage: canary=1", "B3: canary", "X-B3-TraceId: canary", "Referer: http://canary",
    "X-Original-URL: /canary", "X-Turnout-Canary: canary", "Accept-Language: canary", "Origin: http://canary",
    "User-Agent: canary", "Accept: canary/canary", "Range: bytes=0-1", "If-None-Match: canary", "Expect-Ct: canary",
    "X-Amz-Security-Token: canary", "Content-MD5: canary",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_c10_no_header_of_a_caller_reaches_a_backend_but_those_that_are_listed(
    live: Live, upstream: Upstream, path: str, backend: str
) -> None:
    raw = msgspec.json.encode(body(path, backend))
    said = send(live, "POST", path, raw, *FORBIDDEN, f"X-Api-Key: {KEY}", key=KEY)
    if path in ("/v1/embeddings", "/v1/completions") and backend in ("claude", "gemini"):
        assert (said.status, upstream.asked) == (400, [])  # they have no such endpoint
    for asked in upstream.asked:
        assert set(asked.headers) == TOLD | OWN[backend]
        assert b"canary" not in asked.head
        assert KEY.encode() not in asked.head
        assert asked.headers["host"] == upstream.url.removeprefix("http://")
        assert asked.headers["user-agent"] == "turnout"


def test_c10_a_trace_goes_on_by_its_id_alone(live: Live, upstream: Upstream) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    raw = msgspec.json.encode(body("/v1/chat/completions", "chat"))
    send(live, "POST", "/v1/chat/completions", raw, f"Traceparent: 00-{trace}-{span}-01", key=KEY)
    [asked] = upstream.asked
    version, told, child, flags = asked.headers["traceparent"].split("-")
    assert (version, told, flags) == ("00", trace, "01")
    assert child != span
    for bad in (f"00-{'0' * 32}-{span}-01", "canary", f"00-{trace}-{span}-01\tcanary", f"ff-{trace}-{span}-01"):
        upstream.asked.clear()
        send(live, "POST", "/v1/chat/completions", raw, f"Traceparent: {bad}", key=KEY)
        [asked] = upstream.asked
        assert trace not in asked.headers["traceparent"]
        assert len(asked.headers["traceparent"]) == 55


def test_c10_claudes_own_headers_go_to_claude_alone(live: Live, upstream: Upstream) -> None:
    raw = {name: msgspec.json.encode(body("/v1/messages", name)) for name in BACKENDS}
    told = ("Anthropic-Version: 2023-06-01", "Anthropic-Beta: files-api-2025-04-14")
    for name in BACKENDS:
        send(live, "POST", "/v1/messages", raw[name], *told, key=KEY)
        asked = upstream.asked.pop()
        assert ("anthropic-beta" in asked.headers) == (name == "claude")
    send(live, "POST", "/v1/messages", raw["claude"], "Anthropic-Beta: a\x01b", key=KEY)
    assert all("\x01" not in asked.head.decode("latin-1") for asked in upstream.asked)


def test_c10_a_callers_own_key_goes_where_the_operator_says_and_nowhere_else(live: Live, upstream: Upstream) -> None:
    path = "/v1/chat/completions"
    theirs = ("X-Turnout-Key: " + KEY, "Authorization: Bearer sk-of-the-caller")
    send(live, "POST", path, msgspec.json.encode(body(path, "theirs")), *theirs)
    send(live, "POST", path, msgspec.json.encode(body(path, "chat")), *theirs)
    own, ours = upstream.asked
    assert own.headers["authorization"] == "Bearer sk-of-the-caller"
    assert ours.headers["authorization"] == "Bearer sk-backend-chat"
    assert KEY.encode() not in own.head + ours.head


# --- C11: links into our own network -------------------------------------------------------------------------------

LINKS = (
    "http://127.0.0.1:{port}/x.png", "http://127.0.0.1/x.png", "http://localhost:{port}/x.png", "http://localhost/x.png",
    "http://[::1]:{port}/x.png", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:7f00:1::]/",
    "http://[fe80::1%25eth0]/", "http://[fe80::1]/", "http://[fc00::1]/", "http://[::]/", "http://0.0.0.0/",
    "http://0/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://0x7f.1/",
    "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/", "http://10.0.0.1/", "http://192.168.0.1/",
    "http://user:pw@127.0.0.1/", "http://127.0.0.1@example.com:{port}/", "http://127.0.0.1:{port}#@example.com/",
    "http://example.com:{port}/", "http://example.com:22/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x",
    "http://127.0.0.1%00.example.com/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://lOcAlHoSt./",
    "HTTP://LOCALHOST:{port}/", "//127.0.0.1:{port}/", "http:127.0.0.1/", "http:////127.0.0.1/", "http://\t127.0.0.1/",
)  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
def test_c11_no_link_leads_into_our_own_network(trusting: Live, upstream: Upstream, link: str) -> None:
    """Rebinding, redirects and the peer's own address: ``tests/proxy/test_media_guard.py``."""
    port = upstream.url.rpartition(":")[2]
    image = {"type": "image_url", "image_url": {"url": link.format(port=port)}}
    asked = {"model": "backend/gemini", "messages": [{"role": "user", "content": [image]}]}
    said = send(trusting, "POST", "/v1/chat/completions", msgspec.json.encode(asked))
    assert refused(said)
    assert upstream.asked == []


def test_c11_nothing_is_fetched_at_all_unless_the_operator_says_so(live: Live, upstream: Upstream) -> None:
    image = {"type": "image_url", "image_url": {"url": f"{upstream.url}/x.png"}}
    asked = {"model": "backend/gemini", "messages": [{"role": "user", "content": [image]}]}
    assert refused(send(live, "POST", "/v1/chat/completions", msgspec.json.encode(asked), key=KEY))
    assert upstream.asked == []


# --- C15, C16 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PATHS, "/v1/models", "/v1/models/any", "/v1/usage/x", "/v1/responses/resp_x"])
def test_c15_an_unknown_key_is_a_401_without_any_database(live: Live, upstream: Upstream, path: str) -> None:
    method = "POST" if path in BASES else "GET"
    for key in ("sk-unknown", "", KEY[:-1], f"{KEY}x", KEY.upper(), "\xff\xfe", "tn-" + "a" * 5000):
        said = send(live, method, path, b"not read", key=key)
        assert (said.status, said.error["type"]) in ((401, "invalid_request_error"), (401, "authentication_error"))
    assert upstream.asked == []


def test_c16_no_caller_can_make_the_metrics_grow(live: Live, upstream: Upstream) -> None:
    """Models that are not there, aliases that a pattern serves, users, keys, paths and methods."""
    path = "/v1/chat/completions"
    upstream.reply = lambda _: whole({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}]})  # fmt: skip

    def series() -> int:
        return sum(not line.startswith(b"#") for line in send(live, "GET", "/metrics").body.splitlines())

    def flood(begin: int, end: int) -> None:
        for number in range(begin, end):
            raw = {**BASES[path], "user": f"user-{number}", "metadata": {"tag": f"t{number}"}}
            send(live, "POST", path, msgspec.json.encode({**raw, "model": f"nobody-{number}"}), key=KEY)
            send(live, "POST", path, msgspec.json.encode({**raw, "model": f"open-{number}"}), key=KEY)
            send(live, "POST", path, b"{}", key=f"sk-{number}")
            send(live, "GET", f"/nowhere/{number}")

    flood(0, 20)
    before = series()
    flood(20, 120)
    assert series() == before
    assert not [line for line in send(live, "GET", "/metrics").body.splitlines() if b"-119" in line]


def test_c16_of_ten_thousand_names_in_a_label_a_few_hundred_are_kept() -> None:
    meters = Meters()
    meters.allow("backend", ["one"])
    for number in range(10_000):
        meters.request_started()
        name = f"n{number}"
        meters.request_ended(api=name, status=200, outcome=name, duration=0.1, policy=name, backend=name)
        meters.tokens(name, None, None, 1)
        meters.attempt(name, "ok")
    lines = [line for line in meters.render().splitlines() if not line.startswith(b"#")]
    assert len(lines) < 20_000  # buckets of 500 histograms among them
    for metric in (b"turnout_requests_total{", b"turnout_attempts_total{"):
        assert 0 < sum(line.startswith(metric) for line in lines) <= 501
    assert b"n9999" not in meters.render()
    assert b'"other"' in meters.render()


# --- C12: comparing secrets ----------------------------------------------------------------------------------------

SECRET_NAMES = frozenset(
    ("secret", "given", "token", "password", "admin_key", "api_key", "bearer", "reveal", "credential")
)
ALLOWED = frozenset(("FROM_CLIENT", "None", "''", '""'))
"""What every caller knows; the operator's word is compared with it at load."""


def compared(allowed: frozenset[str]) -> list[str]:
    """Every ``==``, ``!=`` and ``in`` of the top floor that has a secret on one side and no public word on the other."""
    found = []
    for path in (ROOT / "proxy").rglob("*.py"):
        if "demo" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Compare) or not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
                continue
            sides = [node.left, *node.comparators]
            named = any(_names(side) & SECRET_NAMES for side in sides)
            public = any(isinstance(side, ast.Constant) or ast.unparse(side) in allowed for side in sides)
            if named and not public:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    return found


def _names(node: ast.AST) -> set[str]:
    named = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return named | {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def test_c12_no_secret_is_compared_in_a_time_that_tells_how_much_of_it_was_right() -> None:
    assert compared(ALLOWED) == []
    assert compared(frozenset()) != []  # the rule sees the one that is allowed


def test_c12_a_key_is_looked_up_by_its_hash_and_never_by_itself() -> None:
    asked: list[str] = []

    def find(digest: str) -> None:
        asked.append(digest)

    headers = {"authorization": f"Bearer {KEY}", "x-api-key": ADMIN}
    for told in (headers, {"x-turnout-key": KEY}, {"authorization": "Bearer \ud800"}):
        keys.authenticate(told, peer_host="127.0.0.1", bound_loopback=True, find=find, admin_configured=False)
    assert len(asked) == 4
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in asked)
    assert sha256(KEY.encode()).hexdigest() in asked


@pytest.mark.parametrize("given", [ADMIN[:-1], ADMIN + "x", ADMIN.upper(), "", "\xe9", f" {ADMIN[1:]}"])
def test_c12_the_admin_key_is_right_as_a_whole_or_not_at_all(live: Live, given: str) -> None:
    assert send(live, "GET", "/admin/config", key=given).status == 401
    assert send(live, "GET", "/admin/config", key=ADMIN).status == 200
