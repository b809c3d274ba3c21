"""What idle connections cost a worker, and those who call meanwhile: ``python tests/bench/idle.py [--connections 10000]``.

Memory is the growth of the worker's RSS per connection: of some that have said nothing, and of some that have had an
answer. CPU is what the worker uses while nobody calls. Latency is the p99 of small calls, in alternating rounds without and with them; each figure is the median of
five. Needs twice as many file descriptors as connections in all (``ulimit -n``).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "faults")]

from chaos import chaos  # noqa: E402
from live import Live  # noqa: E402
from raw import BODY  # noqa: E402

ROUNDS, CALLS = 5, 300
QUIET_SECONDS = 10.0
ASK = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def config(url: str) -> str:
    """One backend, and an alias for it; idle connections stay for as long as they are looked at."""
    backend = f'{{provider: vllm, local: true, base_url: "{url}/v1", model: ok}}'
    return f"version: 1\ntimeouts: {{head: 10m, idle: 10m}}\nbackends: {{ok: {backend}}}\naliases: {{any: {{use: [ok]}}}}\n"


def resident(pid: int) -> int:
    """Bytes of memory that the process has in RAM."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS"))


def seconds(pid: int) -> float:
    """CPU time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def latencies(port: int, calls: int = CALLS) -> list[float]:
    """Milliseconds of so many calls, one after another on one connection, sorted."""
    line = HTTPConnection("127.0.0.1", port, timeout=30)
    found = []
    for _ in range(calls):
        began = time.perf_counter()
        line.request("POST", "/v1/chat/completions", BODY)
        answer = line.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        found.append((time.perf_counter() - began) * 1000)
    line.close()
    return sorted(found)


def p99(found: list[float]) -> float:
    return found[int(0.99 * (len(found) - 1))]


@dataclass
class Rounds:
    """Rounds of calls to one worker, all under the same conditions."""

    worker: int
    port: int
    calls: list[list[float]] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Microseconds of the worker per call."""

    def one(self) -> None:
        """One more round."""
        began = seconds(self.worker)
        self.calls.append(latencies(self.port))
        self.cpu.append((seconds(self.worker) - began) / CALLS * 1e6)


def told(name: str, before: Rounds, during: Rounds) -> None:
    """One line: p50, p99 and CPU without and with them, medians over the rounds, and how far quiet rounds differ."""
    found = []
    for what, of, unit in (("p50", statistics.median, "ms"), ("p99", p99, "ms")):
        old, new = (statistics.median(map(of, rounds.calls)) for rounds in (before, during))
        found.append(f"{what} {old:.2f} -> {new:.2f} {unit} ({new / old - 1:+.0%})")
    old, new = statistics.median(before.cpu), statistics.median(during.cpu)
    found.append(f"CPU {old:.0f} -> {new:.0f} us a call ({new / old - 1:+.0%})")
    quiet = [p99(each) for each in before.calls]
    noise = (max(quiet) - min(quiet)) / statistics.median(quiet)
    print(f"{name}: {', '.join(found)}; spread of the quiet rounds' p99 {noise:.0%}", flush=True)


@contextmanager
def idle(port: int, count: int, *, asks: bool) -> Iterator[None]:
    """So many open connections, each of which has had an answer, or said nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            if asks:
                line.sendall(ASK)
                line.recv(65536)
        time.sleep(1.5)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    count = parser.parse_args().connections
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for asks, name in ((False, "silent"), (True, "idle after an answer")):
        with chaos() as room, Live(config(room.url)) as live:
            (worker,) = live.workers()
            latencies(live.port)
            small = resident(worker)
            before, during = Rounds(worker, live.port), Rounds(worker, live.port)
            for turn in range(ROUNDS):
                before.one()
                with idle(live.port, count, asks=asks):
                    if turn == 0:
                        each = (resident(worker) - small) / count / 1024
                        before_it = seconds(worker)
                        time.sleep(QUIET_SECONDS)
                        used = (seconds(worker) - before_it) / QUIET_SECONDS
                        print(f"{count} {name}: {each:.1f} KiB each, {used:.1%} of a core", flush=True)
                    during.one()
                time.sleep(1)
            told(name, before, during)


if __name__ == "__main__":
    main()
