"""Traps of bodies and of the transport, through the public door: G09 (as it is written), G63, G64, G67, G71."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from http.client import HTTPConnection
from typing import Any

import brotli
import httpx2
import pytest
from backports import zstd
from heard import PATHS
from road import APIS, BACKENDS, FOUR, MODES, Road, body, build
from scripted import Answer
from vendors import Says, answer

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstd.compress,
}
LIMIT = 24 << 20


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build(f"server: {{max_body: {LIMIT}}}") as built:
        yield built


@cache
def _bomb(encoding: str) -> bytes:
    """More than a whole answer may be (64 MiB)."""
    return PACK[encoding](b'{"x": "' + bytes(70 << 20))


def packed_by(encoding: str, answered: Answer) -> Answer:
    """The same answer, compressed as one, and cut where it hurts."""
    whole = PACK[encoding](b"".join(part for part in answered.parts if isinstance(part, bytes)))
    parts = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    return replace(answered, parts=parts, headers={**answered.headers, "content-encoding": encoding})


# --- requests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
@pytest.mark.parametrize("encoding", PACK)
def test_g63_a_compressed_request_is_read_like_any_other(road: Road, encoding: str, backend: str, api: str) -> None:
    road.plays(backend, Says(("fine",)), stream=False)
    plain = road.ask(api, backend)
    sent = road.sent()
    packed = PACK[encoding](json.dumps(body(api, backend)).encode())
    got = road.post(api, packed, **{"content-encoding": encoding, "content-type": "application/json"})
    assert got.status_code == 200, got.text
    assert road.sent() == sent
    assert "content-encoding" not in road.upstream.asked[-1].headers
    assert got.json().keys() == plain.json().keys()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("encoding", PACK)
def test_g63_a_bomb_is_refused_and_never_sent_on(road: Road, encoding: str, api: str) -> None:
    asked = len(road.upstream.asked)
    got = road.post(api, PACK[encoding](bytes(LIMIT * 4)), **{"content-encoding": encoding})
    assert (got.status_code, got.json()["error"]["code"]) == (413, "request_too_large")
    assert str(LIMIT) in got.json()["error"]["message"]
    assert len(road.upstream.asked) == asked


def test_g63_an_unknown_caller_has_nothing_decoded() -> None:
    with build("keys: [{name: me, secret: sk-mine-0123456789}]") as locked:
        for api in APIS:
            for body_ in (_bomb("gzip"), b"garbled"):
                assert locked.post(api, body_, **{"content-encoding": "gzip"}).status_code == 401


# --- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream_", MODES)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
@pytest.mark.parametrize("encoding", PACK)
def test_g64_a_compressed_answer_is_told_plain(
    road: Road, encoding: str, backend: str, api: str, stream_: bool
) -> None:
    says = Says(("Grüße, ", "Welt"))
    road.plays(backend, says, stream=stream_)
    plain = road.hear(api, backend, stream=stream_)
    road.upstream.script(packed_by(encoding, answer(BACKENDS[backend][0], says, stream_=stream_)))
    assert road.hear(api, backend, stream=stream_).text == plain.text == "Grüße, Welt"
    got = road.ask(api, backend, stream=stream_)
    assert "content-encoding" not in got.headers
    assert road.upstream.asked[-1].headers["accept-encoding"] == "identity"
    if not stream_:
        assert int(got.headers["content-length"]) == len(got.content)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", FOUR)
@pytest.mark.parametrize("encoding", PACK)
def test_g64_a_compressed_error_is_read(road: Road, encoding: str, backend: str, api: str) -> None:
    error = json.dumps({"type": "error", "error": {"message": "no such thing", "type": "not_found_error"}}).encode()
    road.upstream.script(packed_by(encoding, Answer([error], 404, headers={"keep-alive": "timeout=9"})))
    got = road.post(api, body(api, backend))
    assert got.status_code == 404
    assert "no such thing" in got.json()["error"]["message"]
    assert not {"content-encoding", "keep-alive", "transfer-encoding"} & got.headers.keys()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("stream_", MODES)
def test_g64_an_answer_that_is_a_bomb_or_garbled_is_a_502(road: Road, encoding: str, api: str, stream_: bool) -> None:
    kind = "text/event-stream" if stream_ else "application/json"
    bomb = _bomb(encoding)
    for sent, header in ((bomb, encoding), (b'{"id": 1}', encoding), (b"x", "lzw")):
        road.upstream.script(Answer([sent], kind=kind, headers={"content-encoding": header}))
        got = road.post(api, body(api, "vllm", stream=stream_))
        assert got.status_code == 502, got.text
        assert got.json()["error"]["code"] == "upstream_bad_response"
        road.recovers("vllm")


@pytest.mark.parametrize("api", APIS)
def test_g64_hop_by_hop_headers_stay_where_they_are(road: Road, api: str) -> None:
    for backend in ("openai", "gpt", "claude"):
        named = {"keep-alive": "timeout=9", "x-secret": "1", "set-cookie": "a=b", "connection": "keep-alive, x-secret"}
        told = answer(BACKENDS[backend][0], Says(("fine",)), stream_=False)
        road.upstream.script(replace(told, headers={**told.headers, **named}))
        got = road.ask(api, backend)
        assert not {"keep-alive", "x-secret", "set-cookie", "transfer-encoding", "upgrade", "te"} & got.headers.keys()


# --- the transport -------------------------------------------------------------------------------------------------


def raw(road: Road, head: str) -> bytes:
    """All that is answered to these header lines, until the server closes."""
    with socket.create_connection(("127.0.0.1", road.live.port), timeout=20) as talk:
        talk.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        found = b""
        while piece := talk.recv(65536):
            found += piece
        return found


@pytest.mark.parametrize("path", [f"/v1{path}" for path in PATHS.values()])
def test_g67_an_upgrade_to_websocket_is_answered_at_once_and_closed(road: Road, path: str) -> None:
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13"
    head, _, told = raw(
        road, f"GET {path} HTTP/1.1\nHost: h\nConnection: Upgrade\nUpgrade: websocket\n{key}"
    ).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 426 ")
    assert b"connection: close" in head.lower()
    error = json.loads(told)["error"]
    assert error["code"] == "websocket_not_supported"
    assert f"POST to {path}" in error["message"]
    assert "upgrade" not in road.live.log().lower()


@pytest.mark.parametrize("path", [f"/v1{path}" for path in PATHS.values()])
def test_g67_a_plain_get_is_not_allowed(road: Road, path: str) -> None:
    got = road.http.get(road.live.url + path)
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert got.json()["error"]["code"] == "method_not_allowed"


def test_g67_another_upgrade_is_passed_over_and_its_connection_goes_on(road: Road) -> None:
    """Java's HttpClient offers h2c with its first request."""
    road.plays("vllm", Says(("fine",)), stream=False)
    asked = json.dumps(body("chat", "vllm"))
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA"}
    talk = HTTPConnection("127.0.0.1", road.live.port, timeout=20)
    for headers in (offer, offer, {}):
        talk.request("POST", "/v1/chat/completions", asked, headers)
        got = talk.getresponse()
        assert (got.status, json.loads(got.read())["object"]) == (200, "chat.completion")
    talk.close()


def test_g09_every_event_of_a_stream_is_a_write_of_its_own(road: Road) -> None:
    """The socket has TCP_NODELAY, so that a small event does not wait for the one after it (Nagle)."""
    gate = threading.Event()
    first, *rest = answer("openai_chat", Says(("one", "two", "three")), stream_=True).parts
    road.upstream.script(Answer([first, *rest[:1], gate, *rest[1:]], kind="text/event-stream"))
    with road.http.stream("POST", road.live.base_url + PATHS["chat"], json=body("chat", "vllm", stream=True)) as got:
        pieces = got.iter_raw()
        told = next(pieces)
        while b"one" not in told:
            told += next(pieces)
        gate.set()
        for piece in pieces:
            assert piece.endswith(b"\n\n")
            told += piece
    assert told.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("encoding", [None, "gzip", "zstd"])
def test_g71_the_house_answers_while_large_bodies_are_in_hand(road: Road, encoding: str | None) -> None:
    """Speed is measured elsewhere (tests/bench); here the door must never stay shut until all of them are done."""
    road.plays("vllm", Says(("fine",)), stream=False)
    picture = "data:image/png;base64," + "iVBORw0K" * (20 * 2**20 // 8)
    parts = [{"type": "image_url", "image_url": {"url": picture}}]
    plain = json.dumps(body("chat", "vllm", messages=[{"role": "user", "content": parts}])).encode()
    sent = PACK[encoding](plain) if encoding else plain
    statuses: list[int] = []

    def post() -> None:
        headers: dict[str, Any] = {"content-encoding": encoding} if encoding else {}
        with httpx2.Client(timeout=60) as http:
            statuses.append(http.post(road.live.base_url + PATHS["chat"], content=sent, headers=headers).status_code)

    posts = [threading.Thread(target=post) for _ in range(8)]
    for one in posts:
        one.start()
    answered = 0
    while any(one.is_alive() for one in posts):
        status, _ = road.live.get("/health/live")
        assert status == 200
        answered += any(one.is_alive() for one in posts)
    assert statuses == [200] * 8
    assert answered >= 8
