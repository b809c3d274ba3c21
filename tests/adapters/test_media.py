"""Media, whoever writes them: types, data URLs, and what takes the place of a link."""

from __future__ import annotations

import base64

import pytest

from adapters import ir, media

NEED = ir.Need("media_url", "https://h.example/x?token=1")


@pytest.mark.parametrize(
    ("given", "usual"),
    [
        ("image/jpg", "image/jpeg"),
        ("IMAGE/PNG", "image/png"),
        (" image/x-png ; q=1", "image/png"),
        ("audio/mp3", "audio/mpeg"),
        ("audio/x-wav", "audio/wav"),
        ("application/pdf;charset=binary", "application/pdf"),
        ("", ""),
        (None, ""),
    ],
)
def test_types_in_the_spelling_that_all_take(given: str | None, usual: str) -> None:
    assert media.usual(given) == usual


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"%PDF-1.4", "application/pdf"),
        (b"ID3\x03", "audio/mpeg"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell(head: bytes, kind: str | None) -> None:
    assert media.sniffed(head) == kind
    assert media.sniffed(media.first_bytes(base64.b64encode(head).decode())) == kind


@pytest.mark.parametrize("data", ["", "A", "not base64!", "\u00fc"])
def test_what_is_no_base64_has_no_first_bytes(data: str) -> None:
    assert media.sniffed(media.first_bytes(data)) is None


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("data:image/png;base64,QUJD", ("image/png", "QUJD")),
        ("DATA:image/jpg;charset=x;BASE64,QUJD", ("image/jpeg", "QUJD")),
        ("data:text/plain,A%20B", ("text/plain", "QSBC")),
        ("data:,AB", ("text/plain", "QUI=")),
        ("data:image/png;base64", None),
        ("https://h.example/data:,x", None),
        ("", None),
    ],
)
def test_data_urls(url: str, found: tuple[str, str] | None) -> None:
    assert media.data_url(url) == found


def test_what_was_fetched_takes_the_place_of_its_link() -> None:
    linked = ir.Media("image", url=NEED.key, detail="low", name="n")
    found = {NEED: ir.Media("image", data="QUJD", media_type="image/png")}
    assert media.resolved(linked, found) == ir.Media(
        "image", data="QUJD", media_type="image/png", detail="low", name="n"
    )
    assert media.resolved(linked, {}) is linked
    own = ir.Media("image", data="QQ==")
    assert media.resolved(own, found) is own


@pytest.mark.parametrize(("kind", "served"), [("image", "text/plain"), ("audio", "image/png"), ("image", None)])
def test_a_link_that_led_to_something_else(kind: str, served: str | None) -> None:
    linked = ir.Media(kind, url=NEED.key)  # type: ignore[arg-type]
    with pytest.raises(ir.Invalid) as caught:
        media.resolved(linked, {NEED: ir.Media("file", data="QUJD", media_type=served)})
    failure = caught.value.failure
    assert (failure.status, failure.code) == (400, "invalid_media")
    assert "h.example" in failure.message
    assert "token" not in failure.message


def test_all_media_are_found_with_their_places() -> None:
    one, two = ir.Media("image", data="a"), ir.Media("file", data="b")
    result = ir.ToolResult("t", (ir.Text("x"), two))
    request = ir.Request(
        model="m",
        messages=(ir.Message("system", (one,)), ir.Message("user", (ir.Text("x"), one)), ir.Message("tool", (result,))),
    )
    assert list(media.among(request)) == [
        ("messages[0].content[0]", one),
        ("messages[1].content[1]", one),
        ("messages[2].content[0]", two),
    ]
    assert list(media.among(request, ("tool",))) == [("messages[2].content[0]", two)]
