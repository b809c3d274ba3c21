"""What a machine of the operator's own costs: its hours shared among the calls that used it, and those that nobody did.

Time is in nanoseconds, money in nano-dollars. A share is what one call had of the machine's time: of calls at one
moment each has an equal part, so that the shares of all add up to the time in which the machine was busy.
"""

from __future__ import annotations

from msgspec import Struct

from adapters import ir
from policies.pricing import Price

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
_MILLION = 1_000_000
INPUT_WEIGHT = 10
"""So many tokens of a prompt take a machine as long as one of its answer; our own figure, for estimates alone."""
_FEW = 5
"""Calls that must have been seen before anything is foreseen."""
_KEPT = 0.98
"""Of what was seen before each further call: half of it counts no more after 34."""


class Machine(Struct, frozen=True):
    """Nano-dollars an hour, at work and while nobody asks."""

    busy: int
    idle: int
    place: str = ""
    """Where it stands (host and port). Backends at one place are one machine, and share its time."""


def hours(nanoseconds: int, rate: int) -> int:
    """Nano-dollars of so much time at ``rate`` an hour, rounded once, half up."""
    return (nanoseconds * rate + HOUR // 2) // HOUR


# --- what a call will cost -----------------------------------------------------------------------------------------


class Learned(Struct, frozen=True):
    """The time that a machine's calls took, and the work that they were: both decay."""

    time: float = 0.0
    work: float = 0.0
    """Tokens of answers, and of prompts a tenth."""
    calls: int = 0


def learned(before: Learned, share: int, usage: ir.Usage) -> Learned:
    """With one more call. One whose tokens nobody told teaches nothing."""
    if usage.input is None or usage.output is None or usage.input + usage.output <= 0:
        return before
    work = usage.output + usage.input / INPUT_WEIGHT
    return Learned(before.time * _KEPT + share, before.work * _KEPT + work, before.calls + 1)


def expected(seen: Learned, machine: Machine) -> Price | None:
    """What a token will probably cost there: an estimate for decisions, by what the machine's calls took so far, and
    never what a call is charged. None until a few calls were seen."""
    if seen.calls < _FEW or seen.work <= 0:
        return None
    output = round(seen.time / seen.work * machine.busy * _MILLION / HOUR)
    return Price(input=round(output / INPUT_WEIGHT), output=output)


# --- reports -------------------------------------------------------------------------------------------------------


class Use(Struct, frozen=True, kw_only=True):
    """A machine over a span of time."""

    span: int
    busy: int
    """Somebody asked it: the shares of all its calls together, at most the span."""
    attributed: int
    """Nano-dollars that stand in the rows of its calls."""
    idled: int
    """Nano-dollars that no row has: the hours in which nobody asked."""
    tokens: int
    """Of questions and answers, of all calls whose tokens are known."""

    @property
    def idle(self) -> int:
        return self.span - self.busy

    @property
    def cost(self) -> int:
        """Nano-dollars of the whole span."""
        return self.attributed + self.idled

    @property
    def per_million(self) -> int | None:
        """Nano-dollars that a million tokens really cost, the idle hours included; None where there were none."""
        return (self.cost * _MILLION + self.tokens // 2) // self.tokens if self.tokens else None


def use(machine: Machine, *, span: int, shares: int, attributed: int, tokens: int) -> Use:
    """``shares``: those of all calls in the span. The rates are those of now, ``attributed`` is what was booked."""
    busy = min(shares, span)
    idled = hours(span - busy, machine.idle)
    return Use(span=span, busy=busy, attributed=attributed, idled=idled, tokens=tokens)


class BreakEven(Struct, frozen=True):
    """Where a machine becomes cheaper than the baseline, at the mix of tokens that was seen."""

    tokens: int | None
    """A day, rounded up; 0: always; None: never, for what it takes at work is dearer than the baseline."""
    capacity: int
    """Tokens that it can do in a day at the pace seen. (With more calls at one time it may do more.)"""

    @property
    def within_reach(self) -> bool:
        """Can this machine do so many tokens?"""
        return self.tokens is not None and self.tokens <= self.capacity


def break_even(machine: Machine, *, shares: int, tokens: int, baseline: int) -> BreakEven | None:
    """``baseline``: nano-dollars that it would have charged for the ``tokens`` that took the machine ``shares`` of
    time. None where nothing was seen.

    A day costs the machine's idle rate around the clock, and for each token the time that it takes at what work costs
    beyond that; the baseline costs its price a token. The two lines meet where as much was saved as idling costs.
    """
    if tokens <= 0 or shares <= 0:
        return None
    capacity = DAY * tokens // shares
    # Both sides times the hour and the tokens seen, so that all stays whole.
    gained = baseline * HOUR - (machine.busy - machine.idle) * shares
    if gained <= 0:
        return BreakEven(None, capacity)
    return BreakEven(-(-machine.idle * DAY * tokens // gained), capacity)
