"""The gauges of local engines as they are told: every engine's own names, several engines, junk, hostile pages."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_engine import Engine

from adapters.providers import PROVIDERS
from policies.queueing import Gauges
from proxy.snapshot import build_text
from proxy.state.loads import Loads, Watch
from proxy.upstream.gauges import Watcher, headers, parse
from proxy.upstream.stock import StockEngine

VLLM = PROVIDERS["vllm"].gauges


def test_vllm_tells_all_four() -> None:
    engine = Engine(seats=2, kv_tokens=10_000, finished=7)
    for _ in range(5):
        engine.submit(1_000, 500)
    engine.step(0.001)
    assert parse(engine.metrics().encode(), VLLM) == Gauges(running=2, waiting=3, kv=0.3, finished=7)


def test_engines_are_added_up_and_their_memory_averaged() -> None:
    page = b"""# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_running{engine="1",name="a } \\" b"} 4.0 1700000000
vllm:num_requests_waiting{engine="0"} 1e1
vllm:gpu_cache_usage_perc{engine="0"} 0.9
vllm:kv_cache_usage_perc{engine="0"} 0.2
vllm:kv_cache_usage_perc{engine="1"} 0.4
"""
    found = parse(page, VLLM)
    assert found is not None
    assert (found.running, found.waiting, found.finished) == (7, 10, None)
    assert found.kv == pytest.approx(0.3), "the newer name stands for both"


@pytest.mark.parametrize(
    ("provider", "page", "running", "waiting"),
    [
        ("llama_cpp", b"llamacpp:requests_processing 4\nllamacpp:requests_deferred 46\n", 4, 46),
        ("tgi", b"tgi_batch_current_size 12\r\ntgi_queue_size 3\r\n", 12, 3),
        (
            "openai_compatible",
            b'sglang:num_running_reqs{tp_rank="0"} 5.0\nsglang:num_queue_reqs{tp_rank="0"} 2.0\n',
            5,
            2,
        ),
    ],
)
def test_others_have_their_own_names(provider: str, page: bytes, running: float, waiting: float) -> None:
    found = parse(page, PROVIDERS[provider].gauges)
    assert found is not None
    assert (found.running, found.waiting) == (running, waiting)


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<html>no</html>",
        b"vllm:num_requests_running NaN\n",
        b"vllm:num_requests_running -3\nvllm:num_requests_running 1e400\nvllm:num_requests_running 1e+e\n",
        b"vllm:num_requests_waiting 3\n",
        b'vllm:num_requests_running{x="} 3\n',
        b"xvllm:num_requests_running 3\nvllm:num_requests_running_total 3\n",
    ],
)
def test_what_makes_no_sense_is_no_gauge(page: bytes) -> None:
    assert parse(page, VLLM) is None


@given(st.binary(max_size=400))
def test_no_page_breaks_the_reader(junk: bytes) -> None:
    found = parse(b"vllm:num_requests_running 3\n" + junk, VLLM)
    assert found is not None
    assert found.running is not None


@pytest.mark.parametrize(
    "part",
    [b'vllm:num_requests_running{a="', b"vllm:num_requests_running{", b'"\\', b"vllm:num_requests_running 1 ", b" "],
)
def test_a_hostile_page_costs_no_time(part: bytes) -> None:
    began = time.perf_counter()
    parse(part * (4_000_000 // len(part)), VLLM)
    assert time.perf_counter() - began < 0.5


CONFIG = """version: 1
backends:
  near: {provider: vllm, base_url: "http://10.0.0.1:8000/v1", model: m, credential: sk-its-own-secret}
  far:  {provider: vllm, base_url: "http://10.0.0.1:8000/v1", model: m, credential: sk-its-own-secret,
         metrics: "http://10.0.0.1:9090/vllm"}
  off:  {provider: vllm, base_url: "http://10.0.0.1:8000/v1", model: m, metrics: off}
  none: {provider: ollama, model: m}
  away: {provider: openai_compatible, base_url: "https://api.example.com/v1", model: m, credential: sk-far}
aliases: {auto: {use: [near], ttft_target: 1500ms}}
policies:
  p: {ttft_target: 3s, rules: [{use: [near], ttft_target: 2}]}
"""


def test_only_engines_of_ones_own_are_read_and_a_key_goes_to_its_own_origin() -> None:
    snapshot = build_text(CONFIG, file="proxy.yaml", generation=1, env={})
    assert {name: each.metrics for name, each in snapshot.backends.items()} == {
        "near": "http://10.0.0.1:8000/metrics",
        "far": "http://10.0.0.1:9090/vllm",
        "off": None,
        "none": None,
        "away": None,
    }
    assert headers(snapshot.backends["near"])["authorization"] == "Bearer sk-its-own-secret"
    assert "authorization" not in headers(snapshot.backends["far"])
    assert snapshot.ttft_targets == {1.5, 2.0, 3.0}


def test_a_call_that_leaves_a_queue_has_left() -> None:
    """Whoever began between two looks was put back among those that ride, and stayed there for ever."""
    watch = Watch()
    watch.wanted = 0.0
    for at in (0.0, 1.0):
        watch.read(Gauges(running=4, waiting=3 + at), at)
    call: Any = SimpleNamespace(first_event=None, sent=1.0, streamed=True, cold=False, usage=None)
    watch.enter(call, 1.1)
    call.first_event = 1.5
    watch.leave(call, 1.6)
    assert watch.load(2, frozenset(), 10.0).share == 0.0


@pytest.mark.anyio
async def test_a_look_from_the_thread_of_large_requests_wakes_the_watcher() -> None:
    """Only the loop's own thread may set an event; asyncio says so in debug mode, uvloop breaks."""
    asyncio.get_running_loop().set_debug(True)
    loads, looked = Loads(), asyncio.Event()
    snapshot = build_text("version: 1\n", file="x", generation=1, env={})

    def now() -> Any:
        looked.set()
        return snapshot

    watching = asyncio.create_task(Watcher(StockEngine(), loads, now).run())
    try:
        await asyncio.sleep(0)
        await asyncio.to_thread(loads.looked)
        async with asyncio.timeout(10):
            await looked.wait()
    finally:
        watching.cancel()
