"""The retry budgets of one worker: kept by backend and credential, over reloads, and told to the metrics."""

from __future__ import annotations

import math
import time

import msgspec

from policies.retry_budget import RetryBudget
from proxy.snapshot import build_text
from proxy.state.retrying import Retrying
from proxy.telemetry import names
from proxy.telemetry.metrics import Meters

TEXT = """version: 1
backends:
  a: {provider: openai_compatible, base_url: "http://127.0.0.1:1/v1", model: m, credential: sk-one, timeouts: {cap: never}}
  b: {provider: openai_compatible, base_url: "http://127.0.0.1:1/v1", model: m}
aliases: {x: {use: [a, b]}}
"""
BACKENDS = build_text(TEXT, file="proxy.yaml", generation=1, env={}).backends
TWO = RetryBudget(0.0, 0.2)
"""Two retries in ten seconds."""


def test_each_backend_and_credential_has_a_budget_of_its_own() -> None:
    heard: list[tuple[str, bool]] = []
    retrying = Retrying(lambda backend, made: heard.append((backend, made)))
    a, b = BACKENDS["a"], BACKENDS["b"]
    assert [retrying.draw(a, TWO, 100.0) for _ in range(3)] == [True, True, False]
    assert retrying.draw(b, TWO, 100.0)
    assert heard == [("a", True), ("a", True), ("a", False), ("b", True)]
    again = build_text(TEXT, file="proxy.yaml", generation=2, env={}).backends["a"]
    assert not retrying.draw(again, TWO, 105.0), "a reload gives nothing back"
    other = msgspec.structs.replace(a, identity=("a", "another credential"))
    assert retrying.draw(other, TWO, 105.0)
    assert retrying.draw(a, TWO, 110.0), "what is ten seconds old is forgotten"


def test_a_share_of_the_calls_may_be_asked_again() -> None:
    retrying = Retrying(lambda *_: None)
    backend, fifth = BACKENDS["a"], RetryBudget(0.2, 0.0)
    assert not retrying.draw(backend, fifth, 50.0)
    for _ in range(10):
        retrying.tried(backend, 50.0)
    made = []
    for _ in range(3):
        made.append(retrying.draw(backend, fifth, 51.0))
        retrying.tried(backend, 51.0)
    assert made == [True, True, False]


def test_the_metrics_tell_what_is_left_when_they_are_asked() -> None:
    retrying, meters = Retrying(lambda *_: None), Meters()
    meters.watch(lambda: retrying.gauges(BACKENDS.values(), TWO))
    assert b"turnout_retry_budget_left{" not in meters.render()
    retrying.tried(BACKENDS["a"], time.monotonic())
    assert b'turnout_retry_budget_left{backend="a"} 2' in meters.render()
    retrying.draw(BACKENDS["a"], TWO, time.monotonic())
    assert b'turnout_retry_budget_left{backend="a"} 1' in meters.render()
    assert names.RETRY_BUDGET.kind == "gauge"


def test_a_stream_has_a_cap_of_an_hour_or_none() -> None:
    assert (BACKENDS["a"].timeouts.cap, BACKENDS["b"].timeouts.cap) == (math.inf, 3600.0)
