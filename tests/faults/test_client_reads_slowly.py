"""Clients that read slowly or not at all: memory is bounded by back-pressure, and nobody is waited for forever."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from flood import EVENTS, Flood, Sent, flood
from live import Live
from raw import HEAD, Line
from talk import until


@pytest.fixture(scope="module")
def spring() -> Iterator[Flood]:
    with flood() as made:
        yield made


MODELS = ("50-end", "12-stall", "1-stall", "3-end")


def _config(url: str, more: str) -> str:
    at = f'provider: vllm, local: true, base_url: "{url}/v1"'
    backends = [f"  m{model}: {{{at}, model: {model}}}" for model in MODELS]
    return "\n".join(["version: 1", "backends:", *backends, more])


@pytest.fixture(scope="module")
def hasty(spring: Flood) -> Iterator[Live]:
    with Live(_config(spring.url, "timeouts: {write: 1s, keepalive: 100ms, idle: 1s}")) as made:
        yield made


@pytest.fixture(scope="module")
def patient(spring: Flood) -> Iterator[Live]:
    with Live(_config(spring.url, "")) as made:
        yield made


class Reader(Line):
    """A client whose system takes little for it."""

    def __init__(self, port: int, model: str, *, room: int | None = 4096) -> None:
        asked = {"model": f"backend/m{model}", "stream": True, "messages": [{"role": "user", "content": "Hi!"}]}
        body = msgspec.json.encode(asked)
        self.socket = socket.socket()
        self.socket.settimeout(20)
        if room is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.connect(("127.0.0.1", port))
        self._reader = self.socket.makefile("rb", 2**18)
        self.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def await_head(self) -> None:
        assert self.socket.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"


@pytest.mark.parametrize("model", ["12-stall", "1-stall"], ids=["more than fits", "all in the system's buffers"])
def test_c2_a_client_that_reads_nothing_has_left(hasty: Live, spring: Flood, model: str) -> None:
    """Row 499 and the upstream closed, although keep-alives are written all the time."""
    before, rows = len(spring.sent), len(hasty.rows())
    with Reader(hasty.port, model) as reader:
        reader.await_head()
        sent = until(lambda: spring.sent[before:], "asked")[0]
        until(lambda: sent.gone, "closed at the upstream")
        row = until(lambda: hasty.rows()[rows:], "recorded")[0]
    assert (row.status, row.outcome, row.backend) == (499, "cancelled", f"m{model}")


def test_c2_a_client_that_reads_slowly_is_served(hasty: Live, spring: Flood) -> None:
    """For longer than every timer, and after the upstream has long ended."""
    with Reader(hasty.port, "3-end", room=65536) as reader:
        reader.await_head()
        read, began = b"", time.monotonic()
        while not read.endswith(b"0\r\n\r\n"):
            more = reader.socket.recv(100_000)
            assert more, "it was cut"
            read = read[-100:] + more
            time.sleep(0.06)  # slow is what is tested
        assert time.monotonic() - began > 2.0
    assert b"[DONE]" in read


def test_c3_back_pressure_bounds_what_a_reader_costs(patient: Live, spring: Flood) -> None:
    """Of 50 MB the worker holds less than 2 for a client that reads nothing; then it reads on and gets every byte."""
    with Reader(patient.port, "3-end", room=None) as warm:  # what a first stream brings for all later ones
        assert warm.hear() is not None
    (worker,), before = patient.workers(), len(spring.sent)
    small = _resident(worker)
    with Reader(patient.port, "50-end", room=None) as reader:
        sent = until(lambda: spring.sent[before:], "asked")[0]
        held = until(lambda: _stopped(sent), "held back", 20)
        assert held < 25 * EVENTS
        assert _resident(worker) - small < 2 * 2**20
        said = reader.hear()
    assert said is not None
    assert said.body.count(b"x" * 16_000) == 50 * EVENTS
    assert said.body.endswith(b"data: [DONE]\n\n")
    assert _resident(worker) - small < 4 * 2**20


def _stopped(sent: Sent) -> int:
    """How far it got, once it gets no further."""
    before = sent.events
    time.sleep(0.3)
    after = sent.events
    return after if after == before else 0


def _resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS"))
