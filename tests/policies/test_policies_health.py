"""The breaker: when it opens, how long, who may probe, and what never counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.health import CLOSED, COOL_DOWN, LONGEST, THRESHOLD, Breaker, available, failed, left, started, succeeded


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
    state = failed(succeeded(after(THRESHOLD - 1)), failure("timeout"), 0.0)
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
    assert succeeded(probing) == CLOSED


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


def test_nothing_new_is_the_same_object() -> None:
    assert succeeded(CLOSED) is CLOSED
    assert started(CLOSED, 1.0) is CLOSED


@given(st.lists(st.tuples(st.sampled_from(["ok", "timeout", "invalid", "upstream_auth"]), st.floats(0, 300))))
def test_it_always_opens_again_some_time(story: list[tuple[str, float]]) -> None:
    state, now = CLOSED, 0.0
    for what, passed in story:
        now += passed
        if available(state, now) is not None:
            continue
        state = started(state, now)
        state = succeeded(state) if what == "ok" else failed(state, failure(what), now)
    assert available(state, now + LONGEST) is None
