"""Traps of images, documents and sounds, through the public door: G41, G43, G77, G87."""

from __future__ import annotations

import base64
import gzip
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from media_server import PDF, PNG, Page, Pages, pages
from road import APIS, BACKENDS, Road, build
from scripted import Answer
from vendor_types import assert_anthropic_request, assert_chat_request, assert_google_request, assert_responses_request
from vendors import Json, Says, answer

IMAGE = base64.b64encode(PNG).decode()
DOCUMENT = base64.b64encode(PDF).decode()
WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt ").decode()
CHECK = {
    "anthropic_messages": assert_anthropic_request,
    "google_gemini": assert_google_request,
    "openai_chat": assert_chat_request,
    "openai_responses": assert_responses_request,
}
SECONDS = 2


@dataclass(frozen=True)
class World:
    """The road, and a web server on loopback that the operator allows."""

    road: Road
    url: str
    web: Pages

    def link(self, path: str, page: Page) -> str:
        self.web.asked.clear()
        self.web.pages[path] = page
        return self.url + path


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pages() as (url, web):
        allow = (
            f"media: {{fetch: true, max_size: 64KiB, timeout: {SECONDS}s, allow: ['{url.removeprefix('http://')}']}}"
        )
        with build(allow) as built:
            yield World(built, url, web)


@pytest.fixture(scope="module")
def strict() -> Iterator[Road]:
    """As shipped: links are not fetched."""
    with build() as built:
        yield built


def asked(api: str, *parts: Json) -> Json:
    """A user's turn of these parts."""
    turn = {"role": "user", "content": list(parts)}
    return {"input": [turn]} if api == "responses" else {"messages": [turn]}


def image(api: str, url: str, **more: Any) -> Json:
    if api == "responses":
        return {"type": "input_image", "image_url": url, **more}
    return {"type": "image_url", "image_url": {"url": url, **more}}


def document(api: str, data: str, name: str = "a.pdf") -> Json:
    if api == "responses":
        return {"type": "input_file", "file_data": data, "filename": name}
    return {"type": "file", "file": {"file_data": data, "filename": name}}


def sent(road: Road, api: str, backend: str, *parts: Json, **fields: Any) -> Any:
    """What the backend is sent for these parts, once its vendor's own types have passed it."""
    road.plays(backend, Says(("fine",)), stream=False)
    road.ask(api, backend, **asked(api, *parts), **fields)
    CHECK[BACKENDS[backend][0]](road.sent())
    return road.sent()


def refused(road: Road, api: str, backend: str, *parts: Json) -> Json:
    """The error of a question that never reaches the backend."""
    road.upstream.script(Answer([b"{}"]))
    got = road.post(api, {"model": backend, **asked(api, *parts)})
    assert got.status_code == 400, got.text
    assert road.upstream.asked == []
    error: Json = got.json()["error"]
    return error


def claude(body: Json) -> Json:
    source: Json = body["messages"][0]["content"][0]["source"]
    return source


def gemini(body: Json) -> Json:
    part: Json = body["contents"][0]["parts"][0]
    return part


# --- G41, G43, G77: what stands in the request ---------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", ["image/jpg", "image/jpeg", "IMAGE/JPG"])
def test_g41_a_jpg_is_a_jpeg_in_bare_base64(strict: Road, api: str, kind: str) -> None:
    part = image(api, f"data:{kind};base64,{IMAGE}")
    assert claude(sent(strict, api, "claude", part)) == {"type": "base64", "media_type": "image/jpeg", "data": IMAGE}
    assert gemini(sent(strict, api, "gemini", part)) == {"inlineData": {"mimeType": "image/jpeg", "data": IMAGE}}


@pytest.mark.parametrize("format_", ["wav", "mp3"])
def test_g43_sound_is_inline_data(strict: Road, format_: str) -> None:
    part = {"type": "input_audio", "input_audio": {"data": WAV, "format": format_}}
    kind = {"wav": "audio/wav", "mp3": "audio/mpeg"}[format_]
    assert gemini(sent(strict, "chat", "gemini", part)) == {"inlineData": {"mimeType": kind, "data": WAV}}
    assert sent(strict, "chat", "vllm", part)["messages"][0]["content"] == [part]


@pytest.mark.parametrize("backend", ["claude", "gpt", "ollama"])
def test_g43_sound_is_refused_by_name_where_nobody_hears_it(strict: Road, backend: str) -> None:
    part = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
    error = refused(strict, "chat", backend, {"type": "text", "text": "Listen!"}, part)
    assert error["code"] == "unsupported_parameter"
    assert "audio" in error["message"] or "sound" in error["message"]


@pytest.mark.parametrize("api", APIS)
def test_g77_claude_follows_a_link_itself(strict: Road, api: str) -> None:
    part = image(api, "https://h.example/x", detail="high")
    assert claude(sent(strict, api, "claude", part)) == {"type": "url", "url": "https://h.example/x"}
    got = strict.ask(api, "claude", **asked(api, part))
    assert "detail" in got.headers["x-turnout-dropped"]


def test_g77_chats_mere_string_is_a_link_too(strict: Road) -> None:
    part = {"type": "image_url", "image_url": "https://h.example/x"}
    assert claude(sent(strict, "chat", "claude", part)) == {"type": "url", "url": "https://h.example/x"}


@pytest.mark.parametrize("api", APIS)
def test_documents_are_carried_with_their_names(strict: Road, api: str) -> None:
    part = document(api, f"data:application/pdf;base64,{DOCUMENT}")
    told = sent(strict, api, "claude", part)["messages"][0]["content"][0]
    source = {"type": "base64", "media_type": "application/pdf", "data": DOCUMENT}
    assert told == {"type": "document", "source": source, "title": "a.pdf"}
    assert gemini(sent(strict, api, "gemini", part)) == {
        "inlineData": {"mimeType": "application/pdf", "data": DOCUMENT}
    }
    other = "openai" if api == "responses" else "gpt"
    turn = sent(strict, api, other, part)
    content = (turn["messages"] if other == "openai" else turn["input"])[0]["content"][0]
    file = content["file"] if other == "openai" else content
    assert (file["file_data"], file["filename"]) == (f"data:application/pdf;base64,{DOCUMENT}", "a.pdf")
    assert "file" in refused(strict, api, "vllm", part)["message"]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", ["claude", "gemini", "vllm"])
def test_a_file_id_of_another_vendor_is_refused(strict: Road, api: str, backend: str) -> None:
    part = (
        {"type": "input_file", "file_id": "file-1"}
        if api == "responses"
        else {"type": "file", "file": {"file_id": "file-1"}}
    )
    assert refused(strict, api, backend, part)["code"] == "unsupported_parameter"


@pytest.mark.parametrize("backend", ["claude", "gemini", "vllm", "openai"])
def test_an_image_in_a_tools_result_is_carried(strict: Road, backend: str) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    output = [{"type": "input_text", "text": "Seen:"}, image("responses", f"data:image/png;base64,{IMAGE}")]
    result = {"type": "function_call_output", "call_id": "c1", "output": output}
    tool = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False}
    strict.plays(backend, Says(("fine",)), stream=False)
    strict.ask("responses", backend, input=[{"role": "user", "content": "Look!"}, call, result], tools=[tool])
    CHECK[BACKENDS[backend][0]](strict.sent())
    assert IMAGE.encode() in strict.upstream.asked[-1].raw
    assert b"Seen:" in strict.upstream.asked[-1].raw
    if backend == "gemini":
        (part,) = strict.sent()["contents"][-1]["parts"]
        assert part["functionResponse"]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": IMAGE}}]
    if backend in ("vllm", "openai"):
        assert [m["role"] for m in strict.sent()["messages"]][-2:] == ["tool", "user"]


# --- G87: what stands behind a link --------------------------------------------------------------------------------


@pytest.mark.parametrize("api", APIS)
def test_g87_a_link_is_fetched_and_sent_with_the_served_type(world: World, api: str) -> None:
    url = world.link("/x", Page(kind="image/webp; charset=binary"))
    assert gemini(sent(world.road, api, "gemini", image(api, url))) == {
        "inlineData": {"mimeType": "image/webp", "data": IMAGE}
    }
    ((path, headers),) = world.web.asked
    assert path == "/x"
    assert not {"cookie", "authorization", "x-goog-api-key"} & headers.keys()
    assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("kind", [None, "application/octet-stream"])
def test_g87_without_a_type_the_first_bytes_tell(world: World, kind: str | None) -> None:
    url = world.link("/x", Page(kind=kind))
    assert gemini(sent(world.road, "chat", "gemini", image("chat", url)))["inlineData"]["mimeType"] == "image/png"


@pytest.mark.parametrize("backend", ["claude", "ollama"])
def test_g87_also_for_those_who_follow_https_alone_or_nothing(world: World, backend: str) -> None:
    url = world.link("/x", Page())
    body = sent(world.road, "responses", backend, image("responses", url))
    if backend == "claude":
        assert claude(body) == {"type": "base64", "media_type": "image/png", "data": IMAGE}
    else:
        assert body["messages"][0]["content"][0]["image_url"]["url"] == f"data:image/png;base64,{IMAGE}"


def test_a_documents_link_is_fetched_for_gemini(world: World) -> None:
    url = world.link("/d", Page((PDF,), "application/pdf"))
    part = {"type": "input_file", "file_url": url}
    assert gemini(sent(world.road, "responses", "gemini", part))["inlineData"]["data"] == DOCUMENT


def test_each_link_is_fetched_once_a_call(world: World) -> None:
    """However often it stands there, and however often the backend is tried."""
    url = world.link("/x", Page())
    world.road.upstream.script(Answer([b"{}"], 503), answer("google_gemini", Says(("fine",)), stream_=False))
    got = world.road.ask("chat", "gemini", **asked("chat", image("chat", url), image("chat", url)))
    assert got.headers["x-turnout-attempts"] == "2"
    assert len(world.web.asked) == 1


def test_redirects_are_followed_a_few_times(world: World) -> None:
    world.link("/d", Page())
    for at, following in (("/a", "/b"), ("/b", f"{world.url}/c"), ("/c", "d")):
        world.link(at, Page(status=302, headers={"location": following}))
    assert "inlineData" in gemini(sent(world.road, "chat", "gemini", image("chat", world.url + "/a")))
    world.link("/d", Page(status=307, headers={"location": "/a"}))
    error = refused(world.road, "chat", "gemini", image("chat", world.url + "/a"))
    assert "redirected more than 3 times" in error["message"]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_compressed_answer_counts_as_what_comes_out(world: World, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else bytes
    headers = {"content-encoding": encoding}
    url = world.link("/x", Page((pack(PNG),), headers=headers))
    assert gemini(sent(world.road, "chat", "gemini", image("chat", url)))["inlineData"]["data"] == IMAGE
    error = refused(
        world.road,
        "chat",
        "gemini",
        image("chat", world.link("/x", Page((pack(PNG + bytes(65536)),), headers=headers))),
    )
    assert "65536 bytes" in error["message"]


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (Page(status=404), "status 404"),
        (Page(kind="text/html"), "no image, sound, PDF or plain text"),
        (Page((b"hello",), None), "does not say what it is"),
        (Page((bytes(40000), bytes(40000))), "65536 bytes"),
        (Page(headers={"content-length": "99999999"}), "65536 bytes"),
        (Page(hang=True), "within 2 s"),
        (Page(status=302, headers={"location": "http://169.254.169.254/latest/meta-data"}), "not a public one"),
        (Page(status=302, headers={"location": "file:///etc/passwd"}), "not an http"),
        (Page(status=302), "redirected more"),
        (Page((PDF,), "application/pdf"), "leads to application/pdf, not to an image"),
        (Page(headers={"content-encoding": "br"}), "cannot be read"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("api", APIS)
def test_g87_what_cannot_be_fetched_is_told_and_nothing_is_sent(world: World, api: str, page: Page, why: str) -> None:
    url = world.link("/secret", page) + "?token=t0ps3cret"
    error = refused(world.road, api, "gemini", image(api, url))
    assert why in error["message"]
    assert "127.0.0.1" in error["message"]
    assert "t0ps3cret" not in error["message"]
    assert "secret" not in error["message"]
    assert error["code"] == "invalid_media"
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_g87_no_other_door_of_our_own_network_is_knocked_at(world: World, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        port = inner.getsockname()[1]
        for url in (f"http://{host}:{port}/x", f"http://{host}/x", f"https://{host}/x"):
            error = refused(world.road, "chat", "gemini", image("chat", url))
            assert error["code"] == "invalid_media"
        inner.settimeout(0)
        with pytest.raises(BlockingIOError):
            inner.accept()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("backend", ["gemini", "ollama"])
def test_g87_as_shipped_no_link_is_fetched(strict: Road, world: World, backend: str, api: str) -> None:
    url = world.link("/x", Page())
    error = refused(strict, api, backend, image(api, url))
    assert "data: URL" in error["message"]
    assert world.web.asked == []
