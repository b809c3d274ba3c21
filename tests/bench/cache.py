"""What a hit of the response cache costs: the station's own work in process, and the whole call over loopback.

``make bench-cache`` prints microseconds. In process: the least of many rounds. Over loopback: one keep-alive client,
one worker, both on this machine; ``cpu`` is the worker's, user and system.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from live import Live, demo_upstream  # noqa: E402

from adapters import ir, recording  # noqa: E402
from adapters.catalog import DIALECTS  # noqa: E402
from adapters.recording import Recording  # noqa: E402
from adapters.relay import StreamRelay  # noqa: E402
from policies import caching  # noqa: E402

CALLS = 3000
ROUNDS = 200
SIZES = {"100 tokens": 400, "2,000 tokens": 8_000}
APIS = {"openai_chat": "chat", "openai_responses": "responses", "anthropic_messages": "messages"}
TEXT = "word and "


def main() -> None:
    print("us in process: the key of a question")
    for name, size in {**SIZES, "250,000 tokens": 1_000_000}.items():
        print(f"  {name:16} {least(keyed(size), 20 if size > 10_000 else ROUNDS):9.1f}")
    print("us in process: the answer told, whole and as a stream")
    for dialect in APIS:
        for name, size in SIZES.items():
            whole, streamed = (least(told(dialect, size, stream=stream), ROUNDS) for stream in (False, True))
            print(f"  {dialect:20} {name:14} {whole:8.1f} {streamed:8.1f}")
    loopback()


def question(size: int, **more: Any) -> dict[str, Any]:
    return {"model": "kept", "messages": [{"role": "user", "content": (TEXT * size)[:size]}], **more}


def keyed(size: int) -> Callable[[], object]:
    body = msgspec.json.encode(question(size))
    top = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    request = DIALECTS["openai_chat"].read_request(body)
    return lambda: caching.key(
        top, request, tenant="t", data_class=(), alias="kept", api="chat", policy_hash="h", rule="r", headers={}
    )


def told(dialect: str, size: int, *, stream: bool) -> Callable[[], object]:
    heard = Recording(10**7)
    text = (TEXT * size)[:size]
    for event in (
        ir.Started("id", "m"), ir.BlockStarted(0, "text", 0), ir.Delta(0, "text", text), ir.BlockEnded(0),
        ir.UsageReported(ir.Usage(input=5, output=5)), ir.Finished(0, "stop"), ir.Ended(),
    ):  # fmt: skip
        heard.hear(event)
    kept, wire = recording.encode(heard.events()), DIALECTS[dialect]
    echo = ir.Echo("0" * 32, 1, "kept", ir.Request(model="kept", messages=(), stream=stream))
    if stream:
        return lambda: StreamRelay(wire, wire, echo, exact=False).replay(recording.decode(kept))
    return lambda: wire.write_response(ir.collect(recording.decode(kept)), echo)


def least(work: Callable[[], object], rounds: int) -> float:
    """CPU microseconds."""
    found = []
    for _ in range(rounds):
        started = time.process_time_ns()
        work()
        found.append(time.process_time_ns() - started)
    return min(found) / 1000


def loopback() -> None:
    print(f"us over loopback, {CALLS} hits one after another: p50, p99 seen by the client; overhead told; cpu")
    with demo_upstream() as url, Live(config(url)) as live:
        for name, more in (("whole", {}), ("stream", {"stream": True})):
            show(f"hit, {name}", *calls(live, msgspec.json.encode(question(400, **more))))
        show("asked, whole", *calls(live, msgspec.json.encode(question(400) | {"model": "asked"})))


def config(url: str) -> str:
    return f"""version: 1
backends:
  oss: {{provider: vllm, base_url: "{url}/v1", model: demo-local}}
aliases:
  kept:  {{policy: kept}}
  asked: {{use: [oss]}}
policies:
  kept: {{rules: [{{set: {{cache: {{ttl: 1h}}}}, use: [oss]}}]}}
"""


def calls(live: Live, body: bytes) -> tuple[list[float], list[float], float]:
    """Latencies and told overheads in microseconds, and CPU per call."""
    connection = HTTPConnection("127.0.0.1", live.port)
    [worker] = live.workers()

    def once() -> tuple[float, float]:
        started = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        took = time.perf_counter() - started
        return took * 1e6, float(answer.headers.get("x-turnout-overhead-ms") or "nan") * 1000

    for _ in range(50):
        once()
    before = cpu(worker)
    found = [once() for _ in range(CALLS)]
    spent = (cpu(worker) - before) / CALLS * 1e6
    connection.close()
    return [took for took, _ in found], [told for _, told in found], spent


def cpu(pid: int) -> float:
    """Seconds of user and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(name: str, took: list[float], told_: list[float], spent: float) -> None:
    p99 = statistics.quantiles(took, n=100)[98]
    print(f"  {name:14} {statistics.median(took):7.0f} {p99:7.0f} {statistics.median(told_):7.0f} {spent:7.0f}")


if __name__ == "__main__":
    main()
