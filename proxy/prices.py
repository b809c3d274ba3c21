"""What a token costs: a backend's own price first, then the operator's ``prices``, then the shipped sheet.

Whoever is in none of them has no cost: a local model is not free, its cost is unknown until the operator tells it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from adapters import ir
from adapters.providers import PROVIDERS
from policies.pricing import Price
from policies.tariff import NOTHING, Overlay, Tariff, applied, unusual
from proxy import sheet

if TYPE_CHECKING:
    from proxy.backends import Backend

UNTOLD = "no price configured"
UNKNOWN_TIER = "unknown service tier"
_FRESH = 900
"""Seconds that a look-up holds: the finest step at which the sheet's dated and time-of-day prices change."""
_MOST = 4096
"""Look-ups kept, and prices as they were written. Models are named by the configuration, but also by answers."""
_json = msgspec.json.Encoder()
_DATE = re.compile(r"[-@:]?20\d{2}-?\d{2}-?\d{2}")


class Quote(Struct, frozen=True):
    """A price and where it comes from; without a price, ``why`` not."""

    price: Price | None
    source: str | None = None
    why: str | None = None


_UNTOLD, _UNKNOWN = Quote(None, why=UNTOLD), Quote(None, why=sheet.UNKNOWN_MODEL)


class Prices:
    """What the calls of one worker are charged for. Never touches the network; the sheet is loaded at the first
    look-up that needs it."""

    def __init__(self, overlay: Overlay = NOTHING) -> None:
        self._loading = False
        self._overlay = overlay
        self._kept: dict[tuple[str, str, str, str | None, bool], tuple[int, Quote]] = {}
        self._dearest: dict[str, tuple[int, Quote]] = {}
        self._written: dict[int, tuple[Price, str]] = {}

    def adopt(self, overlay: Overlay) -> None:
        """From now on these are the operator's prices, also for calls in flight: their rows tell by what they were
        priced."""
        self._overlay = overlay
        self._kept.clear()
        self._dearest.clear()

    def quote(
        self,
        provider: str,
        model: str,
        *,
        now: float,
        own: Tariff | None = None,
        tier: str | None = None,
        local: bool = False,
        answered: str | None = None,
    ) -> Quote:
        """The price of ``model`` at ``now`` (wall clock, seconds) in the service tier that the upstream reported.

        ``own`` is the backend's, which wins. ``answered``: what the upstream called its model, which is what is
        priced; where only the configured name is known, and the answer's is not known as another model, that one's
        price holds (``gpt-5.6-2026-08-01``). ``local``: only the operator knows what it costs, and the sheet is not
        asked (nor loaded).
        """
        word = unusual(tier)
        if own is not None:
            return _quoted(own, word)
        if local and not self._overlay.dated:
            return _UNTOLD
        key, step = (provider, model, answered or model, word, local), int(now // _FRESH)
        kept = self._kept.get(key)
        if kept is None or kept[0] != step:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            kept = self._kept[key] = (step, self._look_up(key, now))
        return kept[1]

    def dearest(self, provider: str, now: float) -> Quote:
        """The dearest price that is known of this provider, by its output rate and then its input rate: what is
        assumed of a model without a price, where a budget says so."""
        step = int(now // _FRESH)
        kept = self._dearest.get(provider)
        if kept is None or kept[0] != step:
            kept = self._dearest[provider] = (step, _dearest(self._known(provider, now)))
        return kept[1]

    def written(self, price: Price, usage: ir.Usage) -> str:
        """The rates that priced this usage, as a row keeps them. Nearly every call is priced by the same few."""
        if usage.calls:
            return _json.encode(applied(price, usage)).decode()
        rates = price.at(usage.input or 0)
        known = self._written.get(id(rates))
        if known is None or known[0] is not rates:
            if len(self._written) >= _MOST:
                self._written.clear()
            known = self._written[id(rates)] = (rates, _json.encode(applied(price, usage)).decode())
        return known[1]

    def expect(self, backends: Iterable[Backend]) -> None:
        """The prices of these backends will be asked for, by a decision or when a call that goes there has its answer:
        if one is the sheet's, load that in a thread meanwhile.

        It takes 0.2 s and brings pydantic, which neither a loop nor an idle server should pay for.
        """
        if not self._loading and from_sheet(backends):
            self.load()

    def load(self) -> None:
        """Load the sheet in a thread, unless that was begun before."""
        if not self._loading:
            self._loading = True
            threading.Thread(target=self.warm, name="prices", daemon=True).start()

    def warm(self) -> None:
        """Load the sheet now."""
        sheet.models("")

    def _look_up(self, key: tuple[str, str, str, str | None, bool], now: float) -> Quote:
        provider, model, answered, tier, local = key
        told = self._overlay.find(provider, answered, now)
        configured = self._overlay.find(provider, model, now) if told is None and answered != model else None
        unlisted = local or not _listed(provider)
        if configured is not None and (
            unlisted or _dated(model, answered) or not sheet.another(provider, model, answered)
        ):
            told = configured
        if told is not None:
            return _quoted(told, tier)
        if unlisted:
            return _UNTOLD if local else _UNKNOWN
        found = sheet.tariff(provider, answered, now)
        if found == sheet.UNKNOWN_MODEL and answered != model:
            found = sheet.tariff(provider, model, now)
        return Quote(None, why=found) if isinstance(found, str) else _quoted(found, tier)

    def _known(self, provider: str, now: float) -> Iterator[Tariff]:
        yield from self._overlay.known(provider, now)
        dearest = sheet.dearest(provider, now) if _listed(provider) else None
        if dearest is not None:
            yield dearest


def from_sheet(backends: Iterable[Backend]) -> bool:
    """Is any of them priced by the sheet?"""
    return any(
        each.price is None and each.machine is None and not each.local and _listed(each.provider) for each in backends
    )


def _listed(provider: str) -> bool:
    """Can the sheet know its models? Of the providers that we have rows for, those that are one vendor."""
    row = PROVIDERS.get(provider)
    return row is None or row.key_env is not None


def _quoted(told: Tariff, tier: str | None) -> Quote:
    price = told.of(tier)
    return Quote(None, why=UNKNOWN_TIER) if price is None else Quote(price, told.source)


def _dated(model: str, answered: str) -> bool:
    """Is it the same model, named with its day?"""
    return answered.startswith(model) and _DATE.fullmatch(answered, len(model)) is not None


def _dearest(tariffs: Iterable[Tariff]) -> Quote:
    """Of every tier, for it may be the tier that nobody knows."""
    found = [(price, told.source) for told in tariffs for price in (told.usual, *told.tiers.values())]
    if not found:
        return Quote(None, why="no price of this provider is known")
    return Quote(*max(found, key=lambda each: (each[0].output or 0, each[0].input or 0)))
