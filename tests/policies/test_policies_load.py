"""Load-aware spill on paper: what is predicted, who goes first, when minds change, and whole ramps in their own time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from load_paper import CLOUD, OSS, Health, Paper, poisson
from vllm_engine import Engine

from policies.load import HOLD, Load, Spill, spilled, turned
from policies.pricing import Price
from policies.queueing import Gauges, Line, Pace, Seen, predicted, share

BUSY = Load(wait=4.0, reading=0.2, waiting=12, kv=0.93, spilling=frozenset({2.0}))


def first(load: Load, **changes: object) -> str:
    given = {"ttft_target": 2.0, "restricted": False, **changes}
    return spilled([OSS, CLOUD], {"oss": load}, **given).targets[0].backend  # type: ignore[arg-type]


def test_a_late_backend_goes_behind_and_the_trace_tells_the_numbers() -> None:
    found = spilled(
        [OSS, CLOUD],
        {"oss": BUSY},
        ttft_target=2.0,
        restricted=False,
        tokens=2_000,
        price=lambda target: Price(input=3_000_000_000, output=15_000_000_000) if target is CLOUD else Price(input=0),
    )
    assert [each.backend for each in found.targets] == ["cloud", "oss"]
    assert found.notes == (
        "oss behind: it would begin in 4.2 s, target 2 s (waiting 12, KV 93%)",
        "cloud instead: about $0.006 more for 2,000 input tokens, and its output",
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "told"),
    [
        (Price(input=0), None, "the price of cloud is unknown"),
        (None, Price(input=10**9), "the price of oss is unknown"),
        (Price(input=0), Price(input=10**9), "$1 more per million input tokens"),
        (Price(input=10**9), Price(input=500_000_000), "$0.5 less per million input tokens"),
    ],
)
def test_a_cost_that_is_half_known_is_told_as_that(mine: Price | None, theirs: Price | None, told: str) -> None:
    prices = {"oss": mine, "cloud": theirs}
    found = spilled(
        [OSS, CLOUD], {"oss": BUSY}, ttft_target=2.0, restricted=False, price=lambda each: prices[each.backend]
    )
    assert found.notes[-1] == f"cloud instead: {told}"


def test_a_long_prompt_is_told_at_the_price_of_long_prompts() -> None:
    dear = Price(input=10**9, above=((200_000, Price(input=2 * 10**9)),))
    prices = {"oss": Price(input=0), "cloud": dear}
    found = spilled(
        [OSS, CLOUD],
        {"oss": BUSY},
        ttft_target=2.0,
        restricted=False,
        tokens=500_000,
        price=lambda each: prices[each.backend],
    )
    assert found.notes[-1].startswith("cloud instead: about $1 more for 500,000 input tokens")


def test_restricted_data_stays_whatever_it_costs_in_time() -> None:
    found = spilled([OSS, CLOUD], {"oss": BUSY}, ttft_target=2.0, restricted=True)
    assert found.targets == (OSS, CLOUD)
    assert found.notes[0].endswith("restricted data stays")


def test_who_is_alone_is_asked_all_the_same() -> None:
    found = spilled([OSS], {"oss": BUSY}, ttft_target=2.0, restricted=False)
    assert (found.targets, found.notes[0].endswith("nobody else is left")) == ((OSS,), True)


def test_without_a_target_or_a_measure_nothing_moves() -> None:
    assert first(BUSY, ttft_target=None) == "oss"
    assert first(Load()) == "oss"
    assert spilled([CLOUD, OSS], {"oss": BUSY}, ttft_target=2.0, restricted=False).notes == ()


def test_the_mark_is_lower_while_calls_are_being_sent_elsewhere() -> None:
    nearly = Load(wait=1.7)
    assert first(nearly) == "oss"
    assert first(Load(wait=1.7, spilling=frozenset({2.0}))) == "cloud"
    assert first(Load(wait=1.7, spilling=frozenset({5.0}))) == "oss", "that mode is for another target"
    assert first(Load(wait=1.4, spilling=frozenset({2.0}))) == "oss", "it is kept full"


def test_a_prompt_that_takes_too_long_to_read_goes_elsewhere_without_any_queue() -> None:
    idle = Load(wait=0.0, reading=0.5, usual=1_000, per_token=0.001)
    assert first(idle, tokens=1_200) == "oss"
    assert first(idle, tokens=5_000) == "cloud"


def test_a_mind_changes_at_most_once_in_thirty_seconds() -> None:
    on = turned(Spill(), 2.5, 2.0, 100.0)
    assert on == Spill(True, 100.0)
    low = turned(on, 0.1, 2.0, 101.0)
    assert low.on
    assert turned(low, 0.1, 2.0, 129.9).on, "not yet"
    off = turned(low, 0.1, 2.0, 131.0)
    assert off == Spill(False, 131.0)
    assert not turned(off, 9.0, 2.0, 131.0 + HOLD - 0.1).on
    assert turned(off, 9.0, 2.0, 131.0 + HOLD).on


def test_one_busy_moment_starts_the_wait_for_ease_again() -> None:
    low = turned(Spill(True, 0.0), 0.1, 2.0, 10.0)
    again = turned(low, 1.5, 2.0, 39.0)
    assert again.on
    assert again.low_since is None
    assert turned(turned(again, None, 2.0, 40.0), None, 2.0, 69.9).on, "what nobody can tell counts as low"


def test_a_queue_is_its_length_over_the_pace_of_its_seats() -> None:
    full = Gauges(running=8, waiting=11, kv=0.5)
    seen = Seen(gauges=full, steady=True, seats=8, occupied=2.0)
    assert predicted(seen) == pytest.approx(12 / 4)
    assert predicted(Seen(gauges=full, steady=True, seats=8, finishing=6.0, age=0.5)) == pytest.approx((12 - 3) / 6)
    assert predicted(Seen(gauges=full, steady=True, seats=8, occupied=2.0, sent=4)) == pytest.approx(16 / 4)


def test_free_seats_and_calls_on_their_way_in_are_no_queue() -> None:
    assert predicted(Seen(gauges=Gauges(running=5, waiting=0), seats=8, occupied=2.0)) == 0
    assert predicted(Seen(gauges=Gauges(running=3, waiting=1), occupied=9.0)) == 0
    assert predicted(Seen(gauges=Gauges(running=500, waiting=9), steady=True, seats=600, occupied=9.0)) == 0


def test_our_own_waiting_calls_bear_witness_against_gauges_that_lie() -> None:
    idle = Gauges(running=1, waiting=0)
    assert predicted(Seen(gauges=idle, pending=4, age_of_half=2.5, seats=8, occupied=1.0)) == pytest.approx(5.0)


def test_without_gauges_our_own_calls_are_all_there_is() -> None:
    assert predicted(Seen()) is None
    assert predicted(Seen(pending=6, age_of_half=0.1, starting=2.0, reading=0.5)) == pytest.approx(2.5)
    assert predicted(Seen(reading=0.5, seats=4, occupied=2.0, ours=7)) == pytest.approx(4 / 2)


def test_the_share_of_capacity_is_of_seats_or_memory() -> None:
    assert share(Seen(gauges=Gauges(running=6, waiting=3, kv=0.4), seats=6), None, 0) == pytest.approx(1.5)
    assert share(Seen(gauges=Gauges(running=1, kv=0.97)), 10, 0) == pytest.approx(0.97)
    assert share(Seen(), 8, 2) == pytest.approx(0.25)
    assert share(Seen(), None, 2) is None


def test_a_line_learns_what_reading_costs_and_forgets() -> None:
    line = Line()
    for at, tokens in enumerate([100, 4_000, 800, 2_000, 300, 6_000]):
        line = line.seen(tokens, 0.1 + tokens / 10_000, float(at))
    assert line.of(5_000) == pytest.approx(0.6, rel=0.05)
    assert line.seen(100, 60.0, 7.0).of(100) < 1.0, "one cold start is no rule"
    assert line.stale(5.0 + 31)
    assert Pace().rate is None


def paper(pattern: list[tuple[float, float]], **changes: object) -> tuple[Paper, float]:
    """A worker at an engine of 8 seats; ``pattern``: seconds, and the load as a multiple of its capacity."""
    engine = Engine()
    capacity, ends, total = engine.capacity(400, 100), [], 0.0
    for seconds, factor in pattern:
        total += seconds
        ends.append((total, factor * capacity))
    arrivals = poisson(lambda at: next((rate for end, rate in ends if at < end), 0.0), total)
    return Paper(arrivals, engine=engine, **changes), total  # type: ignore[arg-type]


RAMP = [(10.0, 0.3), *[(5.0, 0.3 + 0.27 * step) for step in range(1, 11)], (30.0, 3.0)]


def test_a_ramp_to_three_times_the_capacity_keeps_the_target_and_the_seats_full() -> None:
    spilling, total = paper(RAMP)
    told = spilling.run(total)
    assert told.p95() <= 1.0
    assert told.p95(total - 30) <= 1.0
    assert len(told.flips) == 1
    assert told.local(0, 10) == 1.0
    assert told.used(total - 30, total) > 0.9
    without, _ = paper(RAMP, target=None)
    assert without.run(total).p95(total - 30) > 20, "the ramp is one that hurts"


@pytest.mark.parametrize("broken", ["dead", "frozen"])
@pytest.mark.parametrize("workers", [1, 3])
def test_metrics_that_fail_in_the_midst_of_it_are_survived(broken: Health, workers: int) -> None:
    spilling, total = paper(RAMP, workers=workers, health=lambda at: "ok" if at < 40 else broken)
    told = spilling.run(total)
    assert told.p95() <= 1.1
    assert told.p95(total - 30) <= 1.2
    assert told.used(total - 30, total) > 0.85
    assert told.shortest >= HOLD


def test_an_engine_without_any_metrics_is_learned_from_our_own_calls() -> None:
    spilling, total = paper(RAMP, health=lambda _: "dead")
    told = spilling.run(total)
    assert told.p95(total - 30) <= 1.3
    assert told.used(total - 30, total) > 0.85


def test_all_calls_come_home_when_the_load_has_fallen() -> None:
    spilling, total = paper([(10.0, 0.3), (30.0, 3.0), (60.0, 0.3)])
    told = spilling.run(total)
    assert told.local(15, 40) < 0.5
    assert told.local(55, total) > 0.98
    assert [len(told.flips), told.shortest >= HOLD] == [2, True]


PATTERN = st.lists(st.tuples(st.sampled_from([3.0, 10.0, 35.0]), st.floats(0, 4)), min_size=1, max_size=4)
HEALTH = st.lists(st.sampled_from(["ok", "ok", "dead", "frozen"]), min_size=1, max_size=5)


@given(pattern=PATTERN, health=HEALTH, workers=st.integers(1, 2), target=st.sampled_from([0.5, 2.0]))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_no_mind_changes_twice_in_thirty_seconds_and_restricted_data_stays(
    pattern: list[tuple[float, float]], health: list[Health], workers: int, target: float
) -> None:
    spilling, total = paper(
        pattern,
        workers=workers,
        target=target,
        health=lambda at: health[math.floor(at / 20) % len(health)],
        restricted=lambda index: index % 3 == 0,
    )
    told = spilling.run(total + 5)
    assert told.shortest >= HOLD - 1e-6
    assert told.moved_restricted == 0
    assert len(told.starts) == len(spilling.arrivals)
