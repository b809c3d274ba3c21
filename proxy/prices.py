"""What a token costs: the operator's own price first, then the genai-prices sheet, offline and dated.

A backend without a ``price`` of its own in proxy.yaml and unknown to the sheet has no cost: a local model is not free,
its cost is unknown until the operator tells it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct, convert, structs

from policies.pricing import Price, per_million

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice

    from proxy.backends import Backend

_STANDARD = frozenset({"default", "standard", "auto", "on_demand", "standard_only"})
"""Service tiers that mean the sheet's ordinary price."""
_FRESH = 900
"""Seconds that a look-up holds: the finest step at which the sheet's dated and time-of-day prices change."""
_MOST = 4096
"""Look-ups kept. Model names come from the configuration, but service tiers come from the upstream."""
_CLASSES = {
    "input": "input_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
}


class Quote(Struct, frozen=True):
    """A price and where it comes from; without a price, ``why`` not."""

    price: Price | None
    source: str | None = None
    why: str | None = None


_UNTOLD = Quote(None, why="no price configured")


class Prices:
    """The price sheet of one worker. Never touches the network; the sheet is loaded at the first look-up."""

    def __init__(self) -> None:
        self._loading = False
        self._kept: dict[tuple[str, str, str | None], tuple[int, Quote]] = {}

    def quote(
        self,
        provider: str,
        model: str,
        *,
        now: float,
        own: Price | None = None,
        tier: str | None = None,
        local: bool = False,
    ) -> Quote:
        """The price of ``model`` at ``now`` (wall clock, seconds) in the service tier that the upstream reported.

        ``own`` is the operator's, which wins. ``local``: only the operator knows what it costs, and the sheet is not
        asked (nor loaded).
        """
        if own is not None:
            return Quote(own, "operator")
        if local:
            return _UNTOLD
        key, step = (provider, model, tier), int(now // _FRESH)
        kept = self._kept.get(key)
        if kept is None or kept[0] != step:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            kept = self._kept[key] = (step, _look_up(provider, model, tier, now))
        return kept[1]

    def dearest(self, provider: str, *, now: float) -> Quote:
        """The dearest known price of a provider (by output, then by input), for a model that nobody knows the price
        of."""
        import genai_prices
        from genai_prices.data_snapshot import get_snapshot

        when = datetime.fromtimestamp(now, UTC)
        models = [model for known in get_snapshot().providers if known.id == provider for model in known.models]
        found = [(_price(model.get_prices(when)), model.id) for model in models]
        if not found:
            return Quote(None, why="unknown provider")
        price, model = max(found, key=lambda each: (each[0].output or 0, each[0].input or 0))
        return Quote(price, f"genai-prices {genai_prices.__version__} {provider}/{model} (dearest)")

    def expect(self, backends: Iterable[Backend]) -> None:
        """The prices of these backends will be asked for, by a decision or when a call that goes there has its answer:
        if one is the sheet's, load that in a thread meanwhile.

        It takes 0.2 s and brings pydantic, which neither a loop nor an idle server should pay for.
        """
        if not self._loading and from_sheet(backends):
            self._loading = True
            threading.Thread(target=self.warm, name="prices", daemon=True).start()

    def warm(self) -> None:
        """Load the sheet now."""
        _look_up("", "", None, 0.0)


def from_sheet(backends: Iterable[Backend]) -> bool:
    """Is any of them priced by the sheet?"""
    return any(each.price is None and not each.local for each in backends)


def _look_up(provider: str, model: str, tier: str | None, now: float) -> Quote:
    import genai_prices
    from genai_prices.data_snapshot import get_snapshot

    sheet = get_snapshot()
    info = _find(sheet, provider, model)
    if info is None:
        return Quote(None, why="unknown model")
    prices = _dated(info, tier, datetime.fromtimestamp(now, UTC))
    if prices is None:
        return Quote(None, why="unknown service tier")
    return Quote(_price(prices), f"genai-prices {genai_prices.__version__} {provider}/{info.id}")


def _find(sheet: DataSnapshot, provider: str, model: str) -> ModelInfo | None:
    """Exact provider names only: the sheet's own loose match would price ``openai_compatible`` as OpenAI."""
    if all(known.id != provider for known in sheet.providers):
        return None
    try:
        return sheet.find_provider_model(model, None, provider, None)[1]
    except LookupError:
        return None


def _dated(info: ModelInfo, tier: str | None, when: datetime) -> ModelPrice | None:
    """The rates at that time. None for a tier that the sheet does not list (it would fall back in silence)."""
    word = (tier or "default").lower()
    if word in _STANDARD:
        return info.get_prices(when)
    variants = info.price_variants or ()
    listed = (v for v in variants if v.when.get("service_tier") == word)
    if not any(v.constraint is None or v.constraint.active(when) for v in listed):
        return None
    return info.get_prices(when, {"service_tier": word})


def _price(prices: ModelPrice) -> Price:
    starts = sorted({start for field in _CLASSES.values() for start, _ in _steps(prices, field)})
    above = tuple((start, _rates(prices, start + 1)) for start in starts)
    return structs.replace(_rates(prices, 0), above=above)


def _steps(prices: ModelPrice, field: str) -> Iterator[tuple[int, int]]:
    for tier in getattr(getattr(prices, field), "tiers", ()):
        yield tier.start, per_million(tier.price)


def _rates(prices: ModelPrice, input_tokens: int) -> Price:
    return convert({name: _rate(prices, field, input_tokens) for name, field in _CLASSES.items()}, Price)


def _rate(prices: ModelPrice, field: str, input_tokens: int) -> int | None:
    told = getattr(prices, field)
    if told is None:
        return None
    rate = per_million(getattr(told, "base", told))
    for start, dearer in _steps(prices, field):
        if input_tokens > start:
            rate = dearer
    return rate
