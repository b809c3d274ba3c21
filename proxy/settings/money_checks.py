"""What prices, running costs and baselines may get wrong in the file itself; ``sheet_checks`` looks at the sheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adapters.providers import PROVIDERS
from policies.tariff import name, unusual
from proxy import tariffs
from proxy.backends import is_local
from proxy.settings.grammar import Document
from proxy.settings.money import Cost, DatedPrice, PriceSheet, Rates, TierRates
from proxy.settings.shape import did_you_mean
from proxy.settings.source import Mistake, Path
from proxy.settings.upstreams import BackendEntry

Found = Iterable[Mistake]

_TIERS = ("batch", "flex", "priority", "fast", "scale", "ultrafast", "offpeak", "provisioned", "us", "priority_us")


def money(document: Document) -> Found:
    """Without the shipped sheet: what contradicts itself."""
    for key, entries in document.prices.items():
        provider, slash, model = key.partition("/")
        if not (provider and slash and model):
            yield ("prices", key), "write 'provider/model', as openai/gpt-5.6"
        if (first := priced(document)[key.lower()]) != key:
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
        return None if provider and slash and model else f"no backend '{word}': {did_you_mean(word, known(document))}"
    if entry.cost is not None:
        return "a machine that is paid by the hour has no price per token: name another backend, or provider/model"
    row = PROVIDERS.get(entry.provider)
    if entry.price is None and row is not None and is_local(entry, row) and key_of(entry) not in priced(document):
        return f"'{word}' has no price per token: give it a 'price', or name another"
    return None


def key_of(entry: BackendEntry) -> str:
    return name(entry.provider, entry.model)


def priced(document: Document) -> Mapping[str, str]:
    """``provider/model`` of every entry of ``prices``, in lower case -> as it is written."""
    return {key.lower(): key for key in reversed(list(document.prices))}


def known(document: Document) -> list[str]:
    """What a baseline may be called, as far as this file says."""
    return [*document.backends, *document.prices]
