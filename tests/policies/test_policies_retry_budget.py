"""The retry budget: a share of what goes to a backend and a small floor, whatever the traffic looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.retry_budget import SECONDS, Recent, RetryBudget, is_free


@pytest.mark.parametrize(
    ("tries", "retries", "left"),
    [(0, 0, 30), (1, 0, 30), (100, 0, 50), (130, 30, 20), (30, 30, 0), (1000, 0, 230), (1200, 230, 0)],
)
def test_a_share_and_a_floor(tries: int, retries: int, left: int) -> None:
    assert RetryBudget(0.2, 3.0).left(tries, retries) == left


def test_without_a_budget_nothing_is_asked_again() -> None:
    assert RetryBudget(0.0, 0.0).left(1000, 0) == 0


@given(st.lists(st.floats(0, 100), max_size=60), st.floats(0, 30))
def test_what_is_recent_is_what_happened_in_the_last_ten_seconds(moments: list[float], later: float) -> None:
    recent = Recent()
    for moment in sorted(moments):
        recent.add(moment)
    now = max(moments, default=0.0) + later
    assert recent.count(now) == sum(int(now) - int(moment) < SECONDS for moment in moments)
    assert recent.count(now) == recent.count(now)


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), min_size=1, max_size=300), st.floats(0, 1), st.floats(0, 5))
def test_no_traffic_gets_more_retries_than_its_budget(
    traffic: list[tuple[float, bool]], share: float, floor: float
) -> None:
    """Every call wants a retry; some come in crowds."""
    budget, tries, retries = RetryBudget(share, floor), Recent(), Recent()
    now, calls, made = 0.0, 0, 0
    for pause, at_once in traffic:
        now += 0.0 if at_once else pause
        calls += 1
        tries.add(now)
        if budget.left(tries.count(now), retries.count(now)) > 0:
            made += 1
            retries.add(now)
            tries.add(now)
        first = tries.count(now) - retries.count(now)
        assert retries.count(now) <= share * max(first, calls) + floor * SECONDS
    spans = now // SECONDS + 1
    assert made <= share * calls * 2 + floor * SECONDS * (spans + 1)


@pytest.mark.parametrize(
    ("kind", "code", "free"),
    [
        ("overloaded", ir.LOADING, True),
        ("bad_output", "structured_output_invalid", True),
        ("overloaded", "upstream_overloaded", False),
        ("upstream_error", "upstream_error", False),
        ("unreachable", "upstream_unreachable", False),
    ],
)
def test_what_burdens_nobody_is_free(kind: str, code: str, free: bool) -> None:
    assert is_free(ir.Failure(kind, 503, "away", code=code)) is free
