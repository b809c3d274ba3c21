"""Wherever the bytes of a recorded stream are cut, every client hears the same (trap G02)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import pytest
from heard import CLIENTS
from hub_strategies import MODEST
from hypothesis import given
from hypothesis import strategies as st
from playing import Recorded, name, played, relay
from recordings import SHARED

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
STREAMS = [found for found in played() if found.stream]
"""Torn ones and such as end with an error, too."""
SMALL = [found for found in STREAMS if len(found.body) < 2_000]
LINE_ENDS = (b"\n", b"\r\n", b"\r")


def told(found: Recorded, api: str, pieces: Sequence[bytes]) -> bytes:
    machine = relay(found, api)
    out = [line for piece in pieces for line in machine.feed(piece)]
    return b"".join([*out, *machine.close(), *machine.tail])


@cache
def whole(at: int, api: str) -> bytes:
    return told(STREAMS[at], api, [STREAMS[at].body])


def cut(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    return [body[start:end] for start, end in pairwise([0, *cuts, len(body)])]


@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("at", range(len(STREAMS)), ids=[name(found) for found in STREAMS])
def test_byte_by_byte_a_stream_says_the_same(at: int, api: str) -> None:
    body = STREAMS[at].body[:20_000]
    assert told(STREAMS[at], api, [body[i : i + 1] for i in range(len(body))]) == told(STREAMS[at], api, [body])


@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("found", SMALL, ids=name)
def test_a_single_cut_anywhere_is_not_heard(found: Recorded, api: str) -> None:
    body = found.body
    expected = told(found, api, [body])
    assert all(told(found, api, [body[:i], body[i:]]) == expected for i in range(1, len(body)))


@pytest.mark.parametrize("api", CLIENTS)
@MODEST
@given(data=st.data())
def test_any_cuts_of_any_stream_are_not_heard(api: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(STREAMS) - 1))
    body = STREAMS[at].body
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1), max_size=30)))
    assert told(STREAMS[at], api, cut(body, cuts)) == whole(at, api)


@pytest.mark.parametrize("api", CLIENTS)
@MODEST
@given(data=st.data())
def test_cuts_among_any_line_ends_are_not_heard(api: str, data: st.DataObject) -> None:
    """SSE ends a line in three ways, one of which is two bytes long."""
    at = data.draw(st.integers(0, len(STREAMS) - 1))
    end = data.draw(st.sampled_from(LINE_ENDS))
    body = STREAMS[at].body.replace(b"\r\n", b"\n").replace(b"\n", end)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1), max_size=30)))
    assert told(STREAMS[at], api, cut(body, cuts)) == whole(at, api)
