"""What the operator's own machines did and cost in a span of time, idle hours included, and when they pay."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from adapters import ir
from policies import machine, pricing
from policies.machine import Machine
from proxy import tariffs
from proxy.backends import Backend
from proxy.ledger.totals import Total
from proxy.prices import Prices
from proxy.snapshot import Snapshot

_HOURS = 3_600_000_000_000
_MILLI, _MICRO = 1_000_000, 1000


class Report(Struct, frozen=True, kw_only=True):
    """One machine. Money in nano-dollars; unknown is None."""

    machine: str
    """Where it stands."""
    backends: tuple[str, ...]
    hours: float
    """Of the span, and ``busy_hours`` of those in which somebody asked it."""
    busy_hours: float
    tokens: int
    attributed_nano_usd: int
    """What stands in the rows of its calls."""
    idle_nano_usd: int
    """What its idle hours cost, which no row has."""
    total_nano_usd: int
    per_million_nano_usd: int | None
    """What a million tokens really cost."""
    baseline: str | None = None
    baseline_nano_usd: int | None = None
    """What it would have charged for the same tokens."""
    saved_nano_usd: int | None = None
    """Idle hours subtracted."""
    break_even_tokens_per_day: int | None = None
    """From so many on it is cheaper than the baseline; None: never, or unknown."""
    tokens_per_day: int | None = None
    capacity_tokens_per_day: int | None = None
    """At the pace seen."""


def known_baseline(word: str, snapshot: Snapshot) -> bool:
    """A backend's name, or ``provider/model`` of a provider that there is."""
    from adapters.providers import PROVIDERS

    return word in snapshot.backends or ("/" in word and word.partition("/")[0] in PROVIDERS)


def report(
    snapshot: Snapshot, totals: Mapping[tuple[str, ...], Total], since: int, until: int, baseline: str | None
) -> list[Report]:
    """Every machine of the configuration. ``totals``: of each backend over the span, which is in milliseconds since
    1970."""
    places: dict[str, list[Backend]] = {}
    for backend in snapshot.backends.values():
        if backend.machine is not None:
            places.setdefault(backend.machine.place or backend.name, []).append(backend)
    found = []
    for place, backends in places.items():
        used = [totals[each.name,] for each in backends if (each.name,) in totals]
        rates = backends[0].machine
        assert rates is not None  # noqa: S101 - they were chosen by it
        found.append(_report(place, backends, rates, used, (until - since) * _MILLI, snapshot, until, baseline))
    return found


def _report(
    place: str,
    backends: list[Backend],
    rates: Machine,
    used: list[Total],
    span: int,
    snapshot: Snapshot,
    until: int,
    baseline: str | None,
) -> Report:
    shares = sum(total.machine.value for total in used) * _MICRO
    usage = ir.Usage(
        input=sum(total.input.value for total in used),
        output=sum(total.output.value for total in used),
        cached=sum(total.cached.value for total in used) or None,
    )
    tokens = (usage.input or 0) + (usage.output or 0)
    use = machine.use(rates, span=span, shares=shares, attributed=sum(t.cost.value for t in used), tokens=tokens)
    instead = _instead(usage, snapshot, until, baseline)
    even = None if instead is None else machine.break_even(rates, shares=shares, tokens=tokens, baseline=instead)
    return Report(
        machine=place,
        backends=tuple(each.name for each in backends),
        hours=span / _HOURS,
        busy_hours=round(use.busy / _HOURS, 4),
        tokens=tokens,
        attributed_nano_usd=use.attributed,
        idle_nano_usd=use.idled,
        total_nano_usd=use.cost,
        per_million_nano_usd=use.per_million,
        baseline=baseline,
        baseline_nano_usd=instead,
        saved_nano_usd=None if instead is None else instead - use.cost,
        break_even_tokens_per_day=None if even is None else even.tokens,
        tokens_per_day=tokens * machine.DAY // span if span > 0 else None,
        capacity_tokens_per_day=None if even is None else even.capacity,
    )


def _instead(usage: ir.Usage, snapshot: Snapshot, until: int, word: str | None) -> int | None:
    """What the baseline would have charged for these tokens; long calls are taken for ordinary ones, for their lengths
    are not in the sums."""
    if word is None:
        return None
    found = tariffs.baseline(word, snapshot.backends)
    quote = Prices(snapshot.overlay).quote(
        found.provider, found.model, now=until / 1000, own=found.own, local=found.local
    )
    if quote.price is None:
        return None
    return pricing.counterfactual(usage, replace(quote.price, above=()))
