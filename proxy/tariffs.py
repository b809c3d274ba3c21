"""Prices and running costs as proxy.yaml tells them, made into what calls are charged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import fields, replace

from adapters.providers import PROVIDERS
from policies.machine import Machine
from policies.pricing import NANO, Price, per_million
from policies.tariff import Overlay, Tariff, unusual
from proxy.settings.grammar import Document
from proxy.settings.money import Cost, DatedPrice, PriceSheet, Rates, TierRates

if TYPE_CHECKING:
    from proxy.backends import Backend

_ALWAYS = float("-inf")
_TOKENS = tuple(field.name for field in fields(Price) if field.name not in ("calls", "above"))
"""The rates of a price, and of ``Rates``, that are told by the token."""


def tariff(told: PriceSheet, source: str = "operator") -> Tariff:
    """What a checked price charges, in the usual tier and in those that it names."""
    usual = _with_above(told, told.above)
    tiers = {str(unusual(word)): _tier(usual, rates) for word, rates in told.tiers.items()}
    return Tariff(usual, tiers, source)


def overlay(document: Document, backends: Iterable[Backend]) -> Overlay:
    """``prices`` of a checked file, and what its backends charge by prices of their own."""
    own: dict[str, tuple[Tariff, ...]] = {}
    for each in backends:
        own[each.provider] = (*own.get(each.provider, ()), *([each.price] if each.price is not None else []))
    dated = {key.lower(): tuple(sorted(map(_entry, listed), key=_start)) for key, listed in document.prices.items()}
    return Overlay(dated, own)


def machine(told: Cost, base_url: str) -> Machine:
    """What an hour costs of the machine at this address. Rent is paid for whether it works or not, unless nothing is
    paid while nobody asks it."""
    rent = _nano(told.gpu_hour_usd) * told.gpus
    busy = rent + _power(told.kwh_usd, told.watts)
    idle = rent + _power(told.kwh_usd, told.idle_watts or told.watts)
    return Machine(busy, idle if told.paid == "always" else 0, urlsplit(base_url).netloc)


class Baseline(Struct, frozen=True):
    """What an alias counts savings against: a model by its list price, or a backend by its own."""

    provider: str
    model: str
    own: Tariff | None = None
    local: bool = False

    @property
    def listed(self) -> bool:
        """May its price be the shipped sheet's?"""
        return self.own is None and not self.local


def baseline(word: str, backends: Mapping[str, Backend]) -> Baseline:
    """Of an alias's ``baseline``, which ``settings.money_checks`` has found good: a backend's name, or
    ``provider/model``."""
    if word in backends:
        found = backends[word]
        return Baseline(found.provider, found.upstream.model, found.price, found.local)
    provider, _, model = word.partition("/")
    row = PROVIDERS.get(provider)
    return Baseline(provider, model, local=row is not None and row.local)


def begins(entry: DatedPrice) -> float:
    """Seconds since 1970; before all times where it says no day. Raises ValueError where there is no such day."""
    return _ALWAYS if entry.starts is None else datetime.fromisoformat(entry.starts).replace(tzinfo=UTC).timestamp()


def _entry(entry: DatedPrice) -> tuple[float, Tariff]:
    return begins(entry), tariff(entry, "prices" if entry.starts is None else f"prices {entry.starts}")


def _start(entry: tuple[float, Tariff]) -> float:
    return entry[0]


def _tier(usual: Price, told: float | TierRates) -> Price:
    if isinstance(told, TierRates):
        # A tier that says nothing of long calls beside a usual price that does: theirs is not known.
        unsaid = tuple((start, Price()) for start, _ in usual.above) if not told.above else ()
        price = _with_above(told, told.above)
        return replace(price, above=unsaid or price.above, calls={**usual.calls, **price.calls})
    factor = Decimal(str(told))
    return replace(_scaled(usual, factor), above=tuple((start, _scaled(price, factor)) for start, price in usual.above))


def _scaled(price: Price, factor: Decimal) -> Price:
    """Of the tokens alone: what a vendor's tool costs a call is the same in every tier."""
    rates = {name: rate for name in _TOKENS if (rate := getattr(price, name)) is not None}
    return replace(price, **{name: int((rate * factor).to_integral_value()) for name, rate in rates.items()})


def _with_above(told: Rates, above: Mapping[int, Rates]) -> Price:
    """A longer call's rates, too, are whole; the tools that they do not name cost what they cost otherwise."""
    usual = _price(told)
    longer = ((start, _price(rates)) for start, rates in sorted(above.items()))
    return replace(usual, above=tuple((start, replace(p, calls={**usual.calls, **p.calls})) for start, p in longer))


def _price(told: Rates) -> Price:
    rates = {name: per_million(rate) for name in _TOKENS if (rate := getattr(told, name)) is not None}
    calls = {tool: per_million(dollars * 1000) for tool, dollars in told.calls.items()}
    return replace(Price(calls=calls), **rates)


def _nano(dollars: Decimal | None) -> int:
    return 0 if dollars is None else int((dollars * NANO).to_integral_value())


def _power(kwh: Decimal | None, watts: int | None) -> int:
    return 0 if kwh is None or watts is None else int((kwh * NANO * watts / 1000).to_integral_value())
