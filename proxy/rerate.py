"""Rows of the book with a price in hand: rated again, or held against a sheet. Nothing is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from policies import machine, pricing, savings
from policies.tariff import tier_of
from proxy import tariffs
from proxy.apis import APIS
from proxy.backends import Backend
from proxy.bill import MACHINE, left_out, machine_rate
from proxy.ledger.legs import is_compared
from proxy.ledger.parts import usage_of
from proxy.ledger.record import UsageRecord
from proxy.prices import Prices, Quote
from proxy.snapshot import Snapshot

_COUNTS = frozenset(api.name for api in APIS.values() if api.counts is not None)
_LISTED = re.compile(r"genai-prices \S+ ([^/]+)/(.+)")
"""``price_source`` of a row that the sheet has priced: provider and model, also of a backend that is gone."""


def rerate(record: UsageRecord, snapshot: Snapshot, prices: Prices) -> UsageRecord | None:
    """The row with the cost and the baseline that the prices of ``snapshot`` give at the time of its call; None where
    nothing changes. What was known stays where no price is known now, and so does what no price can change: calls that
    were never charged, and kept answers, whose tokens stand in another row."""
    uncharged = record.cost_nano_usd == 0 and record.price_source is None
    if record.attempt == 0 or record.api in _COUNTS or uncharged:
        return None
    changes = {**_charged(record, snapshot, prices), **_compared(record, snapshot, prices)}
    same = all(getattr(record, name) == value for name, value in changes.items() if name != "price_source")
    return None if same else replace(record, **changes)


def off_sheet(record: UsageRecord, quote: Quote) -> str | None:
    """What is wrong with what was booked for this row, in words: no division of its tokens among the classes of the
    sheet explains it. None: it may be right, or nobody knows."""
    if record.cost_nano_usd is None or quote.price is None:
        return None
    return savings.off_sheet(usage_of(record), record.cost_nano_usd, quote.price)


def _charged(record: UsageRecord, snapshot: Snapshot, prices: Prices) -> Mapping[str, Any]:
    backend = snapshot.backends.get(record.backend or "")
    if backend is not None and backend.machine is not None:
        return _by_time(record, backend.machine)
    usage = usage_of(record)
    if usage.input is None or usage.output is None:
        return {}
    quote = _quote(record, backend, prices, tier_of(usage))
    cost = pricing.cost(usage, quote.price) if quote.price is not None else None
    if quote.price is None or cost is None:
        return {}
    return {"cost_nano_usd": cost, "price_source": quote.source, "unit_prices": prices.written(quote.price, usage)}


def _by_time(record: UsageRecord, rates: machine.Machine) -> Mapping[str, Any]:
    if record.machine_ms is None:
        return {}
    cost = machine.hours(round(record.machine_ms * 1_000_000), rates.busy)
    return {"cost_nano_usd": cost, "price_source": MACHINE, "unit_prices": machine_rate(rates)}


def _quote(record: UsageRecord, backend: Backend | None, prices: Prices, tier: str | None) -> Quote:
    now = record.started_at / 1000
    if backend is not None:
        model, local = backend.upstream.model, backend.local
        answered, own = record.upstream_model, backend.price
        return prices.quote(backend.provider, model, now=now, own=own, tier=tier, local=local, answered=answered)
    listed = _LISTED.fullmatch(record.price_source or "")
    if listed is None:
        return Quote(None, why="its backend is gone")
    return prices.quote(listed[1], listed[2], now=now, tier=tier)


def _compared(record: UsageRecord, snapshot: Snapshot, prices: Prices) -> Mapping[str, Any]:
    known = record.baseline in snapshot.backends or "/" in (record.baseline or "")
    if record.baseline is None or not known or not is_compared(record):
        return {}
    found = tariffs.baseline(record.baseline, snapshot.backends)
    now = record.started_at / 1000
    price = prices.quote(found.provider, found.model, now=now, own=found.own, local=found.local).price
    told = dict(flag.partition(" ")[::2] for flag in (record.flags or "").split(", "))
    more, less = left_out(told.get("condensed")), int(told.get("corrected", "0"))
    whole = pricing.asked_whole(usage_of(record), more=more, less=less)
    cost = None if price is None else pricing.counterfactual(whole, price)
    return {} if cost is None else {"baseline_nano_usd": cost}
