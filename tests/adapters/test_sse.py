"""Server-sent events in every legal spelling, cut anywhere, judged by a second reader written from the standard."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sse import Frame, Splitter, TooLong, render

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
WORDS = st.sampled_from(
    [b"", b"a", b" a", b"x: y", b"{}", '{"t":"gr\u00fc\u00df\u2028"}'.encode(), b"[DONE]", b"\x0b\x0c\x1c"]
)
FIELDS = st.sampled_from([b"data", b"data", b"data", b"event", b"id", b"retry", b"unknown", b"Data", b" data", b""])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """One line without its end: a field with or without its space, or without a colon, or a comment."""
    name = draw(FIELDS)
    return name + draw(st.sampled_from([b":", b": ", b":  "])) + draw(WORDS) if draw(st.booleans()) else name


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A stream of whole events: each line has an end of its own, one blank line at least ends each event."""
    out = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    for event in draw(st.lists(st.lists(lines(), max_size=4), max_size=5)):
        for line in (*event, *[b""] * draw(st.integers(1, 3))):
            out += line + draw(ENDS)
    # A blank line in LF alone: whatever the last ends were together, the event before it is over.
    return out + b"\n\n"


def standard(stream: bytes) -> list[tuple[bytes, str | None]]:
    """WHATWG HTML, 9.2.6: ``(data, event)`` of each event that is dispatched."""
    found: list[tuple[bytes, str | None]] = []
    data: list[bytes] = []
    event: str | None = None
    for line in re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf")):
        if not line:
            found += [(b"\n".join(data), event)] if data else []
            data, event = [], None
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif name == b"event":
            event = value.removeprefix(b" ").decode()
    return found


def split(stream: bytes, cuts: list[int]) -> list[Frame]:
    splitter = Splitter()
    at = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    frames = [frame for start, end in pairwise(at) for frame in splitter.feed(stream[start:end])]
    return [*frames, *splitter.end()]


@settings(max_examples=400, deadline=None)
@given(stream=streams(), cuts=st.lists(st.integers(0, 200), max_size=8))
def test_g02_any_spelling_and_any_cut_is_what_the_standard_says(stream: bytes, cuts: list[int]) -> None:
    assert [(frame.data, frame.event) for frame in split(stream, cuts)] == standard(stream)


@settings(max_examples=200, deadline=None)
@given(stream=streams())
def test_byte_by_byte(stream: bytes) -> None:
    assert [(f.data, f.event) for f in split(stream, list(range(len(stream))))] == standard(stream)


@settings(max_examples=200, deadline=None)
@given(stream=streams(), cuts=st.lists(st.integers(0, 200), max_size=8))
def test_the_raw_bytes_of_a_frame_say_the_same_again(stream: bytes, cuts: list[int]) -> None:
    """An exact relay passes them on: each alone, and all in a row."""
    frames = split(stream, cuts)
    again = [found for frame in frames for found in standard(frame.raw + b"\n\n")]
    assert again == standard(b"".join(frame.raw for frame in frames) + b"\n\n") == standard(stream)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_told_with_its_last_byte(end: bytes) -> None:
    """It does not wait for the next one; but half of a CRLF is not an end."""
    splitter = Splitter()
    whole = b"data: 1" + end * 2
    assert [frame for at in range(len(whole) - 1) for frame in splitter.feed(whole[at : at + 1])] == []
    assert [frame.data for frame in splitter.feed(whole[-1:])] == [b"1"]


def test_the_last_event_may_lack_its_blank_line() -> None:
    for stream in (b"data: 1", b"data: 1\n", b"data: 1\r\n"):
        (frame,) = split(stream, [])
        assert (frame.data, frame.raw) == (b"1", b"data: 1\n\n")


def test_a_mark_of_byte_order_is_one_only_at_the_start() -> None:
    assert [frame.data for frame in split(b"\xef\xbb\xbfdata: 1\n\n", [1, 2])] == [b"1"]
    assert [frame.data for frame in split(b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [])] == [b"1"]


def test_an_event_that_never_ends_is_given_up() -> None:
    splitter = Splitter(limit=1000)
    assert [frame.data for frame in splitter.feed(b"data: " + b"x" * 900 + b"\n\n")] == [b"x" * 900]
    assert list(splitter.feed(b"data: " + b"x" * 900)) == []
    with pytest.raises(TooLong):
        list(splitter.feed(b"x" * 200))


def test_what_is_written_is_read() -> None:
    assert split(render(b"{}", "a") + render(b"[DONE]"), []) == [
        Frame(b"{}", "a", b"event: a\ndata: {}\n\n"),
        Frame(b"[DONE]", None, b"data: [DONE]\n\n"),
    ]


def test_json_that_came_in_lines_goes_out_in_one() -> None:
    """A raw value is laid out as its author liked; a line end would tear the event."""
    assert render(b'{"a":\r\n {\n"b": "\\n"}}', "x") == b'event: x\ndata: {"a":{"b":"\\n"}}\n\n'
