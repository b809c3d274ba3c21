"""What the operator reads: totals by day, alias, backend, class or policy, and the rows themselves as JSON Lines."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from proxy.ledger.record import COLUMNS, UsageRecord, iso, public
from proxy.ledger.show import dollars

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


def table(folded: Totals, by: Sequence[str] = ("day",)) -> Table:
    """The totals as a table. A sum of which a part is unknown says so; one of which all is unknown is no number."""
    drawn = Table(box=None, pad_edge=False)
    for name in by:
        drawn.add_column(name)
    for name in ("calls", "attempts", "failed", "in", "cached", "out", "reasoning", "cost"):
        drawn.add_column(name, justify="right")
    for key, total in folded.items():
        sums = (total.input, total.cached, total.output, total.reasoning)
        counts = (f"{n:,}" for n in (total.calls, total.attempts, total.failed))
        drawn.add_row(
            *key, *counts, *(_told(s, f"{s.value:,}") for s in sums), _told(total.cost, dollars(total.cost.value))
        )
    return drawn


def _told(amount: Sum, text: str) -> str:
    if amount.known == 0:
        return "unknown" if amount.unknown else "-"
    return f"{text} + {amount.unknown} unknown" if amount.unknown else text


def render(drawn: Table, width: int = 160) -> str:
    """The table as plain text, for a pipe or a test."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(drawn)
    text = console.file
    assert isinstance(text, io.StringIO)  # noqa: S101 - for the type checker
    return text.getvalue()


def rows_json(records: Iterable[UsageRecord]) -> str:
    """JSON Lines with exactly the keys of decision D19; unknown is null."""
    return "".join(msgspec.json.encode(public(record)).decode() + "\n" for record in records)
