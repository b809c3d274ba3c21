"""Machines of the operator's own as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.ledger.show import dollars

if TYPE_CHECKING:
    from proxy.machines import Report

HEAD = (
    "machine", "backends", "busy", "tokens", "in rows", "idle", "total", "per million", "baseline", "saved",
    "tokens a day", "break-even", "can do",
)  # fmt: skip


def cells(found: Report) -> tuple[str, ...]:
    """One machine."""
    share = found.busy_hours / found.hours if found.hours else 0.0
    return (
        found.machine,
        ", ".join(found.backends),
        f"{found.busy_hours:,.1f} of {found.hours:,.1f} h ({share:.1%})",
        f"{found.tokens:,}",
        _cents(found.attributed_nano_usd),
        _cents(found.idle_nano_usd),
        _cents(found.total_nano_usd),
        _cents(found.per_million_nano_usd),
        _cents(found.baseline_nano_usd) if found.baseline else "-",
        _cents(found.saved_nano_usd) if found.baseline else "-",
        _count(found.tokens_per_day),
        _even(found),
        _count(found.capacity_tokens_per_day),
    )


def _even(found: Report) -> str:
    if found.baseline is None or found.capacity_tokens_per_day is None:
        return "-"
    return "never" if found.break_even_tokens_per_day is None else _count(found.break_even_tokens_per_day)


def _count(tokens: int | None) -> str:
    return "-" if tokens is None else f"{tokens:,}"


def _cents(nano: int | None) -> str:
    """Rounded to the hundredth of a cent, for eyes."""
    return "unknown" if nano is None else dollars(round(nano, -5))
