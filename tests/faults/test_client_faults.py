"""What clients do wrong on the wire, or on purpose: slow, too much, and what can be read in two ways (C2, C4, C7, C8)."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import WORDS, Chaos
from live import Live
from raw import BODY, GOOD, HEAD, Line, spoken
from talk import until

TEXT = "".join(WORDS)
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%b\r\n" % (len(BODY), BODY)
SECOND = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
KEY = "sk-turnout-test-key"


@pytest.fixture(scope="module")
def live(room: Chaos) -> Iterator[Live]:
    with Live(_config(room, "timeouts: {head: 1s, body: 1s, idle: 2s, write: 1s}", "max_body: 64KiB")) as made:
        yield made


def _config(room: Chaos, more: str = "", server: str = "") -> str:
    return f"""version: 1
server: {{{server}}}
backends:
  ok:   {{provider: vllm, local: true, base_url: "{room.url}/v1", model: ok}}
  slow: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: slow}}
  held: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: stall}}
aliases: {{any: {{use: [ok]}}}}
{more}
"""


def _post(*headers: bytes, body: bytes = BODY, length: bool = True) -> bytes:
    sized = [b"Content-Length: %d" % len(body)] if length else []
    return HEAD + b"\r\n".join([*sized, *headers, b"", b""]) + body


# Slow clients


@pytest.mark.parametrize("part", [b"G", HEAD, HEAD + b"X-A: ", b"\r\n" + HEAD], ids=["G", "line", "header", "CRLF"])
def test_c2_a_head_must_be_whole_in_time(live: Live, part: bytes) -> None:
    began = time.monotonic()
    (said,) = spoken(live.port, part)
    assert (said.status, said.error["code"], said.headers["connection"]) == (408, "request_timeout", "close")
    assert "timeouts.head" in said.error["message"]
    assert time.monotonic() - began >= 1.0


def test_c2_a_head_that_drips_is_not_waited_for(live: Live) -> None:
    """Each byte in time, the whole of them not."""
    with Line(live.port, HEAD) as line:
        line.socket.settimeout(0.2)
        for _ in range(100):
            line.send(b"X")
            try:
                if line.socket.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
        line.socket.settimeout(20)
        (said,) = line.to_the_end()
    assert said.status == 408


def test_c2_who_says_nothing_is_told_nothing(live: Live) -> None:
    assert spoken(live.port) == []
    assert spoken(live.port, b"\r\n\r\n") == []


@pytest.mark.parametrize("head", [_post(b"", body=b"")[:-2].replace(b"Length: 0", b"Length: 100"), CHUNKED])
@pytest.mark.parametrize("drip", [b"", b"1\r\n \r\n"])
def test_c2_a_body_must_get_on(live: Live, room: Chaos, head: bytes, drip: bytes) -> None:
    """A byte now and then is no progress."""
    before = len(room.seen)
    with Line(live.port, head) as line:
        line.socket.settimeout(0.2)
        for _ in range(100):
            line.send(drip)
            try:
                if line.socket.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
        line.socket.settimeout(20)
        (said,) = line.to_the_end()
    assert (said.status, said.error["code"]) == (408, "request_timeout")
    assert "timeouts.body" in said.error["message"]
    assert len(room.seen) == before


def test_c2_a_slow_body_that_gets_on_is_served(live: Live) -> None:
    body = BODY[:-1] + b" " * 6000 + b"}"
    whole = _post(body=body)
    with Line(live.port, whole[:-6001]) as line:
        for at in range(6001, 0, -1200):
            time.sleep(0.4)  # slow is what is tested; two seconds in all, and never one without a kibibyte
            line.send(whole[len(whole) - at : len(whole) - at + 1200])
        said = line.hear()
    assert said is not None
    assert (said.status, said.text) == (200, TEXT)


def test_c2_a_client_of_messages_is_told_in_its_own_words(live: Live) -> None:
    (said,) = spoken(live.port, b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
    assert said.status == 408
    assert b'"type":"error"' in said.body.replace(b" ", b"")
    assert said.headers["request-id"] == said.headers["x-request-id"]


def test_c2_an_idle_connection_is_closed_without_a_word(live: Live) -> None:
    with Line(live.port, GOOD) as line:
        first = line.hear()
        assert first is not None
        assert first.status == 200
        began = time.monotonic()
        assert line.hear() is None
    assert time.monotonic() - began >= 1.5


def test_c2_a_call_that_takes_its_time_is_not_cut(live: Live, room: Chaos) -> None:
    """No timer of the client's side runs while it is our turn."""
    body = BODY.replace(b'"any"', b'"backend/held"')
    before = len(room.of("stall"))
    with Line(live.port, _post(body=body)) as line:
        seen = until(lambda: room.of("stall")[before:], "asked")[0]
        line.socket.settimeout(4)
        with pytest.raises(TimeoutError):
            line.socket.recv(1)
        assert seen.gone is None
    until(lambda: seen.gone, "closed at the upstream")


# Too much


def _long(size: int) -> bytes:
    return b"X-Long: " + b"a" * size


TOO_MUCH = {
    "one long header": (HEAD + _long(70_000) + b"\r\n\r\n", 431),
    "a header without end": (HEAD + _long(70_000), 431),
    "a name without end": (HEAD + b"a" * 70_000, 431),
    "many headers": (HEAD + b"A: b\r\n" * 300 + b"\r\n", 431),
    "many headers without end": (HEAD + b"A: b\r\n" * 20_000, 431),
    "a long target": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "a target without end": (b"GET /" + b"a" * 70_000, 414),
    "line breaks without end": (b"\r\n" * 40_000, 431),
    "20 MB of headers": (HEAD + (b"X-A: " + b"a" * 8000 + b"\r\n") * 2_500 + b"\r\n", 431),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_c4_too_large_a_head_is_refused(live: Live, case: str) -> None:
    sent, status = TOO_MUCH[case]
    (said,) = spoken(live.port, sent)
    assert (said.status, said.headers["connection"]) == (status, "close")
    assert said.error["type"] == "invalid_request_error"
    if status == 431 and case != "many headers":
        assert "server.max_head" in said.error["message"]


def test_c4_a_head_just_under_the_limit_is_served(live: Live) -> None:
    said = Line(live.port, _post(_long(60_000))).hear()
    assert said is not None
    assert said.status == 200


OVER = {
    "declared": _post(body=b" " * 65_537),
    "60 MB, declared": HEAD + b"Content-Length: 60000000\r\n\r\n" + b" " * 60_000_000,
    "60 MB in chunks": CHUNKED + (b"100000\r\n" + b" " * 0x100000 + b"\r\n") * 57,
    "a chunk without end": CHUNKED + b"fffffffffffff\r\n" + b" " * 8_000_000,
    "a length without end": HEAD + b"Content-Length: 18446744073709551615\r\n\r\n" + b" " * 100_000,
}


@pytest.mark.parametrize("case", OVER)
def test_c4_too_large_a_body_is_refused_and_its_client_hears_why(live: Live, room: Chaos, case: str) -> None:
    """Before all of it is taken in; and no reset takes the answer away from who is still sending."""
    before, (worker,) = len(room.seen), live.workers()
    small = _peak(worker)
    (said,) = spoken(live.port, OVER[case])
    assert (said.status, said.error["code"], said.headers["connection"]) == (413, "request_too_large", "close")
    assert len(room.seen) == before
    assert _peak(worker) - small < 8 * 2**20


@pytest.mark.parametrize(
    "framed",
    [b"1;" + b"e" * 400_000, b"1;" + b"e" * 30_000 + b"\r\n{\r\n1;" + b"e" * 400_000, b"0\r\nX-T: " + b"t" * 400_000,
     b"1\r\n \r\n" * 70_000],
    ids=["an extension", "two extensions", "a trailer", "bytes one by one"],
)  # fmt: skip
def test_c4_more_frame_than_body_is_refused(live: Live, framed: bytes) -> None:
    (said,) = spoken(live.port, CHUNKED, framed)
    assert (said.status, said.error["code"]) == (400, "invalid_http")


@pytest.mark.parametrize(
    ("length", "status"), [(len(BODY), 100), (65_537, 413)], ids=["what is taken", "what is too large"]
)
def test_c4_a_hundred_only_for_what_is_taken(live: Live, length: int, status: int) -> None:
    with Line(live.port, HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length) as line:
        assert line.socket.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 %d" % status
        if status == 100:
            line.send(BODY)
            said = line.hear()
            assert said is not None
            assert said.status == 200


# What can be read in two ways


def _head(*lines: bytes) -> bytes:
    return b"\r\n".join([HEAD[:-2], *lines, b"", b""])


AMBIGUOUS = {
    "CL.TE": _head(b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + SECOND,
    "TE.CL": _head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"5c\r\n" + SECOND + b"0\r\n\r\n",
    "two lengths": _head(b"Content-Length: 0", b"Content-Length: 44") + SECOND,
    "the same length twice": _head(b"Content-Length: 5", b"Content-Length: 5") + b"hello",
    "a list of lengths": _head(b"Content-Length: 5, 5") + b"hello",
    "two hosts": _head(b"Host: other", b"Content-Length: 0"),
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "chunked in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + CHUNK + b"0\r\n\r\n",
    "chunked twice": _head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked, then not": _head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + b"0\r\n\r\n",
    "not, then chunked": _head(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "space before the colon": _head(b"Transfer-Encoding : chunked") + b"0\r\n\r\n" + SECOND,
    "a folded encoding": _head(b"Transfer-Encoding:\r\n chunked") + b"0\r\n\r\n" + SECOND,
    "a length in a trailer": CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    **{
        f"encoding {value!r}": _head(b"Transfer-Encoding: " + value) + b"0\r\n\r\n" + SECOND
        for value in (b"xchunked", b"chunked, identity", b"identity, chunked", b"gzip, chunked", b"identity", b"", b"x",
                      b"chunked, chunked", b"chunked;q=1", b'"chunked"', b"chunked\x0b", b"chunked\0", b"chunke\xc4\xb1d")
    },
    **{
        f"length {value!r}": _head(b"Content-Length: " + value) + b"hello"
        for value in (b"-1", b"+5", b"0x5", b"5a", b"", b"5_0", b"99999999999999999999999", b"5.0", b"\xb2")
    },
    **{
        f"chunk {chunk!r}": CHUNKED + chunk + b"\r\n0\r\n\r\n" + SECOND
        for chunk in (b"-1\r\nG", b"0x1\r\nG", b"1 \r\nG", b" 1\r\nG", b"1\nG", b"1\r\nGG", b"g\r\nG", b"+1\r\nG", b"1;\nG",
                      b"ffffffffffffffffff\r\nG", b"1;a\0b\r\nG", b'1;a="\n"\r\nG', b"\r\n")
    },
    "bare line feeds": b"GET /v1/models HTTP/1.1\nHost: localhost\n\n",
    "one bare line feed": _head(b"X-A: b\nX-B: c", b"Content-Length: 0"),
    "a bare carriage return": _head(b"X-A: b\rX-B: c", b"Content-Length: 0"),
    "a space before the first header": b"GET /v1/models HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "a header without a name": _head(b": b", b"Content-Length: 0"),
    "a header without a colon": _head(b"novalue", b"Content-Length: 0"),
    "a space in a name": _head(b"X A: b", b"Content-Length: 0"),
    "an unknown method": b"BREW /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a small method": b"get /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
    "HTTP/2.0": b"GET /v1/models HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "HTTP/1.2": b"GET /v1/models HTTP/1.2\r\nHost: localhost\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another host in the target": b"GET http://evil/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a name in the target": b"GET http://a@localhost/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another scheme": b"GET ftp://localhost/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n" + SECOND,
    "a target that is no path": b"GET models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a NUL in the target": b"GET /v1/\0models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a line break in the target": b"GET /v1/models\r\nX: HTTP/1.1\r\nHost: localhost\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("case", AMBIGUOUS)
@pytest.mark.parametrize("torn", [False, True], ids=["at once", "torn"])
def test_c8_what_can_be_read_in_two_ways_is_refused_once(live: Live, room: Chaos, case: str, torn: bool) -> None:
    before, rows, sent = len(room.seen), len(live.rows()), AMBIGUOUS[case]
    parts = [sent[:20], *(sent[at : at + 1] for at in range(20, len(sent)))] if torn else [sent]
    (said,) = spoken(live.port, *parts)
    assert (said.status, said.error["code"], said.headers["connection"]) == (400, "invalid_http", "close")
    assert (len(room.seen), len(live.rows())) == (before, rows)
    assert "smuggled" not in live.log()


READ = {
    "chunks": (CHUNKED + CHUNK + b"0\r\n\r\n", [200]),
    "chunk extensions": (CHUNKED + CHUNK.replace(b"\r\n", b";a=b;c=\"d\"\r\n", 1) + b"0;e\r\n\r\n", [200]),
    "trailers": (CHUNKED + CHUNK + b"0\r\nHost: evil\r\nX-Request-Id: trailer-id\r\n\r\n", [200]),
    "tabs around the encoding": (_head(b"Transfer-Encoding:\tchunked") + CHUNK + b"0\r\n\r\n", [200]),
    "capitals": (_head(b"tRANSFER-eNCODING: CHUNKED") + CHUNK + b"0\r\n\r\n", [200]),
    "spaces around the length": (_head(b"Content-Length:  %d \t" % len(BODY)) + BODY, [200]),
    "two requests": (GOOD + b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", [200, 404]),
    "empty lines between": (GOOD + b"\r\n\r\n" + GOOD, [200, 200]),
    "our own address as the target": (GOOD.replace(b"/v1", b"http://LOCALHOST/v1", 1), [200]),
    "h2c offered": (_post(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"), [200]),
    "WebSocket offered with a body": (_post(b"Connection: Upgrade", b"Upgrade: websocket"), [200]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
@pytest.mark.parametrize("torn", [False, True], ids=["at once", "torn"])
def test_c8_the_rest_is_read_in_one_way(live: Live, case: str, torn: bool) -> None:
    """Each request has one answer, in order, and the connection goes on where it should."""
    sent, statuses = READ[case]
    parts = [sent[at : at + 1] for at in range(len(sent))] if torn else [sent]
    said = spoken(live.port, *parts, b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert [each.status for each in said] == [*statuses, 404]
    assert "/last" in said[-1].error["message"]
    assert "trailer-id" not in repr(live.rows()) + live.log()


@pytest.mark.parametrize("torn", [False, True], ids=["at once", "torn"])
def test_c8_a_request_in_a_body_is_a_body(live: Live, torn: bool) -> None:
    """Also where nobody reads it (CL.0): an answer that does not wait for it is the last one."""
    head = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(SECOND)
    if torn:
        with Line(live.port, head) as line:
            first = line.hear()
            line.send(SECOND)
            assert line.hear() is None
    else:
        with Line(live.port, head + SECOND + GOOD) as line:
            first, second = line.hear(), line.hear()
            assert second is not None
            assert second.text == TEXT
    assert first is not None
    assert (first.status, first.headers.get("connection")) == (200, "close" if torn else None)


ENDED = {
    "HTTP/1.0": GOOD.replace(b"1.1", b"1.0", 1),
    "HTTP/1.0 that would be kept": _post(b"Connection: keep-alive").replace(b"1.1", b"1.0", 1),
    "close": _post(b"Connection: close"),
    "close among others": _post(b"Connection: te, Close"),
}


@pytest.mark.parametrize("case", ENDED)
def test_c8_nothing_is_read_after_the_last_request(live: Live, case: str) -> None:
    (said,) = spoken(live.port, ENDED[case] + SECOND)
    assert (said.status, said.text) == (200, TEXT)


@pytest.mark.parametrize("torn", [False, True], ids=["at once", "torn"])
def test_c8_what_follows_an_upgrade_is_no_request(live: Live, torn: bool) -> None:
    fields = [b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: %d" % len(SECOND)]
    offer = _head(*fields).replace(b"POST", b"GET", 1)
    (said,) = spoken(live.port, *([offer, SECOND] if torn else [offer + SECOND]))
    assert (said.status, said.headers["connection"]) == (426, "close")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("bad", [b"BREW / HTTP/1.1\r\n\r\n", CHUNKED + b"zz\r\n"], ids=["head", "body"])
def test_c8_a_bad_second_request_does_not_touch_the_first_answer(live: Live, stream: bool, bad: bytes) -> None:
    """It is told after it, not in its place and not in its midst."""
    body = BODY.replace(b'"any"', b'"backend/slow"').replace(b"{", b'{"stream": %b, ' % str(stream).lower().encode(), 1)
    first, second = spoken(live.port, _post(body=body) + bad + SECOND)
    assert first.status == 200
    assert first.body.endswith(b"data: [DONE]\n\n") if stream else first.text == TEXT
    assert (second.status, second.error["code"]) == (400, "invalid_http")


def test_c8_a_flood_of_requests_on_one_connection_is_bounded(live: Live) -> None:
    said = spoken(live.port, GOOD * 500)
    assert [each.status for each in said[:-1]] == [200] * (len(said) - 1)
    assert len(said) <= 20
    assert (said[-1].status, said[-1].error["code"]) == (400, "invalid_http")


@pytest.mark.parametrize("name", [b"X-Request-Id", b"Traceparent", b"X-Turnout-Tag", b"User-Agent", b"Authorization"])
@pytest.mark.parametrize(
    "value", [b"a\r\n injected: 1", b"a\rinjected: 1", b"a\ninjected: 1", b"a\0injected", b"a\x1b[2Jinjected", b"a\x7finjected"]
)  # fmt: skip
def test_c7_a_line_break_in_a_header_goes_nowhere(live: Live, room: Chaos, name: bytes, value: bytes) -> None:
    before, rows = len(room.seen), len(live.rows())
    (said,) = spoken(live.port, _post(name + b": " + value))
    assert (said.status, said.error["code"]) == (400, "invalid_http")
    assert b"injected" not in said.body
    assert (len(room.seen), len(live.rows())) == (before, rows)
    assert "injected" not in live.log()


def test_c7_a_line_break_in_quotes_is_text(live: Live) -> None:
    """What comes back of a caller's own words never breaks a header or a line of the log."""
    path = b"/v1/%0d%0ainjected:%201%1b[2J"
    said = Line(live.port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").hear()
    assert said is not None
    assert said.status == 404
    assert "injected" not in said.headers
    assert "\ninjected" not in live.log()
    assert "\x1b" not in live.log()


def _peak(pid: int) -> int:
    """The most memory that a process ever had, bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM"))
