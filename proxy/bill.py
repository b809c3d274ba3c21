"""Station 10: what every attempt is charged, and what the baseline would have charged for the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from adapters import ir
from policies import machine, pricing
from policies.facts import estimate_input
from policies.tariff import lacking, tier_of
from proxy.attempt import Attempt
from proxy.call import Call
from proxy.prices import UNKNOWN_TIER, UNTOLD

if TYPE_CHECKING:
    from proxy.backends import Backend
    from proxy.prices import Prices, Quote

MACHINE = "machine"
"""``price_source`` of what is charged by the time of the operator's own machine."""
MAX_MODEL = 100
"""Characters of an upstream's name for its model that a log line tells."""


class Unpriced(Struct, frozen=True):
    """Tokens that have no cost. ``why`` is one of few words, fit for a label."""

    backend: Backend
    model: str
    """As the upstream calls it."""
    tier: str | None
    why: str
    usage: ir.Usage
    price: pricing.Price | None = None

    @property
    def mend(self) -> str:
        """What the operator can do about it."""
        entry = f"prices: {self.backend.provider}/{self.backend.upstream.model}"
        if self.why == UNTOLD:
            return f"give backends.{self.backend.name} a 'cost' or a 'price', or write '{entry}'"
        if self.why == UNKNOWN_TIER:
            return f"write '{entry}' with 'tiers: {{{self.tier}: …}}'"
        if self.price is not None and (classes := lacking(self.usage, self.price)):
            return f"write '{entry}' with the rates of {', '.join(classes)}"
        return f"write '{entry}', or give backends.{self.backend.name} a 'price'"


Missing = Callable[[Unpriced], None]


def charge(call: Call, attempt: Attempt, prices: Prices, missing: Missing) -> None:
    """Its cost, by what, and where that comes from. Unknown stays None, and ``missing`` is told why."""
    own, usage = attempt.backend.machine, attempt.usage
    if attempt.aside:
        attempt.cost = 0
    elif own is not None:
        # It was at work, whatever came of it.
        if attempt.machine_time is not None:
            attempt.cost = machine.hours(attempt.machine_time, own.busy)
            attempt.price_source, attempt.unit_prices = MACHINE, machine_rate(own)
    elif usage is None:
        attempt.cost = 0 if unbilled(attempt) else None
    elif call.api.counts is not None:
        attempt.cost = 0
    else:
        _by_tokens(attempt, usage, started_at(call, attempt) / 1000, prices, missing)


def unbilled(attempt: Attempt) -> bool:
    """Nobody was reached, or the vendor answered with an error: no vendor charges for those. An answer that was late
    or broke off may have been charged for."""
    failure = attempt.failure
    if failure is None or (attempt.target.local and attempt.backend.price is None):
        return False
    return attempt.sent is None or failure.kind == "unreachable" or (attempt.upstream_status or 0) >= 400


def _by_tokens(attempt: Attempt, usage: ir.Usage, now: float, prices: Prices, missing: Missing) -> None:
    tier, backend = tier_of(usage), attempt.backend
    quote = prices.quote(
        backend.provider,
        attempt.upstream.model,
        now=now,
        own=backend.price,
        tier=tier,
        local=attempt.target.local,
        answered=attempt.model,
    )
    price = quote.price
    if price is not None:
        attempt.cost = pricing.cost(usage, price)
        attempt.price_source, attempt.unit_prices = quote.source, prices.written(price, usage)
    if attempt.cost is None:
        model = (attempt.model or attempt.upstream.model)[:MAX_MODEL]
        missing(Unpriced(backend, model, tier, quote.why or pricing.why_unknown(usage, price), usage, price))


def machine_rate(own: machine.Machine) -> str:
    """What a row keeps of a machine: nano-dollars for an hour of its work."""
    return f'{{"machine_hour":{own.busy}}}'


def started_at(call: Call, attempt: Attempt) -> int:
    """Milliseconds since 1970."""
    return call.started_at + round((attempt.started - call.started) * 1000)


# --- the baseline --------------------------------------------------------------------------------------------------


def compare(call: Call, prices: Prices) -> None:
    """What the baseline of the call's alias would have charged for the answer that the client has got; unknown where
    its tokens are."""
    if call.baseline is None or call.parent_id or call.failure is not None or call.outcome is not None:
        return
    kept = call.cache.kept if call.cache is not None else None
    if kept is not None:
        usage, condensed, less, now = kept.usage, kept.condensed, 0, call.started_at
    elif call.attempt is not None and call.attempt.failure is None:
        given = call.attempt
        usage, condensed, less, now = given.usage, call.condensed, _corrections(call, given), started_at(call, given)
        if less:
            call.flags.append(f"corrected {less}")
    else:
        return
    if usage is not None:
        price = baseline_quote(call, prices, now / 1000).price
        whole = pricing.asked_whole(usage, more=left_out(condensed), less=less)
        call.baseline_cost = None if price is None else pricing.counterfactual(whole, price)


def baseline_quote(call: Call, prices: Prices, now: float) -> Quote:
    """What the baseline charges in its usual tier."""
    found = call.snapshot.baselines[call.baseline or ""]
    return prices.quote(found.provider, found.model, now=now, own=found.own, local=found.local)


def left_out(condensed: str | None) -> int:
    """Tokens of ``1500>100`` that the answer's backend was not sent, by estimate."""
    if condensed is None:
        return 0
    before, _, after = condensed.partition(">")
    return int(before) - int(after)


def _corrections(call: Call, attempt: Attempt) -> int:
    """Tokens that it was shown beside the client's words, by estimate: its predecessor's bad answer and what is wrong
    with it. (A format that is asked for in words is no addition: vendors that enforce one count its schema, too.)"""
    if not attempt.corrects:
        return 0
    return estimate_input(msgspec.structs.replace(call.request(), messages=attempt.corrects, system=(), tools=()))
