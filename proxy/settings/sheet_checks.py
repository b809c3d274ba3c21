"""Prices held against the shipped sheet, and baselines that only it can know: slips that would cost money unseen.

No worker does this: the sheet takes 15 MiB, and whoever hands a configuration to the workers has compared it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from adapters.providers import PROVIDERS
from policies.pricing import NANO, Price
from policies.tariff import Tariff
from proxy import sheet, tariffs
from proxy.settings.grammar import Document
from proxy.settings.money import DatedPrice, PriceSheet
from proxy.settings.money_checks import key_of, priced
from proxy.settings.shape import did_you_mean
from proxy.settings.source import Mistake, Path

Found = Iterable[Mistake]

_SHARE = 2
"""More than a half off the sheet, either way, must be confirmed."""


def against_sheet(document: Document, now: float | None = None) -> Found:
    """What only the shipped sheet can tell: providers and models that nobody has, and prices that are far off it. It is
    loaded where there is something to compare. ``now``: seconds since 1970."""
    when = time.time() if now is None else now
    shown = list(_shown(document))
    unknown = [key for key in document.prices if key.partition("/")[0] not in PROVIDERS]
    baselines = [(alias, told.baseline) for alias, told in document.aliases.items() if _unsure(document, told.baseline)]
    for key in unknown:
        provider = key.partition("/")[0]
        known = {*PROVIDERS, *sheet.providers()}
        if provider not in known:
            yield ("prices", key), f"no provider '{provider}': {did_you_mean(provider, known)}"
    for path, provider, model, told in shown:
        begins = tariffs.begins(told) if isinstance(told, DatedPrice) and told.starts else when
        listed = sheet.tariff(provider, model, begins)
        if isinstance(listed, Tariff) and not told.confirm:
            yield from (((*path, *place), text) for place, text in _far(tariffs.tariff(told), listed, sheet.version()))
    for alias, word in baselines:
        wrong = _unlisted(document, str(word), when)
        if wrong is not None:
            yield ("aliases", alias, "baseline"), wrong


def _shown(document: Document) -> Iterator[tuple[Path, str, str, PriceSheet]]:
    """The prices that the sheet may have an opinion of: those of a vendor's models, and of backends at its own address.
    (What somebody else's address charges for a model of the same name is another matter.)"""
    for key, entries in document.prices.items():
        provider, _, model = key.partition("/")
        row = PROVIDERS.get(provider)
        if row is None or row.key_env:
            yield from ((("prices", key, index), provider, model, entry) for index, entry in enumerate(entries))
    for backend, entry in document.backends.items():
        row = PROVIDERS.get(entry.provider)
        if entry.price is not None and row is not None and row.key_env and entry.base_url is None:
            yield ("backends", backend, "price"), entry.provider, entry.model, entry.price


def _far(own: Tariff, listed: Tariff, source: str) -> Found:
    yield from _apart(own.usual, listed.usual, (), source)
    for tool in own.usual.calls.keys() & listed.usual.calls.keys():
        # Per thousand calls, as an operator writes it.
        mine, theirs = own.usual.calls[tool] // 1000, listed.usual.calls[tool] // 1000
        yield from _compared(mine, theirs, ("calls", tool), source)
    for start in dict.fromkeys(start for start, _ in own.usual.above):
        place = ("above", str(start))
        yield from _apart(own.usual.at(start + 1), listed.usual.at(start + 1), place, source)
    for tier in own.tiers.keys() & listed.tiers.keys():
        yield from _apart(own.tiers[tier], listed.tiers[tier], ("tiers", tier), source)


def _apart(own: Price, listed: Price, place: Path, source: str) -> Found:
    """Every class of tokens that both have and that is more than half off."""
    for rate in (field for field in Price.__struct_fields__ if field not in ("calls", "above")):
        yield from _compared(getattr(own, rate), getattr(listed, rate), (*place, rate), source)


def _compared(own: int | None, listed: int | None, place: Path, source: str) -> Found:
    if own is not None and listed is not None and abs(own - listed) * _SHARE > listed:
        yield (
            place,
            f"${own / NANO:g} is more than half off the ${listed / NANO:g} of the shipped sheet ({source}): mend it, "
            "or add 'confirm: true'",
        )


def _unsure(document: Document, word: str | None) -> bool:
    """Is it for the sheet to say whether this baseline has a price?"""
    if word is None:
        return False
    entry = document.backends.get(word)
    if entry is not None:
        return entry.price is None and key_of(entry) not in priced(document)
    return word.lower() not in priced(document)


def _unlisted(document: Document, word: str, now: float) -> str | None:
    entry = document.backends.get(word)
    provider, _, model = (key_of(entry) if entry is not None else word).partition("/")
    if isinstance(sheet.tariff(provider, model, now), Tariff):
        return None
    if entry is not None:
        return f"no price is known of '{word}': give it a 'price', or write one under 'prices: {key_of(entry)}'"
    listed = provider in {*PROVIDERS, *sheet.providers()}
    near = did_you_mean(model, sheet.models(provider)) if listed else did_you_mean(provider, sheet.providers())
    return f"no price is known of '{word}': {near if 'did you' in near else f'write one under prices: {word}'}"
