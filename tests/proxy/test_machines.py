"""The time of a machine, shared: the shares of all calls are the time in which it was busy, no more and no less."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.state.counts import Shared
from proxy.state.machines import Clock

SECOND = 10**9


def test_a_call_that_is_alone_has_all_of_it() -> None:
    clock = Clock()
    mark = clock.enter(5 * SECOND)
    assert clock.leave(mark, 8 * SECOND) == 3 * SECOND


def test_two_share_the_time_in_which_both_are_there() -> None:
    clock = Clock()
    first = clock.enter(0)
    second = clock.enter(2 * SECOND)
    assert clock.leave(first, 6 * SECOND) == 4 * SECOND  # 2 alone, half of 4
    assert clock.leave(second, 7 * SECOND) == 3 * SECOND  # half of 4, 1 alone


def test_what_others_have_there_counts() -> None:
    clock = Clock()
    mark = clock.enter(0)
    clock.others = 3
    assert clock.leave(mark, 4 * SECOND) == SECOND


@given(st.lists(st.tuples(st.integers(0, 10 * SECOND), st.integers(1, 20 * SECOND)), min_size=1, max_size=40))
def test_the_shares_add_up_to_the_busy_time(calls: Sequence[tuple[int, int]]) -> None:
    """``calls``: when each begins, and how long it lasts."""
    clock, marks, shares = Clock(), {}, []
    moments = [(start, 1, at) for at, (start, _) in enumerate(calls)]
    moments += [(start + length, 0, at) for at, (start, length) in enumerate(calls)]
    busy = since = present = 0
    for now, begins, at in sorted(moments):
        busy += (now - since) * bool(present)
        since, present = now, present + (1 if begins else -1)
        if begins:
            marks[at] = clock.enter(now)
        else:
            shares.append(clock.leave(marks[at], now))
    assert busy - len(calls) <= sum(shares) <= busy
    assert all(share >= 0 for share in shares)


def test_a_clock_that_goes_back_takes_nothing() -> None:
    clock = Clock()
    mark = clock.enter(5 * SECOND)
    assert clock.leave(mark, 4 * SECOND) == 0


# --- between workers -----------------------------------------------------------------------------------------------


@contextmanager
def made() -> Iterator[int]:
    """The file that a supervisor makes, and its descriptor."""
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


@pytest.fixture
def page() -> Iterator[int]:
    with made() as descriptor:
        yield descriptor


def test_each_sees_what_the_others_have_told(page: int) -> None:
    first, second, third = (Shared(page, slot, 3) for slot in range(3))
    first.tell("box:1", 2)
    second.tell("box:1", 5)
    third.tell("other:1", 9)
    assert [each.others("box:1") for each in (first, second, third)] == [5, 2, 7]
    assert [each.others("other:1") for each in (first, second, third)] == [9, 9, 0]
    first.tell("box:1", 0)
    assert third.others("box:1") == 5


def test_whoever_takes_a_dead_workers_place_wipes_what_it_has_left(page: int) -> None:
    first, second = Shared(page, 0, 3), Shared(page, 1, 3)
    second.tell("box:1", 7)
    assert first.others("box:1") == 7
    Shared(page, 1, 3)
    assert first.others("box:1") == 0


def test_another_process_sees_it(page: int) -> None:
    here = Shared(page, 0, 3)
    here.tell("box:1", 4)
    child = os.fork()
    if child == 0:
        there = Shared(page, 1, 3)
        there.tell("box:1", 1)
        os._exit(there.others("box:1"))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 4
    assert here.others("box:1") == 1


def test_beyond_its_rows_each_counts_for_itself(page: int) -> None:
    first, second = Shared(page, 0, 3), Shared(page, 1, 3)
    for at in range(300):
        first.tell(f"box:{at}", 1)
    assert sum(second.others(f"box:{at}") for at in range(300)) == 256
    assert first.others("box:299") == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.text(min_size=1, max_size=5), st.integers(0, 50)), max_size=40))
def test_the_page_is_what_was_last_told(told: Sequence[tuple[int, str, int]]) -> None:
    last: dict[tuple[int, str], int] = {}
    with made() as page:
        views = [Shared(page, slot, 3) for slot in range(3)]
        for slot, place, calls in told:
            views[slot].tell(place, calls)
            last[slot, place] = calls
        for slot, view in enumerate(views):
            for place in {place for _, place in last}:
                assert view.others(place) == sum(n for (other, p), n in last.items() if p == place and other != slot)
