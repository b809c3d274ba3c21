"""What the operator reads: totals by day, alias, backend, class or policy, and the rows themselves as JSON Lines."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from proxy.ledger.record import UsageRecord, public
from proxy.ledger.show import dollars
from proxy.ledger.totals import Sum, Totals


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
