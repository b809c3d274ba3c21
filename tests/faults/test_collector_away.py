"""A collector that is away, or hangs: no call waits for it, what it did not take is counted, and it gets spans again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from chaos import Chaos
from live import Live, free_port
from talk import ask

QUICK = 1.0
"""Seconds, for a call that takes some milliseconds."""


@contextmanager
def collector(port: int, *, answers: bool) -> Iterator[None]:
    """Takes connections and reads; answers each request, or none."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        threading.Thread(target=_take, args=(listener, answers), daemon=True).start()
        yield
        # A thread in accept() would keep the port.
        listener.shutdown(socket.SHUT_RDWR)


def _take(listener: socket.socket, answers: bool) -> None:
    with suppress(OSError):
        while True:
            taken, _ = listener.accept()
            threading.Thread(target=_read, args=(taken, answers), daemon=True).start()


def _read(taken: socket.socket, answers: bool) -> None:
    with taken, suppress(OSError):
        while taken.recv(1 << 20):
            if answers:
                taken.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                return


def spans(live: Live, outcome: str) -> int:
    name = f'turnout_spans_total{{outcome="{outcome}"}} '
    lines = live.get("/metrics")[1].splitlines()
    return int(next((line.removeprefix(name) for line in lines if line.startswith(name)), "0"))


def text(room: Chaos, port: int) -> str:
    return f"""version: 1
backends: {{ok: {{provider: vllm, local: true, base_url: "{room.url}/v1", model: ok}}}}
telemetry: {{otlp: "http://127.0.0.1:{port}"}}
"""


def slowest(live: Live, count: int = 12) -> float:
    """Seconds of the slowest of so many calls."""
    most = 0.0
    for at in range(count):
        began = time.monotonic()
        assert ask(live.url, "chat", "backend/ok", stream=bool(at % 2)).status == 200
        most = max(most, time.monotonic() - began)
    return most


def test_p13_a_collector_that_is_away_or_hangs_costs_spans_and_no_request(room: Chaos) -> None:
    port = free_port()
    with Live(text(room, port)) as live:
        assert slowest(live) < QUICK
        live.until(lambda: spans(live, "failed") > 0, "refused spans counted")
        with collector(port, answers=False):
            failed = spans(live, "failed")
            assert slowest(live) < QUICK
            live.until(lambda: spans(live, "failed") > failed, "a time-out counted")
            assert slowest(live) < QUICK
        with collector(port, answers=True):
            assert slowest(live) < QUICK
            live.until(lambda: spans(live, "exported") > 0, "spans taken again")
        began = time.monotonic()
        assert live.stop() == 0
        assert time.monotonic() - began < 8
