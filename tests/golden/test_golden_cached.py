"""Every recorded answer kept, and told again to the clients of all three APIs: the same, but another answer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from checker import check_twins
from heard import CLIENTS, heard
from playing import ANSWERS, DIALECT_OF, Recorded, assert_heard, echo, events, name, tell, undo
from recordings import SHARED

from adapters import ir, recording
from adapters.catalog import DIALECTS
from adapters.recording import Recording
from adapters.relay import StreamRelay

pytestmark = pytest.mark.skipif(SHARED is None, reason="no reference folder here (TURNOUT_SHARED, ../shared)")


def kept(found: Recorded, api: str) -> list[ir.Event]:
    """What the cache gives back of an answer that a client of ``api`` was told."""
    back, heard_of = undo(found, api), Recording(10**7)
    for event in events(found):
        for told in back(event):
            heard_of.hear(told)
    return recording.decode(recording.encode(heard_of.events()))


def again(told: Sequence[ir.Event], api: str, *, stream: bool) -> bytes:
    dialect = DIALECTS[DIALECT_OF[api]]
    if not stream:
        return dialect.write_response(ir.collect(told), echo(stream=False))
    machine = StreamRelay(dialect, dialect, echo(stream=True), exact=False)
    out = machine.replay(told)
    assert machine.failure is None
    return b"".join([*out, *machine.tail])


@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("found", ANSWERS, ids=name)
def test_a_recorded_answer_is_told_again_in_both_modes(found: Recorded, api: str) -> None:
    told = kept(found, api)
    for stream in (False, True):
        assert_heard(api, found.said, heard(api, again(told, api, stream=stream), stream=stream))


@pytest.mark.parametrize("api", CLIENTS)
@pytest.mark.parametrize("found", ANSWERS, ids=name)
def test_a_recorded_answer_loses_nothing_by_being_kept(found: Recorded, api: str) -> None:
    first, later = tell(found, api, stream=False), again(kept(found, api), api, stream=False)
    check_twins(_json(later), _json(first))


def _json(body: bytes) -> dict[str, object]:
    told: dict[str, object] = msgspec.json.decode(body)
    return told
