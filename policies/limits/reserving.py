"""What a call may use and cost before anybody has answered it: what is reserved, and what its answer is limited to."""

from __future__ import annotations

from msgspec import Struct

from policies.forecast import EXPECTED_OUTPUT
from policies.pricing import Price

USEFUL = 256
"""Tokens of an answer below which a call is refused rather than cut short; our own figure."""
UNKNOWN = 131_072
"""Tokens of an answer where neither the client nor the model's row knows an end."""
_MILLION = 1_000_000
_QUARTER, _SMALL = 4, 32
"""Parts of what is left that one call may hold when little is left: no more than about the first, so that calls at one
time each get some; but the second it may, so that no answer is cut short for being longer than most."""


class Size(Struct, frozen=True):
    """Tokens of one call: its question, and its answer at the least that is useful, as it usually is, and at the
    worst. ``choices``: answers that it asks for at one time; the figures are of one of them."""

    input: int
    least: int
    usual: int
    worst: int
    choices: int = 1


class Bill(Struct, frozen=True):
    """The same in nano-dollars; each is an upper bound for its answer, and none is more than the next."""

    least: int
    usual: int
    worst: int

    @property
    def exposed(self) -> int:
        """What it may cost beyond what is reserved."""
        return self.worst - self.usual


FREE = Bill(0, 0, 0)


class Question(Struct, frozen=True):
    """What is known of a call before a target is chosen. None: unknown."""

    input: int
    """Tokens, not underrated."""
    asked: int | None = None
    """The client's limit of output tokens."""
    usual: int | None = None
    """What answers of this alias mostly stay within."""
    choices: int = 1
    whole: bool = False
    """Its answer cannot be limited."""

    @property
    def tokens(self) -> int:
        """What is held of a limit of tokens: an answer as long as is usual here, else a few paragraphs."""
        answer = EXPECTED_OUTPUT if self.usual is None else self.usual
        return self.input + min(answer, UNKNOWN if self.asked is None else self.asked) * self.choices

    def at(self, most: int | None) -> Size:
        """``most``: the target's own limit of output tokens."""
        worst = UNKNOWN if most is None else most
        if self.asked is not None and (most is None or self.asked < most):
            worst = self.asked
        if self.whole:
            return Size(self.input, worst, worst, worst, self.choices)
        least = min(USEFUL, worst)
        usual = worst if self.usual is None else min(max(self.usual, least), worst)
        return Size(self.input, least, usual, worst, self.choices)


def bill(size: Size, price: Price) -> Bill | None:
    """What the call may cost at this price; None where a rate that it needs is unknown."""
    rates = price.at(size.input)
    incoming, outgoing = _dearest(rates), rates.output
    if incoming is None or (outgoing is None and size.worst):
        return None
    question = _rounded(size.input * incoming)
    each = (outgoing or 0) * size.choices
    return Bill(
        question + _rounded(size.least * each),
        question + _rounded(size.usual * each),
        question + _rounded(size.worst * each),
    )


def affordable(nano: int, size: Size, price: Price) -> int:
    """Tokens of each answer that this much money pays for beside the question; at most as many as were asked for."""
    rates = price.at(size.input)
    rest = nano - _rounded(size.input * (_dearest(rates) or 0))
    each = (rates.output or 0) * size.choices
    return size.worst if each == 0 else max(min(rest * _MILLION // each, size.worst), 0)


def portion(bill: Bill, left: int) -> int | None:
    """What a call holds when its worst case is more than can be promised: at least what is useful (None: that cannot be
    had), what it usually costs or a small part of what is left where there is enough."""
    if bill.least > left:
        return None
    wish = min(bill.worst, max(bill.usual, left // _SMALL))
    return min(wish, max(bill.least, left // _QUARTER))


def _dearest(rates: Price) -> int | None:
    """Nobody knows beforehand how much of a question will be written to a cache."""
    told = [rate for rate in (rates.input, rates.cache_write) if rate is not None]
    return max(told) if rates.input is not None else None


def _rounded(product: int) -> int:
    """Up: a reservation is never less than the cost."""
    return -(-product // _MILLION)
