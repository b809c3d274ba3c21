"""The store of kept answers by itself: bounds, ages, and who is let go first; the clock is handed in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.caching import Caching, Wish
from policies.verdict import Target
from proxy.state.answers import SHARE, Answers, Flight, Kept, fresh

TARGET = Target("oss", ir.Upstream(provider="p", dialect="openai_chat", model="m"))


def kept(events: bytes = b"[]", at: float = 0.0, until: float = 1e9, **changes: Any) -> Kept:
    return Kept(request_id="r", at=at, until=until, target=TARGET, model="m", events=events, **changes)


def answers(most: int = 2**20) -> Answers:
    made = Answers()
    made.resize(most)
    return made


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=60))
def test_it_never_holds_more_than_it_may(puts: list[tuple[int, int]]) -> None:
    store, most = answers(16_384), 16_384
    for key, size in puts:
        large = kept(b"x" * size).size > most // SHARE
        assert store.put(b"%d" % key, kept(b"x" * size)) is not large
        held = [each for name in range(10) if (each := store.find(b"%d" % name)) is not None]
        assert store.size == sum(each.size for each in held) <= most


def test_the_least_used_goes_first() -> None:
    store = answers(kept().size * SHARE)
    for number in range(SHARE):
        store.put(b"%d" % number, kept())
    store.find(b"0")
    store.put(b"new", kept())
    assert [store.find(key) is not None for key in (b"0", b"1", b"2", b"new")] == [True, False, True, True]


def test_a_smaller_bound_holds_at_once() -> None:
    store = answers()
    store.put(b"a", kept(b"x" * 5000))
    store.resize(4000)
    assert (store.find(b"a"), store.size) == (None, 0)


def test_what_is_too_old_goes_when_something_new_comes() -> None:
    store = answers()
    store.put(b"old", kept(until=10.0))
    store.put(b"young", kept(at=9.0, until=20.0))
    assert store.find(b"old") is not None
    store.put(b"old", kept(until=10.0))
    store.find(b"young")
    store.put(b"new", kept(at=10.0, until=30.0))
    assert [store.find(key) is not None for key in (b"old", b"young", b"new")] == [False, True, True]


def test_a_larger_answer_than_before_is_not_kept_and_the_old_one_is_gone() -> None:
    store = answers(16_384)
    store.put(b"a", kept(b"old"))
    assert not store.put(b"a", kept(b"x" * 9000))
    assert (store.find(b"a"), store.size) == (None, 0)


@pytest.mark.parametrize(
    ("ttl", "age", "now", "may"),
    [
        (60.0, None, 100.0, True), (60.0, None, 159.9, True), (60.0, None, 160.0, False), (600.0, None, 160.0, True),
        (60.0, 10.0, 110.0, True), (60.0, 10.0, 110.1, False), (60.0, 0.0, 100.0, True), (60.0, None, 99.0, True),
    ],
)  # fmt: skip
def test_an_answer_is_fresh_by_the_rule_in_force_and_by_its_client(
    ttl: float, age: float | None, now: float, may: bool
) -> None:
    assert fresh(kept(at=100.0), Caching(ttl=ttl), Wish(age=age), now) is may


def test_a_flight_lands_once() -> None:
    flight, first = Flight(), kept(b"first")
    for each in (first, None, kept(b"later")):
        flight.land(each)
    assert flight.over.is_set()
    assert flight.kept is first
