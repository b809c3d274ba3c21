"""What a model charges in each of its service tiers, and the operator's own prices by model and by day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import fields, replace

from adapters import ir
from policies.pricing import NOT_BY_CALL, Price, cost

USUAL = frozenset({"", "default", "standard", "auto", "on_demand", "standard_only"})
"""Words of vendors that mean the ordinary price."""
MAX_WORD = 40
"""Characters of a tier's word that are looked at: it comes from an upstream."""
_NAMED = tuple(field.name for field in fields(Price) if field.name not in ("calls", "above"))


def unusual(word: str | None) -> str | None:
    """A service tier as prices are listed by it, in lower case; None for the usual one."""
    if not word or word in USUAL:
        return None
    told = word.lower()[:MAX_WORD]
    return None if told in USUAL else told


def tier_of(usage: ir.Usage) -> str | None:
    """The tier that this usage is priced in; None for the usual one.

    Anthropic's ``speed`` is a tier of its own. Where a vendor tells an unusual tier beside it, neither's rates are the
    whole truth, and the two together are looked for (``priority+fast``).
    """
    tier = unusual(usage.service_tier)
    if usage.speed is None:
        return tier
    speed = unusual(usage.speed)
    return tier or speed if tier is None or speed is None else f"{tier}+{speed}"


class Tariff(Struct, frozen=True):
    """One model's price. ``source`` is what the ledger calls it."""

    usual: Price
    tiers: Mapping[str, Price] = {}
    """Service tier -> its rates; one that is not listed has no price."""
    source: str = "operator"

    def of(self, tier: str | None) -> Price | None:
        """The rates in ``tier``, a word from ``unusual``."""
        return self.usual if tier is None else self.tiers.get(tier)


class Overlay(Struct, frozen=True):
    """The operator's prices; they win over the shipped sheet."""

    dated: Mapping[str, tuple[tuple[float, Tariff], ...]] = {}
    """``provider/model`` in lower case -> (from when on, seconds since 1970; what is charged), in rising order."""
    own: Mapping[str, tuple[Tariff, ...]] = {}
    """provider -> what its backends charge by a price of their own."""

    def find(self, provider: str, model: str, now: float) -> Tariff | None:
        """The newest entry for this model that has begun at ``now`` (seconds since 1970)."""
        entries = self.dated.get(name(provider, model))
        return None if entries is None else _begun(entries, now)

    def known(self, provider: str, now: float) -> Iterator[Tariff]:
        """Every price of this provider that holds at ``now``."""
        yield from self.own.get(provider, ())
        for key, entries in self.dated.items():
            found = _begun(entries, now) if key.startswith(f"{provider}/") else None
            if found is not None:
                yield found


NOTHING = Overlay()


def name(provider: str, model: str) -> str:
    """What the entries of an overlay are found by."""
    return f"{provider}/{model}".lower()


def _begun(entries: tuple[tuple[float, Tariff], ...], now: float) -> Tariff | None:
    return next((tariff for start, tariff in reversed(entries) if start <= now), None)


def applied(price: Price, usage: ir.Usage) -> Price:
    """The rates that priced this usage: those of its length, and of the vendor's tools those that ran."""
    rates = price.at(usage.input or 0)
    if not rates.above and not rates.calls:
        return rates
    return replace(rates, above=(), calls={tool: rate for tool, rate in rates.calls.items() if tool in usage.calls})


def lacking(usage: ir.Usage, price: Price) -> tuple[str, ...]:
    """The classes of this usage that have no rate, so that it has no cost. Empty where the usage itself is at fault."""
    rates = price.at(usage.input or 0)
    calls = {**dict.fromkeys(usage.calls, 0), **rates.calls}
    whole = replace(rates, calls=calls, above=(), **{each: 0 for each in _NAMED if getattr(rates, each) is None})
    if cost(usage, whole) is None:
        return ()
    unlisted = [each for each in _NAMED if getattr(rates, each) is None]
    found = [each for each in unlisted if cost(usage, replace(whole, **{each: None})) is None]
    return (*found, *(tool for tool in usage.calls if tool not in rates.calls and tool not in NOT_BY_CALL))
