"""Usage times price, in whole nano-dollars: every token in exactly one class, and unknown is never free.

Prices are nano-dollars per *million* tokens, because real sheets go below a nano-dollar per token (a cached token of
a small model costs $0.0125 a million). The sum is exact; it is rounded once, half up, to the nano-dollar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from adapters import ir

NANO = 1_000_000_000
INCOMPLETE, BAD = "incomplete usage", "bad usage"
"""Why there is no cost that no price could mend."""
_MILLION = 1_000_000
NOT_BY_CALL = frozenset({"web_fetch", "code_execution", "tool_search", "mcp"})
"""Tools that no vendor charges for by the call: they are paid for in tokens, or by the hours of a container, which no
answer tells. An operator's own rate for them holds all the same."""
_HARMLESS = frozenset({"reasoning", "total", "tool_input"})
"""Flaws that change no price."""
_rarer = attrgetter(
    "cache_write_1h", "cache_write_12h", "input_audio", "input_image", "input_video", "cached_audio", "cached_image",
    "cached_video", "output_audio", "output_image", "output_video", "calls",
)  # fmt: skip


class Price(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nano-dollars per million tokens of each class; ``None`` is a rate that the sheet does not tell."""

    input: int | None = None
    cached: int | None = None
    """A cache read. ``None``: the sheet has no discount, the input rate holds."""
    cache_write: int | None = None
    """A cache write of the short kind. ``None``: the sheet has no surcharge, the input rate holds."""
    cache_write_1h: int | None = None
    """A cache write kept for an hour. Unknown beside a known ``cache_write``: such tokens have no price."""
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
    if usage.input is None or usage.output is None or (usage.flaws and not _HARMLESS.issuperset(usage.flaws)):
        return None
    rates = price.at(usage.input) if price.above else price
    total = _many(usage, rates) if any(_rarer(usage)) else _few(usage, usage.input, usage.output, rates)
    return None if total is None else (total + _MILLION // 2) // _MILLION


def _few(usage: ir.Usage, read: int, said: int, price: Price) -> int | None:
    """The usual call, whose tokens are plain input, cache reads, short cache writes and output: nano-dollars times a
    million."""
    cached, written = usage.cached or 0, usage.cache_write or 0
    fresh, plain = read - cached - written, price.input
    if fresh < 0 or cached < 0 or written < 0 or said < 0:
        return None
    total = 0
    for count, rate in ((fresh, plain), (cached, price.cached), (written, price.cache_write)):
        if count:
            known = plain if rate is None else rate
            if known is None:
                return None
            total += count * known
    if not said:
        return total
    return None if price.output is None else total + said * price.output


def _many(usage: ir.Usage, price: Price) -> int | None:
    """Any call: every token in one class, and each call of a vendor's tool."""
    total = 0
    for count, rate in (*_input(usage, price), *_output(usage, price), *_calls(usage, price)):
        if count < 0 or (count and rate is None):
            return None
        total += count * (rate or 0)
    return total


_Classes: TypeAlias = list[tuple[int, int | None]]
"""(how many, at which rate)."""


def _input(usage: ir.Usage, price: Price) -> _Classes:
    """Where a vendor does not tell what kind its cached or written tokens are, they are text as far as there is any."""
    cached, written = usage.cached or 0, usage.cache_write or 0
    text = (usage.input or 0) - cached - written
    classes = _written(usage, written, price) if written else []
    for read, again, rate, again_rate in _media(usage, price):
        if read or again:
            own = _or(rate, price.input)
            fresh = min(read - again, text) if read else 0
            classes += ((fresh, own), (again, _or(again_rate, _or(price.cached, own))))
            text, cached = text - fresh, cached - again
    return [*classes, (text, price.input), (cached, _or(price.cached, price.input))]


def _media(usage: ir.Usage, price: Price) -> Iterator[tuple[int, int, int | None, int | None]]:
    """Each kind but text: tokens read, those of them from the cache, and the rates of the sheet for both."""
    yield usage.input_audio or 0, usage.cached_audio or 0, price.input_audio, price.cached_audio
    yield usage.input_image or 0, usage.cached_image or 0, price.input_image, price.cached_image
    yield usage.input_video or 0, usage.cached_video or 0, price.input_video, None


def _written(usage: ir.Usage, written: int, price: Price) -> _Classes:
    """Cache writes by how long they are kept. A sheet without a surcharge for the short kind has none for the long."""
    hour, half_day = usage.cache_write_1h or 0, usage.cache_write_12h or 0
    plain = price.input if price.cache_write is None else None
    return [
        (written - hour - half_day, _or(price.cache_write, price.input)),
        (hour, _or(price.cache_write_1h, plain)),
        (half_day, _or(price.cache_write_12h, plain)),
    ]


def _output(usage: ir.Usage, price: Price) -> _Classes:
    audio, image, video = usage.output_audio or 0, usage.output_image or 0, usage.output_video or 0
    return [
        (audio, _or(price.output_audio, price.output)),
        (image, _or(price.output_image, price.output)),
        (video, _or(price.output_video, price.output)),
        ((usage.output or 0) - audio - image - video, price.output),
    ]


def _calls(usage: ir.Usage, price: Price) -> _Classes:
    return [(times, price.calls.get(tool, 0 if tool in NOT_BY_CALL else None)) for tool, times in usage.calls.items()]


def _or(rate: int | None, other: int | None) -> int | None:
    return other if rate is None else rate


def why_unknown(usage: ir.Usage, price: Price | None) -> str:
    """In a few words, why a call has no cost although it has usage; ``price`` None: no price was found."""
    if usage.input is None or usage.output is None:
        return INCOMPLETE
    if usage.flaws and not _HARMLESS.issuperset(usage.flaws):
        return BAD
    unpriced = price is not None and any(rate is None and times for times, rate in _calls(usage, price))
    return "no rate for calls of tools" if unpriced else "no rate for a class of tokens"


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
