"""The breaker: when it opens, how long, who may probe, and what never counts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.health import (
    CLOSED,
    COOL_DOWN,
    LEAST,
    LONGEST,
    RAMP,
    SPREAD,
    THRESHOLD,
    WINDOW,
    Breaker,
    adopted,
    allowed,
    available,
    failed,
    left,
    patience,
    started,
    succeeded,
    word,
)


def failure(kind: str) -> ir.Failure:
    return ir.Failure(kind, 502, "away")


def after(count: int, kind: str = "unreachable", now: float = 0.0) -> Breaker:
    state = CLOSED
    for _ in range(count):
        state = failed(started(state, now), failure(kind), now)
    return state


def test_it_opens_at_the_fifth_failure_in_a_row() -> None:
    assert available(after(THRESHOLD - 1), 0.0) is None
    told = available(after(THRESHOLD), 0.0)
    assert told is not None
    assert "unreachable" in told


def test_a_success_between_failures_starts_the_count_anew() -> None:
    state = failed(succeeded(after(THRESHOLD - 1), 0.0), failure("timeout"), 0.0)
    assert available(state, 0.0) is None


def test_a_probe_whose_client_left_makes_room_for_the_next() -> None:
    opened = after(THRESHOLD)
    probing = started(opened, COOL_DOWN)
    assert available(probing, COOL_DOWN) is not None
    assert available(left(probing), COOL_DOWN) is None
    assert left(opened) is opened


def test_a_refused_credential_opens_at_once() -> None:
    assert available(after(1, "upstream_auth"), 0.0) is not None


@pytest.mark.parametrize(
    "kind", ["invalid", "context_length", "unsupported", "not_found", "limited", "quota", "cancelled", "too_large"]
)
def test_what_is_not_the_upstreams_doing_never_counts(kind: str) -> None:
    assert after(100, kind) == CLOSED


def test_half_open_lets_one_probe_through() -> None:
    state = after(THRESHOLD)
    assert available(state, COOL_DOWN - 0.1) is not None
    assert available(state, COOL_DOWN) is None
    probing = started(state, COOL_DOWN)
    assert "probe" in (available(probing, COOL_DOWN + 1) or "")
    back = succeeded(probing, COOL_DOWN + 1)
    assert (word(back), back.recovered) == ("closed", COOL_DOWN + 1)
    assert succeeded(back, COOL_DOWN + 1 + RAMP) is CLOSED


def test_a_probe_that_never_reports_is_forgotten() -> None:
    probing = started(after(THRESHOLD), COOL_DOWN)
    assert available(probing, COOL_DOWN + LONGEST) is None


def test_a_probe_that_ends_in_the_clients_fault_frees_the_place() -> None:
    probing = started(after(THRESHOLD), COOL_DOWN)
    assert available(failed(probing, failure("cancelled"), COOL_DOWN + 1), COOL_DOWN + 1) is None


def test_pauses_double_up_to_two_minutes() -> None:
    state, now, pauses = after(THRESHOLD), 0.0, []
    for _ in range(6):
        now = state.opened_until or 0.0
        state = failed(started(state, now), failure("timeout"), now)
        pauses.append((state.opened_until or 0.0) - now)
    assert pauses == [20.0, 40.0, 80.0, 120.0, 120.0, 120.0]


def test_calls_that_were_under_way_when_it_opened_do_not_lengthen_the_pause() -> None:
    state = after(THRESHOLD)
    assert failed(state, failure("timeout"), 1.0) == state
    probing = started(state, COOL_DOWN)
    assert failed(probing, failure("timeout"), COOL_DOWN + 1, probe=False) is probing
    assert succeeded(probing, COOL_DOWN + 1, probe=False) is probing
    assert left(probing, probe=False) is probing


def test_nothing_new_is_the_same_object() -> None:
    assert succeeded(CLOSED, 1.0) is CLOSED
    assert started(CLOSED, 1.0) is CLOSED


@given(st.lists(st.tuples(st.sampled_from(["ok", "timeout", "invalid", "upstream_auth"]), st.floats(0, 300))))
def test_it_always_opens_again_some_time(story: list[tuple[str, float]]) -> None:
    state, now = CLOSED, 0.0
    for what, passed in story:
        now += passed
        if available(state, now) is not None:
            continue
        state = started(state, now)
        state = succeeded(state, now) if what == "ok" else failed(state, failure(what), now)
    assert available(state, now + LONGEST) is None


@pytest.mark.parametrize("kinds", [("unreachable", "timeout", "interrupted"), ("overloaded", "upstream_error")])
def test_causes_of_one_kind_make_one_row(kinds: tuple[str, ...]) -> None:
    state = CLOSED
    for at in range(THRESHOLD):
        assert available(state, 0.0) is None
        state = failed(state, failure(kinds[at % len(kinds)]), 0.0)
    assert word(state) == "open"


def test_the_line_and_the_answers_are_counted_apart() -> None:
    """An answer, however bad, shows that the line is whole; a line that fails says nothing of answers."""
    state = after(THRESHOLD - 1, "timeout")
    state = failed(state, failure("upstream_error"), 0.0)
    assert (state.local, state.upstream) == (0, 1)
    state = after(THRESHOLD - 1, "upstream_error")
    state = failed(state, failure("timeout"), 0.0)
    assert (state.local, state.upstream, word(state)) == (1, THRESHOLD - 1, "closed")
    assert word(failed(state, failure("overloaded"), 0.0)) == "open"


def mixed(calls: int, every: int, seconds: float) -> Breaker:
    """Of so many calls within so many seconds every so-and-so-manieth is answered, and the others fail."""
    state = CLOSED
    for at in range(calls):
        now = at * seconds / calls
        state = succeeded(state, now) if at % every == every - 1 else failed(state, failure("upstream_error"), now)
    return state


def test_half_of_many_calls_within_the_window_open_it_too() -> None:
    assert word(mixed(LEAST - 1, 2, 5.0)) == "closed"
    assert word(mixed(LEAST + 1, 2, 5.0)) == "open"
    assert word(mixed(LEAST * 10, 2, WINDOW * 20)) == "closed"


def test_a_third_that_fails_does_not_open_it() -> None:
    state = CLOSED
    for at in range(300):
        now = at * 0.01
        state = failed(state, failure("upstream_error"), now) if at % 3 == 0 else succeeded(state, now)
        assert word(state) == "closed"


def test_a_window_ends() -> None:
    state = failed(CLOSED, failure("timeout"), 0.0)
    assert succeeded(state, WINDOW - 0.1) is not CLOSED
    assert succeeded(state, WINDOW) is CLOSED


def test_pauses_spread() -> None:
    early, late = (failed(after(THRESHOLD - 1), failure("timeout"), 0.0, jitter=jitter) for jitter in (0.0, 1.0))
    assert early.opened_until == pytest.approx(COOL_DOWN * (1 - SPREAD))
    assert late.opened_until == pytest.approx(COOL_DOWN * (1 + SPREAD))
    assert patience(early, 0.0) == early.opened_until
    assert patience(early, COOL_DOWN) == 1.0


def test_after_a_recovery_calls_come_back_by_and_by() -> None:
    back = succeeded(started(after(THRESHOLD), COOL_DOWN), 100.0)
    allowances = [allowed(back, 100.0 + at / 10, 0.5) or 0.0 for at in range(int(RAMP * 10))]
    steps = [after - before for before, after in pairwise(allowances)]
    assert allowances[0] == 1
    assert steps == sorted(steps)
    assert max(steps[:10]) < 2
    assert all(after <= before * 1.08 for before, after in pairwise(steps))
    assert allowed(back, 100.0 + RAMP, 0.5) is None
    assert allowed(CLOSED, 100.0, 0.5) is None
    assert (allowed(back, 101.0, 0.0) or 0) < (allowed(back, 101.0, 1.0) or 0)


def test_who_falls_again_while_it_recovers_stays_away_for_longer() -> None:
    state = succeeded(started(after(THRESHOLD), COOL_DOWN), 100.0)
    for _ in range(THRESHOLD):
        state = failed(state, failure("timeout"), 101.0)
    assert (state.pause, state.opened_until) == (2 * COOL_DOWN, 101.0 + 2 * COOL_DOWN)


def test_what_others_have_seen_holds_here() -> None:
    state = adopted(5.0, 20.0, "timeout")
    assert "timeout" in (available(state, 4.0) or "")
    assert available(state, 5.0) is None
    assert failed(started(state, 5.0), failure("timeout"), 6.0).pause == 40.0


OUTCOMES = ["ok", "timeout", "upstream_error", "invalid", "limited", "cancelled", "upstream_auth"]


@given(st.lists(st.tuples(st.sampled_from(OUTCOMES), st.floats(0, 20), st.integers(0, 5)), max_size=80))
def test_there_never_are_two_probes(story: list[tuple[str, float, int]]) -> None:
    """Calls overlap: each is begun, and ends a few steps later."""
    state, now = CLOSED, 0.0
    under_way: list[tuple[int, str, bool]] = []
    for step, (what, passed, lasts) in enumerate(story):
        now += passed
        if available(state, now) is None:
            probe = state.opened_until is not None
            assert not probe or state.probing_since is None or now >= state.probing_since + LONGEST
            state = started(state, now)
            under_way.append((step + lasts, what, probe))
        for end, ended, probe in [each for each in under_way if each[0] <= step]:
            under_way.remove((end, ended, probe))
            if ended == "ok":
                state = succeeded(state, now, probe=probe)
            else:
                state = failed(state, failure(ended), now, probe=probe)


@given(
    st.lists(st.tuples(st.sampled_from(["ok", "invalid", "limited", "not_found", "context_length"]), st.floats(0, 5)))
)
def test_it_never_opens_on_what_the_client_did(story: list[tuple[str, float]]) -> None:
    state, now = CLOSED, 0.0
    for what, passed in story:
        now += passed
        state = succeeded(state, now) if what == "ok" else failed(state, failure(what), now)
    assert state == CLOSED


@given(st.integers(1, 60), st.integers(0, 30))
def test_it_is_open_after_a_row_whatever_was_before(good: int, bad: int) -> None:
    state = CLOSED
    for _ in range(good):
        state = succeeded(state, 0.0)
    for at in range(bad):
        state = failed(state, failure("unreachable"), 0.01 * at)
    assert (word(state) == "open") == (bad >= THRESHOLD)
