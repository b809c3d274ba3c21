"""The client leaves: its upstream is closed within a second, in every phase, and the row says so."""

import socket
import time

import pytest
from chaos import WORDS, Chaos, Seen
from live import Live
from talk import APIS, Api, Caller, ask, at, until

from proxy.ledger.record import UsageRecord

PHASES = {
    "waiting for headers": ("stall", True, None),
    "waiting for the first event": ("stall-first", True, None),
    "in a silence of the stream": ("stall-mid", True, b" the"),
    "in the flow of the stream": ("endless", True, b"on and on"),
    "waiting for a whole answer": ("stall", False, None),
    "in the midst of a whole answer": ("stall-mid", False, None),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("phase", PHASES)
def test_g68_c1_a_hang_up_closes_the_upstream_in_every_phase(broken: Live, room: Chaos, api: Api, phase: str) -> None:
    model, stream, mark = PHASES[phase]
    backend = at(model, "patient", api, stream)
    before = len(room.of(model))
    known = {row.request_id for row in broken.rows()}
    caller = Caller(broken.port, api, f"backend/{backend}", stream=stream)
    seen: Seen = until(lambda: room.of(model)[before:], "asked")[0]
    if mark is not None:
        caller.read_until(mark)
    left = caller.hang_up()
    gone = until(lambda: seen.gone, "closed at the upstream")
    assert gone - left < 1.0
    (row,) = until(lambda: [r for r in broken.rows() if r.request_id not in known], "recorded")
    assert (row.status, row.outcome, row.backend, row.api) == (499, "cancelled", backend, api)
    assert row.stream is stream


def test_c1_half_a_body_asks_nobody(broken: Live, room: Chaos) -> None:
    before, rows = len(room.seen), len(broken.rows())
    with socket.create_connection(("127.0.0.1", broken.port)) as half:
        half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
    heard = ask(broken.url, "chat", "any")
    assert (heard.status, len(room.seen) - before, len(broken.rows()) - rows) == (200, 1, 1)


def test_c1_hang_up_between_two_tries(broken: Live, room: Chaos) -> None:
    """A retry that waits for its time must not go out for a client that has left."""
    broken_text = broken.config.read_text()
    broken.write(broken_text.replace("attempts: 1", "attempts: 3, cap: 8s"))
    try:
        assert broken.reload()["ok"]
        before = len(room.of("503-later"))
        caller = Caller(broken.port, "chat", "backend/503-later-patient-chat-stream", stream=True)
        until(lambda: len(room.of("503-later")) > before, "asked")
        caller.hang_up()
        row = until(
            lambda: [r for r in broken.rows() if r.backend == "503-later-patient-chat-stream"], "recorded", 4.0
        )[0]
        assert (row.status, row.outcome) == (499, "cancelled")
        assert len(room.of("503-later")) - before == 1
    finally:
        broken.write(broken_text)
        assert broken.reload()["ok"]


@pytest.fixture(scope="module")
def finished(broken: Live) -> list[UsageRecord]:
    """Rows of answers whose clients left the moment they had them: each on a connection of its own."""
    ids = []
    for _ in range(25):
        for stream, mark in ((True, b"[DONE]"), (False, b'"usage"')):
            caller = Caller(broken.port, "chat", "any", stream=stream)
            read = caller.read_until(mark)
            caller.hang_up()
            ids.append(read.split(b"x-request-id: ")[1].split(b"\r\n")[0].decode())
    return [row for request_id in ids for row in broken.rows_of(request_id)]


def test_a_finished_answer_is_never_recorded_as_cancelled(finished: list[UsageRecord]) -> None:
    assert len(finished) == 50
    assert {(row.outcome, row.status) for row in finished} == {("ok", 200)}


def test_hang_ups_leave_the_pool_and_the_places_whole(broken: Live, room: Chaos) -> None:
    """U19: whoever leaves takes nothing along."""
    for _ in range(20):
        before = len(room.of("endless"))
        caller = Caller(broken.port, "chat", "backend/endless-patient-chat-stream", stream=True)
        caller.read_until(b"on and on")
        caller.hang_up()
        seen = until(lambda before=before: room.of("endless")[before:], "asked")[0]
        until(lambda seen=seen: seen.gone, "closed at the upstream")
    began = time.monotonic()
    assert ask(broken.url, "chat", "any", stream=True).text == "".join(WORDS)
    assert time.monotonic() - began < 1.0
    until(lambda: set(_in_flight(broken)) == {0.0}, "every place is free")


def _in_flight(live: Live) -> list[float]:
    _, text = live.get("/metrics")
    lines = [line for line in text.splitlines() if "in_flight" in line and not line.startswith("#")]
    return [float(line.split()[-1]) for line in lines]
