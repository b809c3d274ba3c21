"""A row as a term of its call's savings."""

from __future__ import annotations

from policies.savings import Leg
from proxy.ledger.record import UsageRecord


def leg(record: UsageRecord) -> Leg:
    """A call that no backend was asked for has spent nothing."""
    spent = record.cost_nano_usd if record.attempt > 0 else record.cost_nano_usd or 0
    return Leg(record.parent_id or record.request_id, spent, is_compared(record), record.baseline_nano_usd)


def is_compared(record: UsageRecord) -> bool:
    """Did a client get its answer, and is there a baseline for it?"""
    return record.baseline is not None and record.outcome == "ok" and record.parent_id is None
