"""Metrics: text that a scraper reads, labels that stay few, workers that add up."""

import re
import threading
from typing import Any

import pytest

from adapters import ir
from proxy.telemetry import names
from proxy.telemetry.metrics import Meters, decode_snapshot, encode_snapshot, merge, render

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.e+-]+)')


def scrape(text: bytes) -> dict[str, float]:
    """Prometheus text, strictly: HELP and TYPE before samples, every line a sample, no series twice."""
    found: dict[str, float] = {}
    typed: set[str] = set()
    for line in text.decode().removesuffix("\n").split("\n"):
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match is not None, line
            assert match[1] in typed or re.sub("_(bucket|sum|count)$", "", match[1]) in typed
            key = line.rsplit(" ", 1)[0]
            assert key not in found
            found[key] = float(match[3])
    return found


def ended(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"api": "chat", "policy": "hybrid", "backend": "oss", "status": 200, "outcome": "ok"}
    return values | {"duration": 1.2, "stream": True} | changes


def test_a_call_is_counted_and_timed() -> None:
    meters = Meters()
    meters.request_started()
    meters.request_started()
    meters.request_ended(**ended(first_token=0.02, overhead=0.0003))
    meters.answered()
    meters.attempt("oss", "ok")
    told = scrape(meters.render())
    series = 'api="chat",policy="hybrid",backend="oss",status_class="2xx",stream="true",outcome="ok"'
    assert told[f"turnout_requests_total{{{series}}}"] == 1
    assert told["turnout_in_flight"] == 1
    assert told["turnout_answers_total"] == 1
    assert told['turnout_attempts_total{backend="oss",outcome="ok"}'] == 1
    assert told['turnout_first_token_seconds_bucket{api="chat",backend="oss",le="0.01"}'] == 0
    assert told['turnout_first_token_seconds_bucket{api="chat",backend="oss",le="0.025"}'] == 1
    assert told['turnout_first_token_seconds_bucket{api="chat",backend="oss",le="+Inf"}'] == 1
    assert told['turnout_first_token_seconds_sum{api="chat",backend="oss"}'] == 0.02
    assert told['turnout_added_latency_seconds_count{api="chat"}'] == 1


def test_a_value_on_an_edge_is_within_it() -> None:
    meters = Meters()
    meters.observe(names.FIRST_TOKEN, ("chat", "oss"), 0.005)
    assert scrape(meters.render())['turnout_first_token_seconds_bucket{api="chat",backend="oss",le="0.005"}'] == 1


def test_tokens_by_class_and_money_in_dollars() -> None:
    meters = Meters()
    meters.tokens("oss", ir.Usage(1203, 120, cached=1000), 100, 1_500_000_000)
    meters.tokens("oss", None, None, None)
    told = scrape(meters.render())
    assert told['turnout_tokens_total{backend="oss",class="input"}'] == 1203
    assert told['turnout_tokens_total{backend="oss",class="reasoning"}'] == 100
    assert 'turnout_tokens_total{backend="oss",class="cache_write"}' not in told
    assert told['turnout_cost_usd_total{backend="oss"}'] == 1.5


def test_state_gauges_and_counters_of_the_house() -> None:
    meters = Meters()
    meters.reloaded("ok", 3, 1_700_000_000.0)
    meters.reloaded("failed", 3, 1_700_000_009.0)
    meters.breaker("oss", "open")
    meters.breaker("oss", "half_open")
    meters.records("written", 2)
    meters.price_missing("oss", "unknown model")
    told = scrape(meters.render())
    assert told["turnout_config_generation"] == 3
    assert told['turnout_config_reload_total{outcome="failed"}'] == 1
    assert told["turnout_config_last_reload_ok"] == 0
    assert told["turnout_config_last_reload_timestamp_seconds"] == 1_700_000_009
    assert told['turnout_breaker_state{backend="oss"}'] == 1
    assert told['turnout_usage_records_total{state="written"}'] == 2
    assert told['turnout_price_missing_total{backend="oss",reason="unknown model"}'] == 1


def test_c16_unlisted_label_values_become_other() -> None:
    meters = Meters()
    meters.allow("backend", ["oss"])
    for backend in ("oss", None, "made-up-1", "made-up-2"):
        meters.request_ended(**ended(backend=backend))
    shown = {key.split('backend="')[1].split('"')[0] for key in scrape(meters.render()) if "requests_total{" in key}
    assert shown == {"oss", "none", "other"}


def test_c16_series_are_capped_and_the_folded_counted() -> None:
    meters = Meters(most_series=10)
    for number in range(1000):
        meters.attempt(f"made-up-{number}", "ok")
        meters.observe(names.DURATION, ("chat", f"made-up-{number}"), 1.0)
    told = scrape(meters.render())
    assert sum(key.startswith("turnout_attempts_total{") for key in told) == 11
    assert told['turnout_attempts_total{backend="other",outcome="other"}'] == 990
    assert told['turnout_request_duration_seconds_count{api="other",backend="other"}'] == 990
    assert told['turnout_series_folded_total{metric="turnout_attempts_total"}'] == 990


def test_label_values_are_escaped() -> None:
    meters = Meters()
    meters.attempt('a"b\\c\nd', "ok")
    assert rb'backend="a\"b\\c\nd"' in meters.render()
    scrape(meters.render())


def test_no_label_names_a_key_a_user_or_a_prompt() -> None:
    labels = {label for metric in names.METRICS for label in metric.labels}
    assert labels == {
        "api", "policy", "backend", "status_class", "stream", "outcome", "class", "reason", "state", "metric",
        "operation", "kind", "home", "timer",
    }  # fmt: skip


def test_workers_add_up_after_travelling_as_json() -> None:
    workers = [Meters(), Meters()]
    for generation, meters in enumerate(workers):
        meters.request_started()
        meters.request_started()
        meters.request_ended(**ended(first_token=0.02))
        meters.reloaded("ok", generation, 1_700_000_000.0 + generation)
    snapshots = [decode_snapshot(encode_snapshot(meters.snapshot())) for meters in workers]
    told = scrape(render(merge(snapshots)))
    assert told["turnout_in_flight"] == 2
    assert told["turnout_config_generation"] == 1
    # Every worker follows the same reloads: they are not as many as there are workers.
    assert told['turnout_config_reload_total{outcome="ok"}'] == 1
    assert told["turnout_config_last_reload_timestamp_seconds"] == 1_700_000_001
    assert told['turnout_first_token_seconds_count{api="chat",backend="oss"}'] == 2
    assert told['turnout_first_token_seconds_sum{api="chat",backend="oss"}'] == pytest.approx(0.04)


def test_a_snapshot_is_a_copy() -> None:
    meters = Meters()
    before = meters.snapshot()
    meters.request_ended(**ended())
    assert render(before) != meters.render()


def test_a_scrape_while_another_thread_counts_does_not_break() -> None:
    meters = Meters(most_series=2000)
    stop = threading.Event()

    def count() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            meters.add(names.RECORDS, (str(number % 2000),))

    worker = threading.Thread(target=count)
    worker.start()
    try:
        for _ in range(20):
            scrape(meters.render())
    finally:
        stop.set()
        worker.join()
