"""What a call may use and cost before anybody has answered it: what is reserved, and what its answer is limited to."""

from __future__ import annotations

from msgspec import Struct

from policies.pricing import Price

USEFUL = 256
"""Tokens of an answer below which a call is refused rather than cut short; our own figure."""
UNKNOWN = 131_072
"""Tokens of an answer where neither the client nor the model's row knows an end."""
_MILLION = 1_000_000
_QUARTER = 4
"""Part of what is left that one call may hold when little is left, so that calls at one time each get some."""


class Size(Struct, frozen=True):
    """Tokens of one call: its question, and its answer at the least that is useful, as it usually is, and at the
    worst. ``choices``: answers that it asks for at one time; the figures are of one of them."""

    input: int
    least: int
    usual: int
    worst: int
    choices: int = 1

    @property
    def tokens(self) -> int:
        """What is reserved of a limit of tokens."""
        return self.input + self.usual * self.choices


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


def size(input_tokens: int, *, asked: int | None, usual: int | None, most: int | None, choices: int = 1) -> Size:
    """``asked``: the client's limit of output tokens; ``usual``: what answers of this alias mostly stay within;
    ``most``: the model's own limit. None: unknown."""
    worst = min(asked or UNKNOWN, most or UNKNOWN)
    least = min(USEFUL, worst)
    return Size(input_tokens, least, min(max(usual or worst, least), worst), worst, max(choices, 1))


def bill(size: Size, price: Price) -> Bill | None:
    """What the call may cost at this price; None where a rate that it needs is unknown."""
    rates = price.at(size.input)
    incoming, outgoing = _dearest(rates), rates.output
    if incoming is None or (outgoing is None and size.worst):
        return None
    question = _rounded(size.input * incoming)
    each = (outgoing or 0) * size.choices
    return Bill(*(question + _rounded(tokens * each) for tokens in (size.least, size.usual, size.worst)))


def affordable(nano: int, size: Size, price: Price) -> int:
    """Tokens of each answer that this much money pays for beside the question; at most as many as were asked for."""
    rates = price.at(size.input)
    rest = nano - _rounded(size.input * (_dearest(rates) or 0))
    each = (rates.output or 0) * size.choices
    return size.worst if each == 0 else max(min(rest * _MILLION // each, size.worst), 0)


def portion(bill: Bill, left: int) -> int | None:
    """What a call holds when its worst case is more than can be promised: what it usually costs, but no more than about
    a quarter of what is left; None where the least that is useful cannot be had."""
    if bill.least > left:
        return None
    return min(bill.usual, max(bill.least, left // _QUARTER))


def _dearest(rates: Price) -> int | None:
    """Nobody knows beforehand how much of a question will be written to a cache."""
    told = [rate for rate in (rates.input, rates.cache_write) if rate is not None]
    return max(told) if rates.input is not None else None


def _rounded(product: int) -> int:
    """Up: a reservation is never less than the cost."""
    return -(-product // _MILLION)
