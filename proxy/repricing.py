"""History rated again: every row of the book by the prices of its day, and what no price explains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from policies.tariff import tier_of
from proxy.ledger.parts import usage_of
from proxy.ledger.record import UsageRecord
from proxy.prices import Prices
from proxy.rerate import off_sheet, rerate
from proxy.snapshot import Snapshot

_SOME = 500
"""Rows that are written at one time."""
_SHOWN = 20
"""Rows off the sheet that are listed."""

Write = Callable[[Sequence[UsageRecord]], int]


class Repriced(Struct):
    """What was done, or would be. Money in nano-dollars, over the rows that change; what had no cost before is in
    ``after`` alone."""

    looked: int = 0
    changed: int = 0
    newly_known: int = 0
    before: int = 0
    after: int = 0
    odd: list[tuple[str, int, str]] = []
    """(request id, attempt, why no rate of the shipped sheet explains its cost)."""
    more_odd: int = 0

    def plain(self) -> dict[str, Any]:
        """As JSON tells it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        odd = [{"request_id": id_, "attempt": attempt, "why": why} for id_, attempt, why in self.odd]
        return {**found, "odd": odd}


def reprice(rows: Iterable[UsageRecord], snapshot: Snapshot, *, write: Write | None) -> Repriced:
    """``write`` puts changed rows in their places; None: nothing is written."""
    prices, sheet, found, waiting = Prices(snapshot.overlay), Prices(), Repriced(odd=[]), list[UsageRecord]()
    for row in rows:
        found.looked += 1
        new = rerate(row, snapshot, prices)
        _hold(new or row, snapshot, sheet, found)
        if new is None:
            continue
        _count(row, new, found)
        waiting.append(new)
        if len(waiting) >= _SOME:
            _put(waiting, write)
    _put(waiting, write)
    return found


def _put(waiting: list[UsageRecord], write: Write | None) -> None:
    if waiting and write is not None:
        write(waiting)
    waiting.clear()


def _count(row: UsageRecord, new: UsageRecord, found: Repriced) -> None:
    found.changed += 1
    found.newly_known += row.cost_nano_usd is None and new.cost_nano_usd is not None
    found.before += row.cost_nano_usd or 0
    found.after += new.cost_nano_usd or 0


def _hold(row: UsageRecord, snapshot: Snapshot, sheet: Prices, found: Repriced) -> None:
    """Its cost against the shipped sheet."""
    backend = snapshot.backends.get(row.backend or "")
    if row.attempt == 0 or not row.cost_nano_usd or backend is None or backend.local or backend.machine is not None:
        return
    quote = sheet.quote(
        backend.provider,
        backend.upstream.model,
        now=row.started_at / 1000,
        tier=tier_of(usage_of(row)),
        answered=row.upstream_model,
    )
    why = off_sheet(row, quote)
    if why is None:
        return
    if len(found.odd) < _SHOWN:
        found.odd.append((row.request_id, row.attempt, why))
    else:
        found.more_odd += 1
