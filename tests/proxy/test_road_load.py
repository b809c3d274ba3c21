"""Load-aware spill over the real road: a simulated vLLM with real gauges, a burst, and metrics that fail."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from command_line import turnout
from live import Live
from vllm_engine import Engine
from vllm_sim import Cloud, Sim, config, simulated

TARGET = 0.6
SLACK = 2.5
"""A few busy cores serve clients, proxy and engine at once; without spill these bursts wait for more than 4 s. The
target itself is asserted in a time of its own (test_policies_load.py) and measured by tests/bench/ramp.py."""
QUICK = {"seats": 4, "base": 0.003, "each": 0.0001}


@pytest.fixture
def place() -> Iterator[tuple[Sim, Live]]:
    with (
        simulated(Engine(**QUICK), Cloud(0.02)) as (sim, local, cloud),
        Live(config(local, cloud, f"{TARGET}s")) as live,
    ):
        yield sim, live


def ask(live: Live, output: int = 100, **headers: str) -> tuple[str, float]:
    """Backend, and seconds to the first token."""
    asked: dict[str, Any] = {"model": "auto", "stream": True, "max_tokens": output}
    asked["messages"] = [{"role": "user", "content": "word" * 200}]
    began, first = time.monotonic(), 0.0
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx2.stream("POST", f"{live.base_url}/chat/completions", json=asked, headers=named, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        for line in answer.iter_lines():
            if not first and '"content":"' in line:
                first = time.monotonic() - began
    assert first
    return answer.headers["x-turnout-backend"], first


def climb(live: Live, seconds: float, rate: float, to: float = 1.0) -> list[tuple[str, float]]:
    """Calls at ``rate`` a second, rising evenly to ``to`` times that; what became of each."""
    with ThreadPoolExecutor(64) as pool:
        asked, began = [], time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            asked.append(pool.submit(ask, live))
            time.sleep(1 / (rate * (1 + (to - 1) * at / seconds)))
        return [each.result() for each in asked]


def late(found: list[tuple[str, float]]) -> float:
    """The p95 of the first tokens."""
    return sorted(first for _, first in found)[int(0.95 * (len(found) - 1))]


def test_three_times_the_capacity_goes_elsewhere_but_for_what_the_seats_can_take(place: tuple[Sim, Live]) -> None:
    sim, live = place
    assert sim.readings == 0, "nobody has asked yet, so nothing is read"
    assert {backend for backend, _ in climb(live, 1.0, 3)} == {"oss"}
    capacity = sim.engine.capacity(200, 100)
    rising = climb(live, 3.0, 0.5 * capacity, to=6.0)
    assert sim.readings > 5
    began = len(sim.used)
    found = climb(live, 2.0, 3 * capacity)
    assert late(rising + found) <= TARGET * SLACK
    assert 0.1 < sum(backend == "oss" for backend, _ in found) / len(found) < 0.7
    told = [line for line in live.log().splitlines() if '"event":"spill"' in line]
    assert len(told) == 1, told
    assert 'turnout_spill_changes_total{backend="oss",outcome="spilling"} 1' in live.get("/metrics")[1]
    used = [share for _, share in sim.used[began:]]
    assert sum(used) / len(used) > 0.6


@pytest.mark.parametrize("broken", ["hang", "error", "garbage"])
def test_failing_metrics_cost_no_call(place: tuple[Sim, Live], broken: Any) -> None:
    sim, live = place
    capacity = sim.engine.capacity(200, 100)
    climb(live, 1.5, 0.5 * capacity, to=4.0)
    sim.gauges = broken
    found = climb(live, 2.0, 2 * capacity, to=1.5)
    assert late(found) <= TARGET * SLACK
    assert {backend for backend, _ in found} == {"oss", "cloud"}


def test_restricted_calls_wait_at_home(place: tuple[Sim, Live]) -> None:
    _, live = place
    with ThreadPoolExecutor(24) as pool:
        crowd = [pool.submit(ask, live, 200) for _ in range(16)]
        private = [pool.submit(ask, live, 20, x_turnout_data_class="restricted") for _ in range(8)]
        assert {each.result()[0] for each in private} == {"oss"}
        assert all(each.result() for each in crowd)


def test_without_a_target_no_gauge_is_read() -> None:
    with simulated(Engine(**QUICK), Cloud()) as (sim, local, cloud), Live(config(local, cloud, None)) as live:
        assert ask(live)[0] == "oss"
        assert ask(live)[0] == "oss"
        assert sim.readings == 0


def test_a_rule_that_looks_at_the_load_has_it_read() -> None:
    with simulated(Engine(**QUICK), Cloud()) as (sim, local, cloud):
        text = config(local, cloud, None).replace(
            "{rules: [{use", '{rules: [{when: {load: {oss: ">=80%"}}, use: [cloud]}, {use'
        )
        with Live(text) as live:
            sim.engine.kv_tokens = 2_650
            with ThreadPoolExecutor(2) as pool:
                held = pool.submit(ask, live, 2_000)
                live.until(lambda: bool(sim.engine.running), "running")
                live.until(lambda: ask(live, 1)[0] == "cloud", "seen as full")
                assert held.result()[0] == "oss"


def test_the_reader_follows_a_reload() -> None:
    with simulated(Engine(**QUICK), Cloud(0.01)) as (sim, local, cloud), Live(config(local, cloud, "1s")) as live:
        ask(live, 5)
        live.until(lambda: sim.readings > 1, "read")
        live.write(config(local, cloud, "1s", more=", metrics: off"))
        assert live.reload()["ok"]
        ask(live, 5)
        time.sleep(0.6)
        before = sim.readings
        time.sleep(1.0)
        assert sim.readings == before


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (", metrics: never", "'never' is no place: write auto, off or http://127.0.0.1:8000/metrics"),
        (", metrics: 'http://8.8.8.8/metrics'", "the address may be public"),
        (", metrics: 'http://u:p@127.0.0.1/metrics'", "a secret stands in the URL"),
    ],
)
def test_a_place_that_cannot_be_is_told_at_check(tmp_path: Any, more: str, told: str) -> None:
    (tmp_path / "proxy.yaml").write_text(config("http://127.0.0.1:1", "http://127.0.0.1:2", "1s", more))
    found = turnout("check", tmp_path / "proxy.yaml")
    assert found.exit_code != 0
    assert told in " ".join(found.output.split())
