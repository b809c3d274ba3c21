"""The step after a failure, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ir
from policies.retries import Retries

KINDS = {
    # kind: (with another target left, alone at the first try, alone at the last try)
    "unreachable": ("next", "again", "stop"),
    "timeout": ("next", "stop", "stop"),
    "overloaded": ("next", "again", "stop"),
    "shed": ("next", "stop", "stop"),
    "upstream_error": ("next", "again", "stop"),
    "limited": ("next", "again", "stop"),
    "quota": ("next", "stop", "stop"),
    "bad_response": ("next", "stop", "stop"),
    "upstream_auth": ("next", "stop", "stop"),
    "invalid": ("stop", "stop", "stop"),
    "unauthorized": ("stop", "stop", "stop"),
    "forbidden": ("stop", "stop", "stop"),
    "not_found": ("next", "stop", "stop"),
    "too_large": ("stop", "stop", "stop"),
    "context_length": ("next", "stop", "stop"),
    "unsupported": ("stop", "stop", "stop"),
    "interrupted": ("next", "again", "stop"),
    "cancelled": ("stop", "stop", "stop"),
    "internal": ("stop", "stop", "stop"),
    "poor_answer": ("next", "stop", "stop"),
}


def failure(kind: str, retry_after: float | None = None) -> ir.Failure:
    return ir.Failure(kind, 502, "away", retry_after=retry_after)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table(kind: str) -> None:
    rows = ((True, 1), (False, 1), (False, 2))
    found = [
        Retries().after(failure(kind), attempt=attempt, bytes_sent=False, more_targets=more, jitter=0.0).what
        for more, attempt in rows
    ]
    assert tuple(found) == KINDS[kind]


@given(st.sampled_from(sorted(KINDS.keys() - {"poor_answer"})), st.integers(1, 5), st.booleans(), st.floats(0, 1))
def test_after_the_first_byte_nothing_is_tried_again(kind: str, attempt: int, more: bool, jitter: float) -> None:
    step = Retries(attempts=9).after(failure(kind), attempt=attempt, bytes_sent=True, more_targets=more, jitter=jitter)
    assert step.what == "stop"


@pytest.mark.parametrize("bytes_sent", [False, True])
@pytest.mark.parametrize("more", [False, True])
def test_a_bad_answer_is_asked_for_once_more_at_the_same_target(more: bool, bytes_sent: bool) -> None:
    bad = failure("bad_output")
    first = Retries().after(bad, attempt=9, bytes_sent=bytes_sent, more_targets=more)
    assert (first.what, first.wait) == ("again", 0)
    second = Retries().after(bad, attempt=1, bytes_sent=bytes_sent, more_targets=more, asked_again=True)
    assert second.what == "stop"
    late = Retries(deadline=5).after(bad, attempt=1, bytes_sent=bytes_sent, more_targets=more, elapsed=5)
    assert late.what == "stop"


@pytest.mark.parametrize(("more", "what"), [(True, "next"), (False, "stop")])
def test_what_has_begun_to_answer_is_not_asked_again(more: bool, what: str) -> None:
    """It would be paid for twice; another one may still be asked."""
    cut = failure("interrupted")
    assert Retries().after(cut, attempt=1, bytes_sent=False, more_targets=more, begun=True).what == what


@given(st.integers(1, 60), st.floats(0, 1))
def test_waits_have_full_jitter_grow_and_stay_under_the_cap(attempt: int, jitter: float) -> None:
    """Uniform in 0 .. min(cap, base * 2^n)."""
    retries = Retries(attempts=100, base=0.2, cap=5.0)
    step = retries.after(failure("overloaded"), attempt=attempt, bytes_sent=False, more_targets=False, jitter=jitter)
    assert step.what == "again"
    assert step.wait == pytest.approx(jitter * min(5.0, 0.2 * 2 ** (attempt - 1)))


@given(st.floats(0, 5), st.floats(0, 1), st.integers(1, 9))
def test_nobody_comes_back_before_a_retry_after_nor_all_at_once(told: float, jitter: float, attempt: int) -> None:
    retries = Retries(attempts=100, base=0.2, cap=5.0)
    step = retries.after(failure("limited", told), attempt=attempt, bytes_sent=False, more_targets=False, jitter=jitter)
    assert told <= step.wait <= 5.0
    assert step.wait == pytest.approx(min(5.0, told + jitter * min(5.0, 0.2 * 2 ** (attempt - 1))))


@pytest.mark.parametrize(("told", "what", "wait"), [(0.0, "again", 0.0), (3.0, "again", 3.0), (6.0, "stop", 0.0)])
def test_retry_after_is_kept_to_up_to_the_cap(told: float, what: str, wait: float) -> None:
    step = Retries(cap=5.0).after(failure("limited", told), attempt=1, bytes_sent=False, more_targets=False)
    assert (step.what, step.wait) == (what, wait)


@pytest.mark.parametrize(
    ("told", "deadline", "attempt", "later"),
    [
        (30.0, None, 1, True),  # over the cap: the client may wait so long
        (30.0, None, 2, True),
        (3.0, 2.0, 1, True),  # over the deadline
        (3600.0, None, 1, False),  # no SDK should
        (3.0, None, 2, False),  # waited for, and in vain
        (None, None, 2, False),
    ],
)
def test_a_time_that_is_too_far_for_us_may_be_the_clients(
    told: float | None, deadline: float | None, attempt: int, later: bool
) -> None:
    retries = Retries(cap=5.0, deadline=deadline)
    step = retries.after(failure("limited", told), attempt=attempt, bytes_sent=False, more_targets=False)
    assert (step.what, step.later) == ("stop", later)


def test_the_deadline_ends_all_tries() -> None:
    retries = Retries(attempts=9, deadline=10.0)

    def at(elapsed: float, *, more: bool, told: float | None = None) -> str:
        return retries.after(
            failure("limited", told), attempt=1, bytes_sent=False, more_targets=more, elapsed=elapsed
        ).what

    assert at(10.0, more=True) == "stop"
    late = retries.after(failure("limited", 3.0), attempt=1, bytes_sent=False, more_targets=True, elapsed=11.0)
    assert (late.what, late.later) == ("stop", True)
    assert at(8.0, more=False, told=3.0) == "stop"
    assert at(8.0, more=False, told=1.0) == "again"
    assert at(8.0, more=True) == "next"


def test_a_poor_answer_moves_on_after_the_promise_of_a_stream() -> None:
    """Nothing of the answer has been told; all other failures end there."""
    steps = [
        Retries().after(failure(kind), attempt=1, bytes_sent=True, more_targets=True).what
        for kind in ("poor_answer", "overloaded")
    ]
    assert steps == ["next", "stop"]
