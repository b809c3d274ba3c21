"""Rows folded into totals: calls, tokens and money by day or by any column, and how much of it nobody told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from proxy.ledger.record import COLUMNS, UsageRecord, iso

DIMENSIONS = ("day", "alias", "backend", "class", "policy")
"""What is usually asked for; every other column of the row is a dimension too."""


class Sum(Struct):
    """A sum that knows how many of its terms nobody told."""

    value: int = 0
    known: int = 0
    unknown: int = 0

    def add(self, term: int | None) -> None:
        if term is None:
            self.unknown += 1
        else:
            self.value += term
            self.known += 1


class Total(Struct):
    """One line of the totals. ``calls`` and ``failed`` count what clients asked, once each; ``attempts`` counts every
    try, those of helper calls included. Sums run over attempts that reached an upstream."""

    calls: int = 0
    attempts: int = 0
    failed: int = 0
    input: Sum = msgspec.field(default_factory=Sum)
    cached: Sum = msgspec.field(default_factory=Sum)
    output: Sum = msgspec.field(default_factory=Sum)
    reasoning: Sum = msgspec.field(default_factory=Sum)
    cost: Sum = msgspec.field(default_factory=Sum)

    def add(self, record: UsageRecord) -> None:
        if record.parent_id is None:
            self.calls += record.outcome != "fallback"
            self.failed += record.outcome in {"error", "interrupted", "denied"}
        if record.attempt == 0:
            return
        self.attempts += 1
        self.input.add(record.input_tokens)
        self.cached.add(record.cached_tokens)
        self.output.add(record.output_tokens)
        self.reasoning.add(record.reasoning_tokens)
        self.cost.add(record.cost_nano_usd)


Totals = Mapping[tuple[str, ...], Total]


def totals(records: Iterable[UsageRecord], by: Sequence[str] = ("day",)) -> dict[tuple[str, ...], Total]:
    """The rows folded by ``day`` (UTC) or any column, in the order of the keys; unknown values are ``"-"``.

    Raises KeyError for a dimension that does not exist.
    """
    fields = [None if name == "day" else _FIELDS[name] for name in by]
    found: dict[tuple[str, ...], Total] = {}
    for record in records:
        key = tuple(iso(record.started_at)[:10] if name is None else _label(record, name) for name in fields)
        found.setdefault(key, Total()).add(record)
    return dict(sorted(found.items()))


_FIELDS = dict(zip(COLUMNS, UsageRecord.__struct_fields__, strict=True))


def _label(record: UsageRecord, name: str) -> str:
    value = getattr(record, name)
    return "-" if value is None else str(value)
