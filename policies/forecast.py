"""What a request will probably use and cost at a target, before it is sent."""

from __future__ import annotations

from adapters import ir
from policies.pricing import Price, cost

EXPECTED_OUTPUT = 500
"""Tokens of an answer whose length nobody knows: a few paragraphs; our own figure."""


def expected(input_tokens: int, max_output: int | None, *, cached: int = 0) -> ir.Usage:
    """The usage that is reckoned with. ``cached``: tokens of the prompt that the target probably has in its cache."""
    output = EXPECTED_OUTPUT if max_output is None else min(max_output, EXPECTED_OUTPUT)
    return ir.Usage(input=input_tokens, output=output, cached=min(cached, input_tokens))


def expected_cost(usage: ir.Usage, price: Price | None) -> int | None:
    """Nano-dollars; None where the price is not known."""
    return None if price is None else cost(usage, price)
