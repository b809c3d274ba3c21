"""Usage times price, in whole nano-dollars: every token in exactly one class, and unknown is never free.

Prices are nano-dollars per *million* tokens, because real sheets go below a nano-dollar per token (a cached token of
a small model costs $0.0125 a million). The sum is exact; it is rounded once, half up, to the nano-dollar.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from adapters import ir

NANO = 1_000_000_000
_MILLION = 1_000_000


class Price(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nano-dollars per million tokens of each class; ``None`` is a rate that the sheet does not tell."""

    input: int | None = None
    cached: int | None = None
    """A cache read. ``None``: the sheet has no discount, the input rate holds."""
    cache_write: int | None = None
    """A cache write of the short kind. ``None``: the sheet has no surcharge, the input rate holds."""
    cache_write_1h: int | None = None
    """A cache write kept for an hour or longer. Unknown beside a known ``cache_write``: such tokens have no price."""
    output: int | None = None
    cache_write_12h: int | None = None
    """As ``cache_write_1h``, for twelve hours."""
    input_audio: int | None = None
    cached_audio: int | None = None
    input_image: int | None = None
    cached_image: int | None = None
    input_video: int | None = None
    output_audio: int | None = None
    output_image: int | None = None
    output_video: int | None = None
    """Media have rates of their own. ``None``: the sheet has none, and the rate of text holds."""
    calls: Mapping[str, int] = {}
    """Nano-dollars per million calls of tools that the vendor runs itself, by the words of ``ir.Usage.calls``."""
    above: tuple[tuple[int, Price], ...] = ()
    """Long context: (input tokens, the rates for the *whole* call past them), in rising order."""

    def at(self, input_tokens: int) -> Price:
        """The rates that hold for a call with so many input tokens."""
        chosen = self
        for start, price in self.above:
            if input_tokens > start:
                chosen = price
        return chosen


def per_million(dollars: Decimal | str | int) -> int:
    """Dollars per million tokens, as a sheet prints them -> the unit of ``Price``. Never pass a float."""
    return int((Decimal(dollars) * NANO).to_integral_value())


def dollars(nano: int | None) -> str:
    """As a trace tells it, to the millionth: ``$0.0125``, ``-$1``, ``unknown``."""
    if nano is None:
        return "unknown"
    return f"{'-' if nano < 0 else ''}${abs(nano) / NANO:.6f}".rstrip("0").rstrip(".")


def cost(usage: ir.Usage, price: Price) -> int | None:
    """Nano-dollars of one call. None when the upstream never told, told nonsense, or a needed rate is unknown."""
    if usage.input is None or usage.output is None:
        return None
    cached, written, kept = usage.cached or 0, usage.cache_write or 0, usage.cache_write_1h or 0
    counts = (usage.input - cached - written, cached, written - kept, kept, usage.output)
    if min(counts) < 0:
        return None
    total = 0
    for count, rate in zip(counts, _rates(price.at(usage.input)), strict=True):
        if count == 0:
            continue
        if rate is None:
            return None
        total += count * rate
    return (total + _MILLION // 2) // _MILLION


def _rates(price: Price) -> tuple[int | None, ...]:
    """Plain input, cache read, cache write, cache write of an hour, output: the order of the counts in ``cost``."""
    write = price.input if price.cache_write is None else price.cache_write
    kept = price.cache_write_1h
    if kept is None and price.cache_write is None:
        kept = price.input
    cached = price.input if price.cached is None else price.cached
    return price.input, cached, write, kept, price.output


def counterfactual(usage: ir.Usage, baseline: Price) -> int | None:
    """Nano-dollars that the baseline would have charged for the same tokens, in its usual tier.

    It is granted the same cache reads, which favours the baseline and so never overstates a saving. Cache writes were
    asked for by us, and count as plain input. Of the tools that a vendor ran itself those count that the baseline
    charges for: it would have run its own, and one that it does not sell it would not have run. The same tokens, for
    nobody knows how its tokenizer would have cut the text, nor how long its answer would have been.
    """
    if usage.cache_write or usage.calls:
        calls = {tool: times for tool, times in usage.calls.items() if tool in baseline.calls}
        usage = replace(usage, cache_write=None, cache_write_1h=None, cache_write_12h=None, calls=calls)
    return cost(usage, baseline)


def asked_whole(usage: ir.Usage, *, more: int = 0, less: int = 0) -> ir.Usage:
    """The usage of the same answer to what the client really asked. ``more``: tokens of old text that we left out
    (condensed), and that the baseline would have been sent; ``less``: tokens that we put in (a correction)."""
    if usage.input is None or not (more or less):
        return usage
    return replace(usage, input=max(usage.input + more - less, usage.cached or 0))


def saving(actual: int | None, baseline: int | None) -> int | None:
    """Nano-dollars saved, negative when the call cost more than its baseline; unknown stays unknown."""
    return None if actual is None or baseline is None else baseline - actual
