"""What the operator reads: totals by day, alias, caller or any column, machines, and the rows themselves."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy.ledger.record import UsageRecord, public
from proxy.ledger.show import dollars
from proxy.ledger.told import summed
from proxy.ledger.totals import Sum, Total, Totals

_COUNTS = ("calls", "attempts", "failed")
_TOKENS = {"in": "input", "cached": "cached", "written": "cache_write", "out": "output", "reasoning": "reasoning"}
"""Heading -> sum of tokens; cached and written are parts of in, reasoning of out."""


def table(folded: Totals, by: Sequence[str] = ("day",)) -> Table:
    """The totals as a table, and of several lines their sum. A sum of which a part is unknown says so; one of which all
    is unknown is no number. What was saved is shown where any call has a baseline."""
    all_ = summed(folded)
    compared = bool(all_.baseline.known or all_.baseline.unknown)
    money = ("cost", "baseline", "saved") if compared else ("cost",)
    drawn = Table(box=None, pad_edge=False)
    for name in by:
        drawn.add_column(name)
    for name in (*_COUNTS, *_TOKENS, *money):
        drawn.add_column(name, justify="right")
    for key, total in folded.items():
        drawn.add_row(*map(Text, key), *_cells(total, compared=compared))
    if len(folded) > 1:
        drawn.add_section()
        drawn.add_row("total", *[""] * (len(by) - 1), *_cells(all_, compared=compared))
    return drawn


def _cells(total: Total, *, compared: bool) -> list[str]:
    counts = [f"{getattr(total, name):,}" for name in _COUNTS]
    tokens = [_told(amount, f"{amount.value:,}") for name in _TOKENS.values() if (amount := getattr(total, name))]
    money = [_told(amount, dollars(amount.value)) for amount in (total.cost, total.baseline)]
    return [*counts, *tokens, *([*money, _saved(total)] if compared else money[:1])]


def _saved(total: Total) -> str:
    """With its share of what the baseline would have cost."""
    saved, baseline = total.saved, total.baseline.value
    share = f" ({saved.value / baseline:.0%})" if baseline and not saved.unknown else ""
    return _told(saved, dollars(saved.value)) + share


def _told(amount: Sum, text: str) -> str:
    if amount.known == 0:
        return "unknown" if amount.unknown else "-"
    return f"{text} + {amount.unknown:,} unknown" if amount.unknown else text


def render(drawn: Table, width: int = 160) -> str:
    """The table as plain text, for a pipe or a test."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(drawn)
    text = console.file
    assert isinstance(text, io.StringIO)  # noqa: S101 - for the type checker
    return text.getvalue()


def rows_json(records: Iterable[UsageRecord]) -> Iterable[str]:
    """JSON Lines with exactly the keys of decision D19; unknown is null."""
    return (msgspec.json.encode(public(record)).decode() for record in records)


def as_csv(lines: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Lines of one shape as CSV with a head (RFC 4180, but for its line ends). Unknown is an empty cell; one that a
    spreadsheet would take for a formula begins with an apostrophe."""
    head: list[str] = []
    for line in lines:
        if not head:
            head = list(line)
            yield _csv_line(head)
        yield _csv_line([_cell(line[name]) for name in head])


def _csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if isinstance(value, str) and text[:1] in {"=", "+", "-", "@", "\t"} and text != "-" else text
