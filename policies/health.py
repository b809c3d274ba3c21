"""The breaker of one backend and credential: outcomes in, whether it is to be offered now out."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from adapters import ir

THRESHOLD = 5
"""Failures of one cause in a row that open the breaker."""
WINDOW = 10.0
"""Seconds from a failure on in which the share of failures is looked at, too."""
LEAST = 20
"""Calls of that window; of fewer, half says nothing."""
COOL_DOWN = 10.0
"""Seconds of the first pause; each pause that ends in a failed probe doubles the next."""
LONGEST = 120.0
SPREAD = 0.2
"""Share of a pause by which it is longer or shorter, so that many who saw one outage do not come back at once."""
BREAKER = "breaker"
"""The word that every reason of ours begins with."""
RAMP = 5.0
"""Seconds after a recovery in which calls come back by and by."""
_FIRST = 10.0
"""Calls a second at the beginning of a ramp; the pace doubles each second."""

Cause: TypeAlias = Literal["local", "upstream", "credential"]
"""The line to the backend, what it answered, or that it knows our credential no more."""
_CAUSES: dict[str, Cause] = {
    "unreachable": "local",
    "timeout": "local",
    "interrupted": "local",
    "overloaded": "upstream",
    "upstream_error": "upstream",
    "bad_response": "upstream",
    "upstream_auth": "credential",
}
"""A client's fault, a rate limit or a hang-up says nothing about health."""
LIMITED = "limited"
"""No cause of a breaker's: a vendor has said when to come again. Whoever shares breakers hears of that, too."""
CAUSES = ("", *_CAUSES, LIMITED)


class Terms(Struct, frozen=True):
    """How quickly a breaker opens, and for how long."""

    failures: int = THRESHOLD
    """Of one cause in a row."""
    pause: float = COOL_DOWN
    """Seconds of the first pause."""
    share: float = 0.5
    """Of the calls of a window that had enough of them."""


USUAL = Terms()


class Breaker(Struct, frozen=True):
    """Closed while ``opened_until`` is None; open until then; after that half-open: one probe at a time.

    Times are seconds of a monotonic clock that the caller hands in.
    """

    local: int = 0
    """Failures of the line in a row. An answer, good or bad, ends it."""
    upstream: int = 0
    """Bad answers in a row. A line that fails says nothing about answers."""
    since: float = 0.0
    """When the window began, with a failure; its calls so far, and those that failed."""
    calls: int = 0
    bad: int = 0
    opened_until: float | None = None
    pause: float = COOL_DOWN
    probing_since: float | None = None
    recovered: float | None = None
    """When a probe closed it, as long as calls come back by and by."""
    cause: str = ""


CLOSED = Breaker()


def word(state: Breaker) -> Literal["closed", "half_open", "open"]:
    """For the eyes of operators; a pause that is over is ``open`` until somebody probes."""
    if state.opened_until is None:
        return "closed"
    return "open" if state.probing_since is None else "half_open"


def cause_of(failure: ir.Failure) -> Cause | None:
    """Whose doing this failure is, as far as it says something about the backend; None: it says nothing."""
    return None if failure.code == ir.LOADING else _CAUSES.get(failure.kind)


def cause_named(kind: str) -> Cause:
    """The same of the word that an open breaker keeps."""
    return _CAUSES.get(kind, "local")


def available(state: Breaker, now: float) -> str | None:
    """None when the backend may be offered, else why not."""
    if state.opened_until is None:
        return None
    if now < state.opened_until:
        return f"{BREAKER} open for {state.opened_until - now:.0f} s more after {state.cause}"
    if state.probing_since is not None and now < state.probing_since + LONGEST:
        return f"{BREAKER} half-open after {state.cause}: one probe is under way"
    return None


def patience(state: Breaker, now: float) -> float:
    """Seconds after which it may be worth asking again; at least one."""
    return max((state.opened_until or now) - now, 1.0)


def started(state: Breaker, now: float) -> Breaker:
    """A try goes out. In an open breaker whose pause is over it is the probe; a probe that never reports is
    forgotten after two minutes."""
    return state if state.opened_until is None else replace(state, probing_since=now)


def succeeded(state: Breaker, now: float, *, probe: bool = True) -> Breaker:
    """An answer came. ``probe``: to a call that went out while it was half-open; one that was sent before it opened
    closes nothing. Equal states are one object, so that nothing is written for nothing."""
    if state is CLOSED:
        return state
    if state.opened_until is not None:
        return recovered(state, now) if probe and state.probing_since is not None else state
    if _over(state, now):
        return CLOSED
    return replace(state, local=0, upstream=0, calls=state.calls + 1 if _looks(state, now) else 0)


def recovered(state: Breaker, now: float) -> Breaker:
    """A probe was answered, here or elsewhere: closed, and calls come back by and by. Should it open again meanwhile,
    its pause goes on from where it was."""
    return Breaker(recovered=now, pause=state.pause)


def adopted(until: float, pause: float, cause: str) -> Breaker:
    """Somebody else has seen it open, until then."""
    return Breaker(opened_until=until, pause=pause, cause=cause)


def left(state: Breaker, *, probe: bool = True) -> Breaker:
    """A try ended without a word on the upstream (its client hung up): the next one may be the probe."""
    return replace(state, probing_since=None) if probe and state.probing_since is not None else state


def failed(
    state: Breaker, failure: ir.Failure, now: float, *, probe: bool = True, jitter: float = 0.5, terms: Terms = USUAL
) -> Breaker:
    """A try failed. What is not the upstream's doing frees the probe and changes nothing else. ``probe`` as above: only
    a failed probe lengthens the pause, calls that were under way when it opened say nothing new. ``jitter`` in 0..1
    spreads the pause."""
    cause = cause_of(failure)
    if cause is None:
        return left(state, probe=probe)
    if state.opened_until is not None:
        if not probe or state.probing_since is None:
            return state
        return _opened(state, failure, now, jitter, pause=min(LONGEST, state.pause * 2))
    state = _counted(state, cause, now)
    rows = max(state.local, state.upstream) >= terms.failures
    if rows or cause == "credential" or (state.calls >= LEAST and state.bad >= terms.share * state.calls):
        pause = terms.pause if state.recovered is None else min(LONGEST, state.pause * 2)
        return _opened(state, failure, now, jitter, pause=pause)
    return state


def allowed(state: Breaker, now: float, jitter: float) -> float | None:
    """How many calls may have gone out since it closed again; None: there is no ramp (any more). ``jitter`` in 0..1 is
    one number for a recovery, by which those who share a backend differ."""
    if state.recovered is None or now >= state.recovered + RAMP:
        return None
    return 1 + _FIRST * (0.5 + jitter) * (2 ** (now - state.recovered) - 1)


def _counted(state: Breaker, cause: Cause, now: float) -> Breaker:
    looks = _looks(state, now)
    return replace(
        state,
        local=state.local + 1 if cause == "local" else 0,
        upstream=state.upstream + 1 if cause == "upstream" else state.upstream,
        since=state.since if looks else now,
        calls=state.calls + 1 if looks else 1,
        bad=state.bad + 1 if looks else 1,
        cause=cause,
    )


def _opened(state: Breaker, failure: ir.Failure, now: float, jitter: float, *, pause: float) -> Breaker:
    until = now + pause * (1 - SPREAD + 2 * SPREAD * jitter)
    return Breaker(state.local, state.upstream, opened_until=until, pause=pause, cause=failure.kind)


def _looks(state: Breaker, now: float) -> bool:
    """Has a window begun that is not over?"""
    return state.calls > 0 and now < state.since + WINDOW


def _over(state: Breaker, now: float) -> bool:
    """Is nothing left of what was once seen?"""
    return not _looks(state, now) and (state.recovered is None or now >= state.recovered + RAMP)
