"""U3, U4: wherever a recorded stream breaks off, every client hears what had come, one error, and never an end that
the upstream did not tell. (``test_properties_cuts`` cuts reads; here the rest never comes.)

``TURNOUT_CUTS=N`` tries N offsets of each dialect and client; the default is for CI.
"""

from __future__ import annotations

import os
from functools import cache

import pytest
from broken_off import STREAMS, check_broken, check_ended, end_of
from heard import CLIENTS
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import ANSWERS, API_OF, DIALECT_OF, Recorded, echo, name, relay
from recordings import SHARED

from adapters import failures
from adapters.catalog import DIALECTS
from adapters.relay import StreamRelay, Whole
from adapters.sse import DONE

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")
LONG = "TURNOUT_CUTS" in os.environ
CUTS = int(os.environ.get("TURNOUT_CUTS", "40"))
BROADLY = settings(max_examples=CUTS, deadline=None, derandomize=os.environ.get("CI") == "true")
OF = {name: [at for at, found in enumerate(STREAMS) if found.dialect == name] for name in DIALECTS}
SMALL = [min(places, key=lambda at: len(STREAMS[at].body)) for places in OF.values()]
WHOLES = [found for found in ANSWERS if not found.stream]
HOW = ("fin", "rst")
BROKEN = failures.interrupted()


def cut_off(machine: StreamRelay, body: bytes, how: str) -> list[bytes]:
    """All that its client is told. ``fin``: the bytes end, and nobody says that there should be more; ``rst``: the line
    breaks."""
    out = machine.feed(body)
    if not machine.done:
        if how == "fin":
            out += machine.close()
        else:
            machine.cut(BROKEN)
    return [*out, *machine.tail]


@cache
def whole(place: int, api: str) -> bytes:
    return b"".join(cut_off(relay(STREAMS[place], api), STREAMS[place].body, "fin"))


def breaks(place: int, api: str, at: int, how: str) -> None:
    """Between its last character and its blank line an end may count, or not: it says the same to its client."""
    found = STREAMS[place]
    machine = relay(found, api)
    out = b"".join(cut_off(machine, found.body[:at], how))
    last, after = end_of(found)
    if at >= after or (at >= last and machine.failure is None):
        assert machine.failure is None
        check_ended(api, out, whole(place, api))
    else:
        assert machine.failure is not None
        assert machine.failure.code == "upstream_interrupted"
        assert not machine.finishes
        check_broken(api, out, whole(place, api))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("dialect", OF)
@BROADLY
@given(data=st.data())
def test_u3_u4_broken_off_anywhere_no_end_is_made_up(dialect: str, api: str, how: str, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(OF[dialect]))
    breaks(place, api, data.draw(st.integers(0, len(STREAMS[place].body))), how)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("place", SMALL, ids=[name(STREAMS[place]) for place in SMALL])
def test_u3_u4_at_every_byte_of_the_shortest(place: int, api: str, how: str) -> None:
    """In CI every third of one that is not short."""
    size = len(STREAMS[place].body)
    for at in range(0, size + 1, 1 if LONG or size < 2000 else 3):
        breaks(place, api, at, how)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("found", [found for found in STREAMS if found.dialect in API_OF], ids=name)
def test_u3_u4_what_passes_unread_breaks_off_as_truly(found: Recorded, how: str) -> None:
    """Every frame that came whole, byte for byte, and one error."""
    last, after = end_of(found)
    uncut = _passed(found, found.body, "fin")[0]
    for at in {0, 1, len(found.body) // 3, len(found.body) // 2, last - 1, after, len(found.body)}:
        lines, failed = _passed(found, found.body[:at], how)
        assert failed == (at < last)
        kept = lines
        if failed:
            closed = lines[-1:] == [DONE]
            assert closed == (found.dialect == "openai_responses")
            kept, error = lines[: -1 - closed], lines[-1 - closed]
            assert b"error" in error
        assert uncut[: len(kept)] == kept or (kept[-1] == DONE and uncut[: len(kept) - 1] == kept[:-1])


def _passed(found: Recorded, body: bytes, how: str) -> tuple[list[bytes], bool]:
    dialect = DIALECTS[found.dialect or ""]
    machine = StreamRelay(dialect, dialect, echo(stream=True), exact=True)
    return cut_off(machine, body, how), machine.failure is not None


@pytest.mark.parametrize("api", CLIENTS)
@BROADLY
@given(data=st.data())
def test_u3_half_a_whole_answer_is_none(api: str, data: st.DataObject) -> None:
    """Its client hears nothing of it but an error: the answer that it may have been is not guessed."""
    found = WHOLES[data.draw(st.integers(0, len(WHOLES) - 1))]
    body = found.body.rstrip()
    at = data.draw(st.integers(0, len(body) - 1))
    machine = Whole(
        DIALECTS[found.dialect or ""], DIALECTS[DIALECT_OF[api]], echo(stream=False), body[:at], exact=False
    )
    assert machine.failure is not None
    assert (machine.failure.status, machine.body) == (502, b"")
