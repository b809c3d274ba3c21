"""The book as JSON: totals, and one call with its attempts, its tokens and its money; unknown is null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from policies import savings
from proxy.ledger.legs import leg
from proxy.ledger.parts import usage_of
from proxy.ledger.record import UsageRecord, iso
from proxy.ledger.totals import Sum, Total, Totals

_NANO = 1_000_000_000


def usd(nano: int | None) -> str | None:
    """Nano-dollars as a decimal number of dollars, exact: ``0.0015``."""
    if nano is None:
        return None
    whole, part = divmod(abs(nano), _NANO)
    text = f"{whole}.{part:09}".rstrip("0").rstrip(".")
    return f"-{text}" if nano < 0 else text


_TOLD = {
    "input_tokens": "input",
    "cached_tokens": "cached",
    "cache_write_tokens": "cache_write",
    "output_tokens": "output",
    "reasoning_tokens": "reasoning",
    "cost_nano_usd": "cost",
    "baseline_nano_usd": "baseline",
}
COUNTED = (*_TOLD, "saved_nano_usd")
"""Keys of a line of totals of which parts may be unknown."""


def total(found: Total) -> dict[str, Any]:
    """One line of the totals. A sum of which nobody told any part is None; so are savings of which a part is unknown.
    ``unknown``: how many parts nobody told."""
    sums: dict[str, Sum] = {name: getattr(found, field) for name, field in _TOLD.items()}
    counted = {**sums, "saved_nano_usd": found.saved}
    return {
        "calls": found.calls,
        "attempts": found.attempts,
        "failed": found.failed,
        **{name: amount.value if amount.known else None for name, amount in sums.items()},
        "saved_nano_usd": whole(found.saved),
        "machine_ms": round(found.machine.value / 1000, 3) if found.machine.known else None,
        "unknown": {name: amount.unknown for name, amount in counted.items() if amount.unknown},
    }


def whole(amount: Sum) -> int | None:
    """A sum that is not told in part: a difference of which a term is unknown is no number."""
    return amount.value if amount.known and not amount.unknown else None


def lines(folded: Totals, shown: Sequence[str]) -> list[dict[str, Any]]:
    """Every line of the totals; ``shown`` are the dimensions in the words of whoever asked."""
    return [{**dict(zip(shown, key, strict=True)), **total(found)} for key, found in folded.items()]


def summed(folded: Totals) -> Total:
    """All lines together."""
    found = Total()
    for each in folded.values():
        found.calls += each.calls
        found.attempts += each.attempts
        found.failed += each.failed
        for name in SUMS:
            more = getattr(each, name)
            getattr(found, name).gather(more.value, more.known, more.unknown)
    return found


SUMS = (
    "input", "cached", "cache_write", "output", "reasoning", "cost", "machine", "baseline", "compared",
)  # fmt: skip
"""The fields of a ``Total`` that are sums."""


def call(records: Sequence[UsageRecord]) -> dict[str, Any]:
    """One call, for whoever made it: what was decided, tokens, money, its attempts and the calls that helped it.
    ``records``: of ``Book.find``, not empty."""
    own = [record for record in records if record.request_id == records[0].request_id]
    last = _answered(own)
    return {
        "object": "usage",
        "id": last.request_id,
        "client_request_id": last.client_request_id,
        "parent_id": last.parent_id,
        "started_at": iso(own[0].started_at),
        "api": last.api,
        "model": last.alias,
        "stream": last.stream,
        "status": last.status,
        "outcome": last.outcome,
        "policy": last.policy,
        "rule": last.rule,
        "class": last.cls,
        "backend": last.backend,
        "upstream_model": last.upstream_model,
        "effort": last.effort,
        "finish_reason": last.finish_reason,
        "dropped": last.dropped.split(", ") if last.dropped else [],
        "usage": _usage(last),
        **_money(records),
        "user": last.user,
        "session": last.session,
        "tags": _mapping(last.tags),
        "duration_ms": last.duration_ms,
        "ttft_ms": last.ttft_ms,
        "cached_from": last.cached_from,
        "error": {"code": last.error_code, "message": last.error_message} if last.error_code else None,
        "attempts": [_leg(record) for record in own if record.attempt],
        "helpers": [_leg(record) for record in records if record.request_id != last.request_id],
    }


def _answered(own: Sequence[UsageRecord]) -> UsageRecord:
    """The row whose answer the client got; of a call that nobody answered, the last."""
    return next((record for record in own if record.outcome == "ok"), own[-1])


def _usage(record: UsageRecord) -> dict[str, Any]:
    usage = usage_of(record)
    both = None if usage.input is None or usage.output is None else usage.input + usage.output
    return {
        "input_tokens": record.input_tokens,
        "cached_tokens": record.cached_tokens,
        "cache_write_tokens": record.cache_write_tokens,
        "output_tokens": record.output_tokens,
        "reasoning_tokens": record.reasoning_tokens,
        "reasoning_source": record.reasoning_source,
        "total_tokens": both,
        "service_tier": record.service_tier,
        **({"parts": _mapping(record.parts)} if record.parts else {}),
    }


def _money(records: Iterable[UsageRecord]) -> dict[str, Any]:
    """Of all rows of the call together."""
    asked = [record for record in records if record.attempt]
    costs = [record.cost_nano_usd for record in asked]
    known = [cost for cost in costs if cost is not None]
    cost = sum(known) if len(known) == len(costs) else None
    found = savings.Saved()
    found.add([leg(record) for record in records])
    net = found.saved if found.calls and not found.unknown else None
    return {
        "cost_usd": usd(cost),
        "cost_nano_usd": cost,
        "baseline": next((record.baseline for record in records if record.baseline), None),
        "baseline_nano_usd": next((r.baseline_nano_usd for r in records if r.baseline_nano_usd is not None), None),
        "saved_nano_usd": net,
    }


def _leg(record: UsageRecord) -> dict[str, Any]:
    return {
        "id": record.request_id,
        "attempt": record.attempt,
        "purpose": record.purpose,
        "started_at": iso(record.started_at),
        "backend": record.backend,
        "upstream_model": record.upstream_model,
        "status": record.status,
        "outcome": record.outcome,
        "error_code": record.error_code,
        "usage": _usage(record),
        "cost_nano_usd": record.cost_nano_usd,
        "price_source": record.price_source,
        "machine_ms": record.machine_ms,
        "flags": record.flags.split(", ") if record.flags else [],
        "duration_ms": record.duration_ms,
    }


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def _mapping(text: str | None) -> Mapping[str, Any]:
    return {} if text is None else _decode(text)
