"""Stations 10 and 11: what each attempt cost, and one row for each, before the client sees the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from policies import pricing, reasoning
from proxy.call import Attempt, Call
from proxy.ledger.record import Outcome, UsageRecord, clean, pack_facts

if TYPE_CHECKING:
    from proxy.prices import Prices


def settle(call: Call, prices: Prices) -> None:
    """Tokens and money of every attempt that has an answer. Unknown stays None."""
    for attempt in call.attempts:
        if attempt.usage is None:
            continue
        attempt.reasoning_tokens, attempt.reasoning_source = reasoning.split(
            attempt.usage, attempt.reasoning_chars, attempt.answer_chars
        )
        quote = prices.quote(
            attempt.upstream.provider,
            attempt.upstream.model,
            now=call.started_at / 1000,
            backend=attempt.target.backend,
            tier=attempt.usage.service_tier,
        )
        attempt.price_source = quote.source
        if quote.price is not None:
            attempt.cost = pricing.cost(attempt.usage, quote.price)
            attempt.unit_prices = msgspec.json.encode(quote.price).decode()


def rows(call: Call, now: float) -> list[UsageRecord]:
    """One row per attempt; a call that no backend was asked for has one row with attempt 0."""
    if not call.attempts:
        return [_row(call, None, now, "denied" if call.outcome is None else _outcome(call, None))]
    return [_row(call, attempt, now, _outcome(call, attempt)) for attempt in call.attempts]


def _outcome(call: Call, attempt: Attempt | None) -> Outcome:
    """How this attempt ended; only the last one can have ended the call."""
    if attempt is not None and attempt is not call.attempts[-1]:
        return "fallback"
    if call.outcome == "cancelled":
        return "cancelled"
    if call.failure is None and (attempt is None or attempt.failure is None):
        return "ok"
    return "interrupted" if call.committed else "error"


def _row(call: Call, attempt: Attempt | None, now: float, outcome: Outcome) -> UsageRecord:
    decision = call.decision
    if attempt is None:
        return UsageRecord(**_common(call), attempt=0, status=call.status, outcome=outcome, **_told(call.failure))
    usage = attempt.usage
    ended = attempt.ended or now
    last = attempt is call.attempts[-1]
    failure = attempt.failure or (call.failure if last else None)
    first = attempt.first_event
    return UsageRecord(
        **_common(call),
        attempt=attempt.number,
        status=call.status if last else (attempt.failure.status if attempt.failure else None),
        outcome=outcome,
        backend=attempt.target.backend,
        upstream_model=attempt.model or attempt.upstream.model,
        input_tokens=usage.input if usage else None,
        cached_tokens=usage.cached if usage else None,
        cache_write_tokens=usage.cache_write if usage else None,
        output_tokens=usage.output if usage else None,
        reasoning_tokens=attempt.reasoning_tokens,
        reasoning_source=attempt.reasoning_source,
        cost_nano_usd=attempt.cost,
        price_source=attempt.price_source,
        unit_prices=attempt.unit_prices,
        duration_ms=round((ended - attempt.started) * 1000, 3),
        ttft_ms=round((first - call.started) * 1000, 3) if first and call.head.stream else None,
        overhead_ms=round(max(now - call.started - call.upstream_seconds, 0.0) * 1000, 3) if not call.head.stream else None,
        decision_reason=decision.reason if decision else None,
        dropped=", ".join(named.name for named in attempt.dropped) or None,
        upstream_request_id=attempt.upstream_id,
        upstream_status=attempt.upstream_status,
        finish_reason=attempt.finish,
        effort=attempt.effort,
        **_told(failure),
    )


def _common(call: Call) -> dict[str, object]:
    """What every row of a call shares."""
    decision = call.decision
    return {
        "request_id": call.id,
        "client_request_id": call.client_request_id,
        "started_at": call.started_at,
        "tenant": call.caller.tenant,
        "key_id": call.caller.key_id,
        "alias": call.head.model or None,
        "api": call.api.name,
        "stream": call.head.stream,
        "generation": call.snapshot.generation,
        "policy": decision.policy if decision else None,
        "policy_hash": decision.policy_hash if decision else None,
        "rule": decision.rule if decision else None,
        "cls": decision.cls if decision else None,
        "facts": pack_facts(decision.facts) if decision else None,
        "trace": "\n".join(decision.trace) if decision else None,
    }


def _told(failure: object) -> dict[str, str | None]:
    code, message = getattr(failure, "code", None), getattr(failure, "message", None)
    return {"error_code": code, "error_message": clean(message) if message else None}
