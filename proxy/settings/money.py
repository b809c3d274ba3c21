"""The part of the grammar that speaks of money: prices, what a machine costs, limits and budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, field

from proxy.settings.part import Part
from proxy.settings.units import Dollars

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Factor = Annotated[float, Meta(gt=0, le=100)]


class Rates(Part):
    """USD per million tokens of each class; what is left out has no rate of its own (of ``calls``: per thousand)."""

    input: Dollars | None = None
    output: Dollars | None = None
    cached: Dollars | None = None
    """A cache read; without it the input rate holds."""
    cache_write: Dollars | None = None
    cache_write_1h: Dollars | None = None
    cache_write_12h: Dollars | None = None
    input_audio: Dollars | None = None
    cached_audio: Dollars | None = None
    input_image: Dollars | None = None
    cached_image: Dollars | None = None
    input_video: Dollars | None = None
    output_audio: Dollars | None = None
    output_image: Dollars | None = None
    output_video: Dollars | None = None
    calls: Mapping[str, Dollars] = {}
    """Tool that the vendor runs itself (``web_search``) -> USD per thousand calls."""


class TierRates(Rates):
    """The rates of one service tier; without ``calls`` those of the usual tier hold."""

    above: Mapping[Positive, Rates] = {}
    """Input tokens -> the rates of a whole call with more than so many. Where the usual tier has such rates and this
    one has not, its long calls have no price."""


class PriceSheet(Rates):
    """The operator's own price; it wins over the shipped sheet."""

    above: Mapping[Positive, Rates] = {}
    """Input tokens -> the rates of a whole call with more than so many."""
    tiers: Mapping[str, Factor | TierRates] = {}
    """Service tier (batch, flex, priority, fast …) -> its rates, or a factor of what tokens usually cost. A tier that
    is not named here has no price."""
    confirm: bool = False
    """It differs from the shipped sheet by more than half, and that is meant."""


class DatedPrice(PriceSheet):
    """One entry of ``prices``: it holds from its day on, until a later one begins."""

    starts: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = field(default=None, name="from")
    """The first day (UTC); None: always."""


class Cost(Part):
    """What running a machine of one's own costs: its time is spread over the calls that use it. Backends at one address
    are one machine."""

    gpu_hour_usd: Dollars | None = None
    """Of one GPU, rented or written off."""
    gpus: Positive = 1
    kwh_usd: Dollars | None = None
    watts: Positive | None = None
    """Of the whole machine at work; with ``kwh_usd``."""
    idle_watts: Positive | None = None
    """Of the whole machine while nobody asks it; None: as at work."""
    paid: Literal["always", "busy"] = "always"
    """``busy``: nothing is paid for while nobody asks it (a machine that is switched off between calls)."""


class Limits(Part):
    """What the vendor allows this credential in any sixty seconds. ``tpm`` counts questions and answers together."""

    rpm: Positive | None = None
    tpm: Positive | None = None
    input_tpm: Positive | None = None
    output_tpm: Positive | None = None


class CallerLimits(Part):
    """What a team or a key may use."""

    rpm: Positive | None = None
    """Requests of any sixty seconds."""
    tpm: Positive | None = None
    """Tokens, of questions and answers, of any sixty seconds."""
    parallel: Positive | None = None
    """Calls at one time."""


class Budget(Part):
    """Money for a window of time."""

    usd: Dollars
    window: Annotated[str, Meta(pattern=r"^(day|week|month|[1-9]\d{0,2}[hd])$")] = "month"
    """``day``, ``week`` (from Monday) or ``month`` of the calendar, or the last hours or days: ``24h``, ``30d``."""
    timezone: str = "UTC"
    soft: Share | None = None
    """Share of it at which a warning is logged and nobody is refused."""
    counts: Literal["all", "cloud"] = "all"
    """``cloud``: what local backends cost is not counted."""
    on_exhausted: Literal["deny", "local", "policy"] = "deny"
    """429; local backends only; or as the rules say, which may ask for ``budget_used``."""
    on_unknown_price: Literal["assume", "deny"] = "assume"
    """A backend without a price: the dearest known price of its provider is counted, or it is not asked."""
