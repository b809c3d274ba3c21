"""What prices, running costs and baselines may get wrong: slips that would cost money before anybody saw them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from adapters.providers import PROVIDERS
from policies.pricing import NANO, Price
from policies.tariff import Tariff, name, unusual
from proxy import sheet, tariffs
from proxy.backends import is_local
from proxy.settings.grammar import BackendEntry, Document
from proxy.settings.money import Cost, DatedPrice, PriceSheet, Rates, TierRates
from proxy.settings.shape import did_you_mean
from proxy.settings.source import Mistake, Path

Found = Iterable[Mistake]

_TIERS = ("batch", "flex", "priority", "fast", "scale", "ultrafast")
_SHARE = 2
"""More than a half off the sheet, either way, must be confirmed."""


def money(document: Document) -> Found:
    """Without the shipped sheet: what contradicts itself."""
    for key, entries in document.prices.items():
        provider, slash, model = key.partition("/")
        if not (provider and slash and model):
            yield ("prices", key), "write 'provider/model', as openai/gpt-5.6"
        if (first := _priced(document)[key.lower()]) != key:
            yield ("prices", key), f"it is the same model as '{first}': put both lists into one"
        yield from _entries(("prices", key), entries)
    for backend, entry in document.backends.items():
        place: Path = ("backends", backend)
        if entry.price is not None:
            yield from _listing((*place, "price"), entry.price)
        if entry.cost is not None:
            yield from (((*place, "cost", *path), text) for path, text in _cost(entry, entry.cost))
    for alias, told in document.aliases.items():
        if told.baseline is not None and (wrong := _baseline(document, told.baseline)) is not None:
            yield ("aliases", alias, "baseline"), wrong


def _entries(path: Path, entries: tuple[DatedPrice, ...]) -> Found:
    if not entries:
        yield path, "no price stands here: write one, or remove it"
    days: dict[str | None, int] = {}
    for index, entry in enumerate(entries):
        here = (*path, index)
        try:
            tariffs.begins(entry)
        except ValueError:
            yield (*here, "from"), f"'{entry.starts}' is no day: write 2026-12-01"
        if entry.starts in days:
            when = "from the first day on" if entry.starts is None else f"from {entry.starts} on"
            yield here, f"a second price {when}: give one of them another 'from', or remove it"
        days[entry.starts] = index
        yield from _listing(here, entry)


def _listing(path: Path, sheet: PriceSheet) -> Found:
    yield from _whole(path, sheet, sheet)
    yield from _above(path, sheet.above, sheet)
    for word, told in sheet.tiers.items():
        here = (*path, "tiers", word)
        if unusual(word) is None:
            yield here, "the usual tier costs what stands outside 'tiers': remove it"
        elif unusual(word) not in _TIERS and "did you" in (near := did_you_mean(word.lower(), _TIERS)):
            yield here, f"no service tier '{word}': {near}"
        if isinstance(told, TierRates):
            yield from _whole(here, told, sheet)
            yield from _above(here, told.above, sheet)


def _above(path: Path, above: Mapping[int, Rates], usual: Rates) -> Found:
    for start, rates in above.items():
        yield from _whole((*path, "above", str(start)), rates, usual)


def _whole(path: Path, rates: Rates, usual: Rates) -> Found:
    """Every call has input; those of embeddings have no output."""
    if rates.input is None:
        yield path, "'input' is missing: without it no call has a cost"
    if rates.output is None and usual.output is not None:
        yield path, "'output' is missing: it does not follow from the usual one"


def _cost(entry: BackendEntry, cost: Cost) -> Found:
    row = PROVIDERS.get(entry.provider)
    if entry.price is not None:
        yield (), "a backend has either 'price' or 'cost': remove one of them"
    if row is not None and row.key_env and entry.base_url is None:
        yield (), f"{entry.provider} charges by tokens, not by its machines' time: write 'price' instead"
    if cost.gpu_hour_usd is None and cost.kwh_usd is None:
        yield (), "it says no cost: write 'gpu_hour_usd', or 'kwh_usd' and 'watts'"
    if cost.kwh_usd is not None and cost.watts is None:
        yield ("kwh_usd",), "how much power the machine takes is not said: add 'watts'"
    for key, value in (("watts", cost.watts), ("idle_watts", cost.idle_watts)):
        if value is not None and cost.kwh_usd is None:
            yield (key,), "what power costs is not said: add 'kwh_usd'"
    if cost.paid == "busy" and cost.idle_watts is not None:
        yield ("idle_watts",), "with 'paid: busy' idle time costs nothing: remove one of the two"


def _baseline(document: Document, word: str) -> str | None:
    """What is wrong with it, as far as the file itself can tell."""
    entry = document.backends.get(word)
    if entry is None:
        provider, slash, model = word.partition("/")
        return None if provider and slash and model else f"no backend '{word}': {did_you_mean(word, _known(document))}"
    if entry.cost is not None:
        return "a machine that is paid by the hour has no price per token: name another backend, or provider/model"
    row = PROVIDERS.get(entry.provider)
    if entry.price is None and row is not None and is_local(entry, row) and _key(entry) not in _priced(document):
        return f"'{word}' has no price per token: give it a 'price', or name another"
    return None


def _key(entry: BackendEntry) -> str:
    return name(entry.provider, entry.model)


def _priced(document: Document) -> Mapping[str, str]:
    """``provider/model`` of every entry of ``prices``, in lower case -> as it is written."""
    return {key.lower(): key for key in reversed(list(document.prices))}


def _known(document: Document) -> list[str]:
    """What a baseline may be called, as far as this file says."""
    return [*document.backends, *document.prices]


# --- against the shipped sheet -------------------------------------------------------------------------------------


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
        return entry.price is None and _key(entry) not in _priced(document)
    return word.lower() not in _priced(document)


def _unlisted(document: Document, word: str, now: float) -> str | None:
    entry = document.backends.get(word)
    provider, _, model = (_key(entry) if entry is not None else word).partition("/")
    if isinstance(sheet.tariff(provider, model, now), Tariff):
        return None
    if entry is not None:
        return f"no price is known of '{word}': give it a 'price', or write one under 'prices: {_key(entry)}'"
    listed = provider in {*PROVIDERS, *sheet.providers()}
    near = did_you_mean(model, sheet.models(provider)) if listed else did_you_mean(provider, sheet.providers())
    return f"no price is known of '{word}': {near if 'did you' in near else f'write one under prices: {word}'}"
