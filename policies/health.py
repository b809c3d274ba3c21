"""The breaker of one backend and credential: outcomes in, whether it is to be offered now out."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from adapters import ir

THRESHOLD = 5
"""Failures in a row that open the breaker."""
COOL_DOWN = 10.0
"""Seconds of the first pause; each pause that ends in a failed probe doubles the next."""
LONGEST = 120.0

_COUNTS = frozenset({"unreachable", "timeout", "overloaded", "upstream_error", "bad_response", "interrupted"})
"""The upstream's own doing. A client's fault, a rate limit or a hang-up says nothing about health."""
_OPENS = frozenset({"upstream_auth"})
"""A credential that is refused will be refused again."""


class Breaker(Struct, frozen=True):
    """Closed while ``opened_until`` is None; open until then; after that half-open: one probe at a time.

    Times are seconds of a monotonic clock that the caller hands in.
    """

    failures: int = 0
    opened_until: float | None = None
    pause: float = COOL_DOWN
    probing_since: float | None = None
    cause: str = ""


CLOSED = Breaker()


def word(state: Breaker) -> Literal["closed", "half_open", "open"]:
    """For the eyes of operators; a pause that is over is ``open`` until somebody probes."""
    if state.opened_until is None:
        return "closed"
    return "open" if state.probing_since is None else "half_open"


def available(state: Breaker, now: float) -> str | None:
    """None when the backend may be offered, else why not."""
    if state.opened_until is None:
        return None
    if now < state.opened_until:
        return f"breaker open for {state.opened_until - now:.0f} s more after {state.cause}"
    if state.probing_since is not None and now < state.probing_since + LONGEST:
        return f"breaker half-open after {state.cause}: one probe is under way"
    return None


def started(state: Breaker, now: float) -> Breaker:
    """A try goes out. In an open breaker whose pause is over it is the probe; a probe that never reports is
    forgotten after two minutes."""
    return state if state.opened_until is None else replace(state, probing_since=now)


def succeeded(state: Breaker) -> Breaker:
    """An answer came: closed, and forgotten. Equal states are one object, so that nothing is written for nothing."""
    return state if state == CLOSED else CLOSED


def left(state: Breaker) -> Breaker:
    """A try ended without a word on the upstream (its client hung up): the next one may be the probe."""
    return state if state.probing_since is None else replace(state, probing_since=None)


def failed(state: Breaker, failure: ir.Failure, now: float) -> Breaker:
    """A try failed. What is not the upstream's doing frees the probe and changes nothing else."""
    if failure.kind not in _COUNTS | _OPENS or failure.code == ir.LOADING:
        return left(state)
    failures = state.failures + 1
    if state.opened_until is not None:
        return _reopened(state, failure, failures, now)
    if failure.kind in _OPENS or failures >= THRESHOLD:
        return Breaker(failures, now + COOL_DOWN, COOL_DOWN, None, failure.kind)
    return replace(state, failures=failures, cause=failure.kind)


def _reopened(state: Breaker, failure: ir.Failure, failures: int, now: float) -> Breaker:
    """Only a failed probe lengthens the pause: calls that were under way when it opened say nothing new."""
    if state.probing_since is None:
        return state
    pause = min(LONGEST, state.pause * 2)
    return Breaker(failures, now + pause, pause, None, failure.kind)
